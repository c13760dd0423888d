"""External pre-shared keys: RFC 9846, sections 2.2 and 4.3.11; RFC 9257 and RFC 9258. Several, unknown ones, wrong
ones, imported ones, and what a connection with one is like. (Rules of the messages: requirements/test_rules_psk.py.)
"""

from __future__ import annotations

import hashlib
import hmac

import pytest

import tls13
from tests.conftest import HOST
from tests.requirements.scripts import BOTH_MODES, KEY, ONLY_PSK, Recorder, edit, events_of, first_hello, session_of
from tls13 import errors
from tls13.crypto.suites import SHA256, SHA384, SUITES
from tls13.resumption.psk import PskKind
from tls13.wire.extensions import OfferedPsks
from tls13.wire.messages import Certificate, EncryptedExtensions, Finished, ServerHello
from tls13.wire.registry import CipherSuite, NamedGroup

ONE, OTHER, THIRD = (tls13.ExternalPsk(name, KEY) for name in (b"one", b"other", b"third"))
LONG = tls13.ExternalPsk(b"of sha384", KEY, "sha384")


@pytest.fixture
def only_psk(client_config):
    """A client that needs no certificate, no trust store and no name."""
    return tls13.ClientConfig(psks=[ONE], require_psk=True)


@pytest.fixture
def psk_server():
    return tls13.ServerConfig(None, psks=[ONE])


def identities(connection) -> list[bytes]:
    return [one.identity for one in first_hello(connection).extensions.get(OfferedPsks).identities]


# --- what it is like --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", [None, ONLY_PSK], ids=["psk_dhe_ke", "psk_ke"])
def test_a_psk_authenticates_both_sides_and_nothing_else_is_needed(modes, pair, only_psk, psk_server) -> None:
    record = Recorder()
    made = pair(
        client=only_psk.replace(psk_key_exchange_modes=modes),
        server=psk_server.replace(psk_key_exchange_modes=modes),
        server_script=record,
        host=None,
    )
    made.run()
    assert [type(message).__name__ for message in record.sent] == ["ServerHello", "EncryptedExtensions", "Finished"]
    for session in (made.client.session, made.server.session):
        assert session.psk_identity == b"one"
        assert not session.resumed
        assert session.peer_certificates == session.verified_chain == ()
        assert session.signature_scheme is session.client_scheme is None
        assert (session.group is None) is (modes is ONLY_PSK)
    made.client.send_data(b"to the server")
    made.server.send_data(b"to the client")
    assert made.run() == ([tls13.ApplicationData(b"to the client")], [tls13.ApplicationData(b"to the server")])


def test_no_tickets_where_the_psk_is_at_hand_anyway(quick_pair, only_psk, psk_server) -> None:
    made = quick_pair(client=only_psk, server=psk_server.replace(ticket_count=5), host=None)
    assert not events_of(made.run()[0], tls13.TicketReceived)
    made.server.send_ticket()
    assert not events_of(made.run()[0], tls13.TicketReceived)


def test_early_data_does_not_go_with_an_external_psk(client_config) -> None:
    config = client_config.replace(psks=[ONE])
    connection = tls13.ClientConnection(config, server_hostname=HOST, early_data=b"x")
    assert connection.early_data_left == 0


@pytest.mark.requirement("R137", "R138")
@pytest.mark.parametrize("psk", [ONE, LONG], ids=["sha256", "sha384"])
def test_across_a_retry(psk, pair, only_psk, psk_server) -> None:
    """Its binder is made anew, over message_hash and HelloRetryRequest (4.3.11.2)."""
    made = pair(
        client=only_psk.replace(psks=[psk]),
        server=psk_server.replace(psks=[psk], groups=[NamedGroup.secp521r1]),
        host=None,
    )
    made.run()
    assert made.server.session.psk_identity == psk.identity
    assert made.server.session.hello_retry_request


@pytest.mark.requirement("R322")
@pytest.mark.parametrize("after", [EncryptedExtensions, Finished])
def test_a_server_that_shows_a_certificate_as_well(after, quick_pair, only_psk, psk_server, identity) -> None:
    """Appendix F.1: only as RFC 8773 says, and so only where the client has asked for both."""
    shown = Certificate.decode(b"\0" + b"\0\0\0")
    script = edit(after, lambda m: [shown, m] if after is Finished else [m, shown])
    made = quick_pair(client=only_psk, server=psk_server, server_script=script, host=None)
    made.expect_refusal_by_client(errors.MessageOutOfOrder)


