"""RFC 9846, section 2.2: a resumed connection says who was authenticated, so each ticket must keep its own chain."""

from __future__ import annotations

from itertools import product

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tls13.events import Session
from tls13.resumption.state import NEVER
from tls13.resumption.tickets import TicketState
from tls13.wire.registry import CipherSuite


@pytest.fixture(scope="module")
def certificates() -> list[x509.Certificate]:
    authority = trustme.CA()
    pems = [authority.cert_pem, authority.create_child_ca().cert_pem]
    pems += [authority.issue_cert(name).cert_chain_pems[0] for name in ("one.example", "two.example")]
    return [x509.load_pem_x509_certificate(pem.bytes()) for pem in pems]


def state(chain: tuple[x509.Certificate, ...], verified: tuple[x509.Certificate, ...]) -> TicketState:
    session = Session(CipherSuite.TLS_AES_128_GCM_SHA256, None, None, None, None, chain, verified, False)
    numbers = dict.fromkeys(("ticket_age_add", "ticket_lifetime", "max_early_data_size", "authenticated_at"), 1)
    return TicketState.make(session, issued_at=1.0, psk=bytes(32), policy=bytes(32), **numbers)


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
