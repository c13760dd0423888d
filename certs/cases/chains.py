"""From the leaf to a trusted root, or not (RFC 5280, section 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from certs.catalogue import (
    ACCEPTED,
    BAD_CERTIFICATE_SIGNATURE,
    BAD_SIGNATURE,
    EMPTY_TRUST_STORE,
    MISSING_INTERMEDIATE,
    SELF_SIGNED,
    UNKNOWN_ISSUER,
    UNSUITABLE_CHAIN,
    case,
)
from tls13.lab.authority import Authority, KeyType, sign

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 5280, section 6.1"


def _self_signed(bench: Bench) -> x509.Certificate:
    draft = bench.root.draft([bench.host], bench.key.public_key())
    return sign(draft, issuer=draft.subject, key=bench.key, issuer_public_key=bench.key.public_key())


@case(SELF_SIGNED, "RFC 9846, section 4.5.1.2")
def self_signed(bench: Bench) -> Exhibit:
    """The leaf has signed itself, and nobody trusts it."""
    return bench.show(_self_signed(bench), ())


@case(UNKNOWN_ISSUER, "RFC 9846, section 4.5.1.2", says="CN=Stranger root")
def self_signed_root_sent(bench: Bench) -> Exhibit:
    """The whole chain is there, with its self-signed root, which we do not trust."""
    leaf = bench.leaf(issuer=bench.stranger)
    return bench.show(leaf, [bench.stranger.certificate])


@case(UNKNOWN_ISSUER, _RULE, says="CN=Stranger root")
def unknown_ca(bench: Bench) -> Exhibit:
    """The leaf and its intermediate are fine, but lead to a root that is not ours."""
    issuer = bench.ca(name="Stranger CA", organization="Strangers", issuer=bench.stranger)
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(EMPTY_TRUST_STORE, _RULE)
def empty_trust_store(bench: Bench) -> Exhibit:
    """A good chain, and not one root to trust."""
    return bench.show(bench.leaf(), roots=())


@case(MISSING_INTERMEDIATE, "RFC 9846, section 4.5.1", says="CN=Workshop intermediate")
def missing_intermediate(bench: Bench) -> Exhibit:
    """The server sends its leaf alone; the intermediate names an authority that nobody showed us."""
    return bench.show(bench.leaf(), ())


@case(MISSING_INTERMEDIATE, "RFC 9846, section 4.5.1", says="CN=Workshop CA 1")
def missing_upper_intermediate(bench: Bench) -> Exhibit:
    """Of two intermediates the upper one is not sent."""
    first = bench.ca(name="Workshop CA 1", path_length=1)
    second = bench.ca(name="Workshop CA 2", path_length=0, issuer=first)
    return bench.show(bench.leaf(issuer=second), [second.certificate])


@case(MISSING_INTERMEDIATE, "RFC 9846, section 4.5.1")
def unrelated_chain(bench: Bench) -> Exhibit:
    """Above the leaf stands a chain that has nothing to do with it."""
    other = bench.ca(name="Unneeded CA", organization="Strangers", issuer=bench.stranger)
    return bench.show(bench.leaf(), [other.certificate])


@case(BAD_CERTIFICATE_SIGNATURE, _RULE)
def root_with_the_same_name(bench: Bench) -> Exhibit:
    """The issuer has our root's name and another key: a name is no proof."""
    key = KeyType.ECDSA_P256.generate()
    impostor = Authority(bench.root.certificate, key, now=bench.now)
    return bench.show(bench.leaf(issuer=impostor), ())


@case(UNKNOWN_ISSUER, _RULE)
def issuer_loop(bench: Bench) -> Exhibit:
    """Two CAs have certified each other, and lead nowhere else: path building must come to an end."""
    first = bench.ca(name="Loop A", organization="Strangers", issuer=bench.stranger)
    second = bench.ca(name="Loop B", organization="Strangers", issuer=first)
    again = second.sign(bench.form_of(first.certificate))
    return bench.show(bench.leaf(issuer=second), [second.certificate, again])


@case(UNSUITABLE_CHAIN, _RULE)
def chain_too_long(bench: Bench) -> Exhibit:
    """Twelve intermediates, each of them in order: longer than any chain has a reason to be."""
    issuer = bench.root
    for number in range(12):
        issuer = bench.ca(name=f"Workshop CA {number}", issuer=issuer)
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(UNSUITABLE_CHAIN, "RFC 5280, section 4.2.1.1", says="2.5.29.35")
def missing_authority_key_identifier(bench: Bench) -> Exhibit:
    """The leaf has no authorityKeyIdentifier: a CA MUST write one, and the web PKI's profile asks for it."""
    return bench.show(bench.without_issuer_identifier(bench.leaf()))


@case(ACCEPTED, "RFC 5280, section 4.2.1.1")
def wrong_authority_key_identifier(bench: Bench) -> Exhibit:
    """The leaf's authorityKeyIdentifier names another key: a hint for path building, and the signature is right."""
    wrong = x509.AuthorityKeyIdentifier(b"\x11" * 20, None, None)
    return bench.show(bench.leaf(lambda draft: draft.with_extension(wrong)))


@case(BAD_SIGNATURE, "RFC 9846, section 4.5.2", says="does not verify", stage="signature")
def wrong_key(bench: Bench) -> Exhibit:
    """The chain is good, and CertificateVerify is made with another key: whoever sends it does not own the chain."""
    return bench.show(bench.leaf(), key=KeyType.ECDSA_P256.generate())