# --- several ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "chosen"), [([ONE, OTHER, THIRD], b"one"), ([OTHER], b"other"), ([THIRD, OTHER], b"other")]
)
def test_of_several_the_first_that_the_server_knows(known, chosen, pair, only_psk, psk_server) -> None:
    client = only_psk.replace(psks=[ONE, OTHER, THIRD])
    made = pair(client=client, server=psk_server.replace(psks=known), host=None)
    made.run()
    assert made.client.session.psk_identity == made.server.session.psk_identity == chosen


@pytest.mark.requirement("R137")
@pytest.mark.parametrize("order", [(ONE, LONG), (LONG, ONE)])
@pytest.mark.parametrize(
    ("known", "suite"),
    [(LONG, CipherSuite.TLS_AES_256_GCM_SHA384), (ONE, CipherSuite.TLS_AES_128_GCM_SHA256)],
)
def test_the_suite_has_the_hash_of_the_psk(known, suite, order, quick_pair, only_psk, psk_server) -> None:
    """Each binder has its own PSK's hash, and the server looks for a suite that goes with one it knows."""
    made = quick_pair(client=only_psk.replace(psks=order), server=psk_server.replace(psks=[known]), host=None)
    made.run()
    assert made.server.session.psk_identity == known.identity
    assert made.server.session.cipher_suite == suite


def test_what_no_offered_suite_can_use_is_not_offered(only_psk) -> None:
    client = only_psk.replace(psks=[LONG, ONE], cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256])
    assert identities(tls13.ClientConnection(client, server_hostname=None)) == [b"one"]


def test_a_ticket_goes_first(client_config, server_config, quick_pair) -> None:
    client, server = client_config.replace(psks=[ONE, OTHER]), server_config.replace(tickets=tls13.SealedTickets())
    session = session_of(client, server)
    resuming = tls13.ClientConnection(client, server_hostname=HOST, session=session)
    assert identities(resuming) == [session.ticket, b"one", b"other"]
    made = quick_pair(server=server.replace(psks=[ONE]))
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session)
    made.run()
    assert made.server.session.resumed
    assert made.server.session.psk_identity is None


# --- unknown and wrong ------------------------------------------------------------------------------------------------


def test_an_unknown_identity_is_a_handshake_with_certificates(pair, client_config, server_config) -> None:
    """Section 4.3.11: the server goes on as if nothing had been offered, where both can do without."""
    made = pair(client=client_config.replace(psks=[OTHER]), server=server_config.replace(psks=[ONE]))
    made.run()
    assert made.client.session.psk_identity is made.server.session.psk_identity is None
    assert made.client.session.verified_chain


def test_a_client_that_needs_its_psk_takes_no_certificate(quick_pair, only_psk, server_config) -> None:
    """The offer has no signature_algorithms, so an honest server has nothing to sign with."""
    made = quick_pair(client=only_psk.replace(psks=[OTHER]), server=server_config.replace(psks=[ONE]), host=None)
    made.expect_refusal_by_server(errors.MissingExtension)


def test_a_server_that_ignores_the_psk_is_refused(quick_pair, only_psk, psk_server) -> None:
    """A ServerHello without pre_shared_key, to a client that needs it."""
    script = edit(
        ServerHello, lambda m: m.replace(extensions=type(m.extensions)(m.extensions.raw[:-1], m.extensions.place))
    )
    made = quick_pair(client=only_psk, server=psk_server, server_script=script, host=None)
    made.expect_refusal_by_client(errors.NoPskSelected, told=False)


@pytest.mark.parametrize("certificate", [True, False], ids=["a server with certificates", "one with PSKs only"])
def test_a_wrong_key(certificate, quick_pair, client_config, server_config, psk_server) -> None:
    """Under a known name: decrypt_error, from either."""
    wrong = tls13.ExternalPsk(b"one", KEY[::-1])
    server = server_config.replace(psks=[ONE]) if certificate else psk_server
    quick_pair(client=client_config.replace(psks=[wrong]), server=server).expect_refusal_by_server(errors.BadBinder)


