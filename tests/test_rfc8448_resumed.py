"""RFC 8448's other two traces through the public interface: section 4, which resumes section 3 with early data, and
section 6, in which the client shows a certificate.

The ticket, its PSK and its age are not taken from the trace of section 4: they come from running section 3, as a
StoredSession, so that the recorded binder and the recorded early data only fit if all of it is right.
"""

from __future__ import annotations

import pytest

import tls13
from tests.test_rfc8448 import TRACES, Replay, ReplayClient, drain
from tls13.client import Offer
from tls13.wire.extensions import OfferedPsks
from tls13.wire.messages import Certificate, CertificateVerify, decode_handshake
from tls13.wire.registry import CertificateType, SignatureScheme

from .wiretap import Wiretap

RESUMED, CERTIFICATE = TRACES["resumed_0rtt"], TRACES["client_authentication"]
ISSUED_AT = 1_500_000_000
AGE_ADD = 0xFAD6AAC5
"""ticket_age_add of the recorded NewSessionTicket."""
UNBOUND = bytes(32)


class Resumption(Replay):
    """The recorded ClientHello with a binder of our own making."""

    def offer(self) -> Offer:
        hello = self.hello(0)
        shares = self.shares(hello)
        psks = self.offered_psks()
        recorded = hello.extensions.get(OfferedPsks)
        (made,) = self.psks_without_binders(psks).identities
        assert made == recorded.identities[0], "the ticket and its obfuscated age"
        unbound = recorded.replace(binders=(UNBOUND,))
        emptied = hello.replace(extensions=hello.extensions.replacing(unbound, unbound.encode()))
        emptied.extensions.judge()
        return Offer(self.bound(emptied, psks), shares, psks, early_data=self.wants_early_data)


class ResumingClient(ReplayClient):
    def __init__(self, config, trace, **options) -> None:
        self.trace = trace
        tls13.ClientConnection.__init__(self, config, server_hostname="server", **options)

    def make_handshake(self, config, server_name, tracer):
        flow = Resumption(config, server_name, self._engine, tracer)
        flow.trace = self.trace
        return flow


def config(**changes) -> tls13.ClientConfig:
    """As the client of the traces was configured."""
    return tls13.ClientConfig(
        verify=tls13.INSECURE_NO_VERIFICATION,
        middlebox_compatibility=False,
        psk_key_exchange_modes=[tls13.PskKeyExchangeMode.psk_dhe_ke],
        **changes,
    )


def received(client, trace, chunk: int = 2**16):
    """The records of the server go in as the trace has them; its client's data and close_notify are sent when due."""
    for record in trace["records"]:
        raw = bytes.fromhex(record["record"])
        if record["sender"] == "server":
            for start in range(0, len(raw), chunk):
                client.receive_data(raw[start : start + chunk])
                yield from client.events()
        elif record["epoch"] == "application" and record["content_type"] == "application_data":
            client.send_data(bytes.fromhex(record["payload"]))
        elif record["epoch"] == "application":
            client.close()


def stored_session() -> tls13.StoredSession:
    """What running section 3 leaves behind."""
    client = ReplayClient(config(clock=lambda: ISSUED_AT), TRACES["simple_1rtt"])
    (stored,) = [e.session for e in received(client, TRACES["simple_1rtt"]) if isinstance(e, tls13.TicketReceived)]
    return stored


def test_the_recorded_ticket_becomes_the_recorded_psk() -> None:
    stored = stored_session()
    assert stored.psk.hex() == RESUMED["psk"]
    assert (stored.ticket_lifetime, stored.ticket_age_add, stored.max_early_data_size) == (30, AGE_ADD, 1024)
    assert stored.as_psk().early_secret is not None


