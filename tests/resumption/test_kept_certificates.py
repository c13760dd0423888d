"""RFC 9846, section 2.2: a resumed connection says who was authenticated, so each ticket must keep its own chain."""

from __future__ import annotations

from itertools import product

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tls13.authentication import NEVER
from tls13.events import Session
from tls13.resumption.state import Origin
from tls13.resumption.tickets import TicketState
from tls13.wire.registry import CipherSuite, SignatureScheme


@pytest.fixture(scope="module")
def certificates() -> list[x509.Certificate]:
    authority = trustme.CA()
    pems = [authority.cert_pem, authority.create_child_ca().cert_pem]
    pems += [authority.issue_cert(name).cert_chain_pems[0] for name in ("one.example", "two.example")]
    return [x509.load_pem_x509_certificate(pem.bytes()) for pem in pems]


AN_ORIGIN = {
    "cipher_suite": CipherSuite.TLS_AES_128_GCM_SHA256,
    "signature_scheme": SignatureScheme.ed25519,
    "client_scheme": None,
    "server_name": "one.example",
    "alpn_protocol": b"h2",
    "raw_public_key": None,
    "terms": bytes(32),
    "credential_expires_at": NEVER,
}
ANOTHER = {
    "cipher_suite": CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
    "signature_scheme": SignatureScheme.ed448,
    "client_scheme": SignatureScheme.ed25519,
    "server_name": "two.example",
    "alpn_protocol": None,
    "raw_public_key": b"key",
    "terms": bytes(31) + b"\1",
    "credential_expires_at": 2_000_000_000,
}


def origin(terms, credential_expires_at, **fields) -> Origin:
    session = Session(group=None, peer_certificates=(), verified_chain=(), hello_retry_request=False, **fields)
    return Origin.of(session, fields["server_name"], terms, credential_expires_at)


@pytest.mark.parametrize("differs", ANOTHER)
def test_connections_that_differ_in_anything_leave_different_tickets(differs) -> None:
    """What was demanded of the client above all (CVE-2025-23419): equal connections share one Origin, others do not."""
    before, other = origin(**AN_ORIGIN), origin(**{**AN_ORIGIN, differs: ANOTHER[differs]})
    assert origin(**AN_ORIGIN) == before != other
    for one in (before, other, before):
        made = TicketState.decode(_state(one).encode())
        assert made.origin == one
    assert (made.cipher_suite, made.server_name, made.alpn_protocol, made.policy, made.schemes()) == (
        AN_ORIGIN["cipher_suite"],
        "one.example",
        b"h2",
        AN_ORIGIN["terms"],
        (SignatureScheme.ed25519, None),
    )


def state(chain: tuple[x509.Certificate, ...], verified: tuple[x509.Certificate, ...]) -> TicketState:
    session = Session(CipherSuite.TLS_AES_128_GCM_SHA256, None, None, None, None, chain, verified, False)
    return _state(Origin.of(session, "", bytes(32), NEVER))


def _state(origin: Origin) -> TicketState:
    times = ("made_at_ms", "authenticated_at", "ticket_lifetime")
    numbers = dict.fromkeys((*times, "ticket_age_add", "max_early_data_size"), 1)
    return TicketState(psk=bytes(32), origin=origin, **numbers)


def test_each_ticket_keeps_its_own_chain(certificates) -> None:
    """Every chain with every other as the verified one, twice, so that what is remembered is asked for again.
    The same certificates parsed again are the same to it."""
    copies = [x509.load_der_x509_certificate(one.public_bytes(Encoding.DER)) for one in certificates]
    pairs = [(one, other) for one in certificates for other in certificates if one is not other]
    chains = [(), *((one,) for one in [*certificates, *copies]), *pairs]
    for chain, verified in [*product(chains, chains)] * 2:
        made = TicketState.decode(state(chain, verified).encode())
        assert made.chain == tuple(one.public_bytes(Encoding.DER) for one in chain)
        assert made.verified == tuple(one.public_bytes(Encoding.DER) for one in verified)
        expiries = [int(one.not_valid_after_utc.timestamp()) for one in verified]
        assert made.chain_expires_at == min(expiries, default=NEVER)
        assert made.peer_certificates() == chain


def test_a_certificate_that_is_gone_is_not_taken_for_another(certificates) -> None:
    """Python gives the place of what is gone to what comes next, and with it what `id` says."""
    ders = [one.public_bytes(Encoding.DER) for one in certificates]
    for der in ders * 20:
        assert state((x509.load_der_x509_certificate(der),), ()).chain == (der,)