def test_a_server_with_psks_only_and_a_client_without(quick_pair, client_config, psk_server) -> None:
    quick_pair(client=client_config, server=psk_server).expect_refusal_by_server(errors.NoCertificate)


def test_the_right_key_under_another_hash(quick_pair, only_psk, psk_server) -> None:
    made = quick_pair(
        client=only_psk.replace(psks=[tls13.ExternalPsk(b"one", KEY, "sha384")]), server=psk_server, host=None
    )
    made.expect_refusal_by_server(errors.BadBinder)


def test_a_server_looks_for_the_key_when_it_is_needed(pair, only_psk, psk_server) -> None:
    """find_psk: of those that `psks` does not have."""
    asked = []

    def find(identity):
        asked.append(identity)
        return {b"other": OTHER, b"third": THIRD}.get(identity)

    server = psk_server.replace(find_psk=find)
    made = pair(
        client=only_psk.replace(psks=[tls13.ExternalPsk(b"nobody's", KEY), OTHER, ONE]), server=server, host=None
    )
    made.run()
    assert made.server.session.psk_identity == b"other"
    assert asked == [b"nobody's", b"other"]


@pytest.mark.parametrize("hash", ["sha256", "sha384"])
@pytest.mark.parametrize("retried", [False, True])
def test_the_suite_fits_a_key_that_was_looked_for(quick_pair, only_psk, identity, retried, hash) -> None:
    """Section 4.3.11: a compatible PSK and cipher suite, whoever knows the PSK."""
    psk = tls13.ExternalPsk(b"somewhere else", KEY, hash)
    for shown in (None, identity):
        server = tls13.ServerConfig(shown, find_psk={psk.identity: psk}.get, always_retry=retried)
        made = quick_pair(client=only_psk.replace(psks=[psk]), server=server, host=None)
        made.run()
        assert made.server.session.psk_identity == psk.identity
        assert SUITES[made.server.session.cipher_suite].hash is psk.hash


def test_of_many_keys_the_one_that_the_server_was_given_is_found(quick_pair, only_psk) -> None:
    """Only questions to others are counted (MAX_IDENTITIES)."""
    psks = [tls13.ExternalPsk(b"number %d" % number, bytes([number]) * 32) for number in range(40)]
    made = quick_pair(client=only_psk.replace(psks=psks), server=tls13.ServerConfig(None, psks=psks[-1:]), host=None)
    made.run()
    assert made.server.session.psk_identity == b"number 39"


def test_a_server_asks_about_eight_identities_at_most(quick_pair, only_psk, psk_server) -> None:
    asked = []
    psks = [tls13.ExternalPsk(b"number %d" % number, bytes([number]) * 32) for number in range(40)]
    server = psk_server.replace(find_psk=lambda identity: asked.append(identity))
    made = quick_pair(client=only_psk.replace(psks=psks), server=server, host=None)
    made.expect_refusal_by_server(errors.BadBinder)
    assert asked == [psk.identity for psk in psks[:8]]


# --- imported ones: RFC 9258 ------------------------------------------------------------------------------------------