@pytest.mark.parametrize("saved", [False, True], ids=["kept", "saved and loaded"])
@pytest.mark.parametrize("chunk", [1, 2, 2**16], ids=["1 byte", "2 bytes", "a record"])
def test_the_recorded_resumption_with_early_data(chunk, saved) -> None:
    stored = stored_session()
    if saved:
        stored = tls13.StoredSession.from_bytes(stored.to_bytes())
    hello = decode_handshake(bytes.fromhex(RESUMED["messages"][0]["bytes"]))
    hello.judge()
    (identity,) = hello.extensions.get(OfferedPsks).identities
    age = (identity.obfuscated_ticket_age - AGE_ADD) % 2**32 / 1000
    assert 0 <= age < 30
    lines: list[str] = []
    early = bytes.fromhex(RESUMED["records"][1]["payload"])
    client = ResumingClient(
        config(clock=lambda: ISSUED_AT + age, key_log=lines.append), RESUMED, session=stored, early_data=early
    )
    seen = list(received(client, RESUMED, chunk))
    sent = drain(client)
    assert [record.hex() for record in sent] == [r["record"] for r in RESUMED["records"] if r["sender"] == "client"]
    assert isinstance(seen[0], tls13.EarlyDataAccepted)
    assert isinstance(seen[1], tls13.HandshakeCompleted)
    assert seen[1].session.resumed
    assert seen[1].session.early_data == "accepted"
    assert seen[-1] == tls13.PeerClosed()
    secrets = RESUMED["secrets"]
    assert {line.split()[0]: line.split()[2] for line in lines} == {
        "CLIENT_EARLY_TRAFFIC_SECRET": secrets["client_early_traffic_secret"],
        "EARLY_EXPORTER_SECRET": secrets["early_exporter_master_secret"],
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET": secrets["client_handshake_traffic_secret"],
        "SERVER_HANDSHAKE_TRAFFIC_SECRET": secrets["server_handshake_traffic_secret"],
        "CLIENT_TRAFFIC_SECRET_0": secrets["client_application_traffic_secret_0"],
        "SERVER_TRAFFIC_SECRET_0": secrets["server_application_traffic_secret_0"],
        "EXPORTER_SECRET": secrets["exporter_master_secret"],
    }


def test_a_lost_bit_of_the_ticket_does_not_give_the_recorded_binder() -> None:
    """So that the test above does not pass because nothing depends on the session."""
    stored = stored_session()
    recorded = [r["record"] for r in RESUMED["records"] if r["sender"] == "client"]
    for spoiled in (stored.replace(psk=bytes(32)), stored.replace(cipher_suite=tls13.CipherSuite(0x1303))):
        hello = decode_handshake(bytes.fromhex(RESUMED["messages"][0]["bytes"]))
        hello.judge()
        (identity,) = hello.extensions.get(OfferedPsks).identities
        now = ISSUED_AT + (identity.obfuscated_ticket_age - AGE_ADD) % 2**32 / 1000
        client = ResumingClient(config(clock=lambda now=now: now), RESUMED, session=spoiled, early_data=b"ABCDEF")
        assert [record.hex() for record in drain(client)] != recorded[:2]


class RecordedSigner:
    """The client of section 6, whose private key is not published: it signs with the recorded signature."""

    certificate_type = CertificateType.X509
    delegated_credential = None
    leaf_extensions = ()
    chain_signatures = ()
    signature_schemes = (SignatureScheme.rsa_pss_rsae_sha256,)

    def __init__(self) -> None:
        messages = [m for m in CERTIFICATE["messages"] if m["sender"] == "client"]
        self.certificate, self.verify, _ = [decode_handshake(bytes.fromhex(m["bytes"])) for m in messages[1:]]
        assert isinstance(self.certificate, Certificate)
        assert isinstance(self.verify, CertificateVerify)
        self.der_chain = tuple(entry.cert_data for entry in self.certificate.certificate_list)
        self.signed: list[bytes] = []

    def sign(self, scheme, content) -> bytes:
        self.signed.append(content)
        return self.verify.signature

    def matches(self, server_name) -> bool:
        return False

    def issued_by(self, authorities) -> bool:
        return False

    def satisfies(self, filters) -> bool:
        return not filters


@pytest.mark.requirement("R155")
def test_the_recorded_client_certificate() -> None:
    """What is compared is what is in the records: what follows ServerHello shares one, as it did there."""
    signer, tapped = RecordedSigner(), Wiretap()
    client = ReplayClient(config(identities=signer, key_log=tapped.key_log), CERTIFICATE)
    for _ in received(client, CERTIFICATE):
        pass
    tapped.client = client.data_to_send()
    assert client.handshake_complete
    (content,) = signer.signed
    assert content.endswith(bytes.fromhex(CERTIFICATE["transcript_hashes"]["client_Certificate"]))
    assert client.session.client_scheme == SignatureScheme.rsa_pss_rsae_sha256
    sent = [record.content for record in tapped.records("client")]
    recorded = [bytes.fromhex(m["bytes"]) for m in CERTIFICATE["messages"] if m["sender"] == "client"]
    assert sent == [recorded[0], b"".join(recorded[1:]), b"\1\0"]