def by_hand(identity: bytes, key: bytes, hash: str, context: bytes, target: int, length: int) -> tuple[bytes, bytes]:
    """RFC 9258, section 5.1, from the standard library alone: the imported identity and its key."""
    imported = len(identity).to_bytes(2, "big") + identity + len(context).to_bytes(2, "big") + context
    imported += b"\x03\x04" + target.to_bytes(2, "big")
    size = hashlib.new(hash).digest_size
    prk = hmac.new(bytes(size), key, hash).digest()
    label, digest = b"tls13 derived psk", hashlib.new(hash, imported).digest()
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(digest)]) + digest
    block, out = b"", b""
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([1 + len(out) // size]), hash).digest()
        out += block
    return imported, out[:length]


@pytest.mark.parametrize("context", [b"", b"client=a server=b"])
@pytest.mark.parametrize("hash", ["sha256", "sha384"])
def test_an_imported_psk_is_what_rfc_9258_says(hash, context) -> None:
    made = tls13.import_psk(b"name", KEY, hash=hash, context=context)
    assert [psk.hash for psk in made] == [SHA256, SHA384]
    for psk, target in zip(made, (1, 2), strict=True):
        identity, key = by_hand(b"name", KEY, hash, context, target, psk.hash.digest_size)
        assert psk.identity == identity
        assert psk.kind is PskKind.IMPORTED
        same = tls13.Psk(identity, key, psk.hash, PskKind.IMPORTED)
        assert psk.binder(bytes(32)) == same.binder(bytes(32))


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_a_connection_with_an_imported_psk(suite, pair, only_psk, psk_server) -> None:
    """One for each hash, so that any suite can be chosen."""
    mine, theirs = (tls13.import_psk(b"name", KEY, context=b"roles") for _ in range(2))
    made = pair(
        client=only_psk.replace(psks=mine, psk_key_exchange_modes=BOTH_MODES),
        server=psk_server.replace(psks=theirs, cipher_suites=[suite]),
        host=None,
    )
    made.run()
    assert made.server.session.cipher_suite.name == suite
    assert made.server.session.psk_identity == made.client.session.psk_identity
    assert made.server.session.psk_identity.startswith(b"\0\4name\0\5roles\3\4\0")


def test_an_imported_psk_is_no_external_one(quick_pair, only_psk, psk_server) -> None:
    """RFC 9258, section 5.2: the binder's label keeps the two apart, even with the same identity and the same bytes."""
    identity, key = by_hand(b"name", KEY, "sha256", b"", 1, 32)
    imported, *_ = tls13.import_psk(b"name", KEY)
    made = quick_pair(
        client=only_psk.replace(psks=[tls13.ExternalPsk(identity, key)]),
        server=psk_server.replace(psks=[imported]),
        host=None,
    )
    made.expect_refusal_by_server(errors.BadBinder)


def test_another_context_is_another_psk(quick_pair, client_config, server_config) -> None:
    client = client_config.replace(psks=tls13.import_psk(b"name", KEY, context=b"one"))
    made = quick_pair(client=client, server=server_config.replace(psks=tls13.import_psk(b"name", KEY, context=b"two")))
    made.run()
    assert made.server.session.psk_identity is None


# --- configs, and Selfie ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("D14")
@pytest.mark.parametrize("make", [tls13.ExternalPsk, lambda *a, **k: tls13.import_psk(*a, **k)[0]])
def test_one_key_has_one_role(make, client_config, server_config, quick_pair) -> None:
    """RFC 9257, section 4.1: who is client and server with one key can be answered with its own messages."""
    clients, servers = make(b"name", KEY, role="client"), make(b"name", KEY, role="server")
    with pytest.raises(tls13.ConfigurationError, match="one key, one role"):
        server_config.replace(psks=[clients])
    with pytest.raises(tls13.ConfigurationError, match="one key, one role"):
        client_config.replace(psks=[servers])
    with pytest.raises(tls13.ConfigurationError, match="role"):
        make(b"name", KEY, role="both")
    client = client_config.replace(psks=[clients])
    made = quick_pair(client=client, server=server_config.replace(psks=[servers]))
    made.run()
    assert made.server.session.psk_identity == clients.identity
    reflecting = quick_pair(client=client, server=server_config.replace(find_psk=lambda identity: clients))
    reflecting.run()
    assert reflecting.server.session.psk_identity is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"psks": [ONE, tls13.ExternalPsk(b"one", KEY[::-1])]}, "same identity"),
        ({"psks": [], "require_psk": True}, "require_psk without psks"),
        ({"certificate_with_psk": True}, "needs psks"),
        ({"psk_key_exchange_modes": ["psk_only"]}, "psk_dhe_ke, psk_ke"),
    ],
)
def test_a_mistake_in_a_psk_config_is_a_sentence(change, sentence, client_config) -> None:
    with pytest.raises(tls13.ConfigurationError, match=sentence):
        client_config.replace(**change)


def test_an_identity_fits_into_its_field() -> None:
    tls13.ExternalPsk(bytes(2**16 - 64), KEY)
    with pytest.raises(tls13.ConfigurationError, match="identity"):
        tls13.ExternalPsk(bytes(2**16), KEY)
    with pytest.raises(tls13.ConfigurationError, match="sha256 or sha384"):
        tls13.import_psk(b"x", KEY, targets=["sha512"])
