"""Chains that have to be accepted. A verifier that refuses everything would pass all the other modules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509

from certs.bench import as_rsa_pss
from certs.catalogue import ACCEPTED, add, case
from certs.der import PUBLIC_KEY, Surgery
from tls13.lab.authority import CLIENT_AUTH, SERVER_AUTH, KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from certs.bench import Bench, Exhibit

_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def _with_key(key_type: KeyType) -> Callable[[Bench], Exhibit]:
    def make(bench: Bench) -> Exhibit:
        key = bench.workshop.key(key_type)
        return bench.show(bench.leaf(key=key), key=key)

    return make


for _key_type in KeyType:
    add(
        f"good-{_key_type.value}",
        f"A leaf with a key of the kind {_key_type.value}, an intermediate, a trusted root.",
        _with_key(_key_type),
        ACCEPTED,
        "RFC 9846, section 4.5.1.2",
    )


@case(ACCEPTED, "RFC 9846, section 4.3.3")
def good_rsa_pss(bench: Bench) -> Exhibit:
    """A leaf whose RSA key has the id-RSASSA-PSS identifier: rsa_pss_pss_*, and not rsa_pss_rsae_*."""
    key = bench.workshop.key(KeyType.RSA_2048)
    surgery = Surgery(bench.leaf(key=key))
    surgery.fields[PUBLIC_KEY] = as_rsa_pss(surgery.fields[PUBLIC_KEY])
    return bench.show(surgery.sign(bench.intermediate.private_key), key=key)


@case(ACCEPTED, "RFC 5280, section 6.1")
def good_directly_below_the_root(bench: Bench) -> Exhibit:
    """The root itself signed the leaf: no intermediate is needed."""
    return bench.show(bench.leaf(issuer=bench.root), ())


@case(ACCEPTED, "RFC 5280, section 6.1")
def good_three_intermediates(bench: Bench) -> Exhibit:
    """Three CAs between the root and the leaf, each with room in its path length."""
    first = bench.ca(name="Workshop CA 1", path_length=2)
    second = bench.ca(name="Workshop CA 2", path_length=1, issuer=first)
    third = bench.ca(name="Workshop CA 3", path_length=0, issuer=second)
    return bench.show(bench.leaf(issuer=third), third.chain)


@case(ACCEPTED, "RFC 9846, section 4.5.1.2")
def good_rsa_issuer(bench: Bench) -> Exhibit:
    """An ECDSA leaf below an RSA intermediate with a sha256WithRSAEncryption signature."""
    issuer = bench.ca(key=bench.workshop.key(KeyType.RSA_2048))
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(ACCEPTED, "RFC 9846, section 4.5.1.2")
def good_p384_issuer(bench: Bench) -> Exhibit:
    """An ECDSA leaf below a P-384 intermediate that signs with SHA-384."""
    issuer = bench.ca(key=KeyType.ECDSA_P384.generate())
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(ACCEPTED, "RFC 9525, section 6.3", host="www.good-wildcard.workshop.localhost")
def good_wildcard(bench: Bench) -> Exhibit:
    """An asterisk for the whole first label of the host."""
    return bench.show(bench.leaf(names=["*.good-wildcard.workshop.localhost"]))


@case(ACCEPTED, "RFC 9525, section 6.5", host="127.0.0.1")
def good_ip_address(bench: Bench) -> Exhibit:
    """An IPv4 address in an iPAddress entry."""
    return bench.show(bench.leaf())


@case(ACCEPTED, "RFC 9525, section 6.5", host="::1")
def good_ipv6_address(bench: Bench) -> Exhibit:
    """An IPv6 address in an iPAddress entry."""
    return bench.show(bench.leaf())


@case(ACCEPTED, "RFC 9525, section 6.3")
def good_upper_case(bench: Bench) -> Exhibit:
    """The certificate writes the name in capitals: DNS names are compared without regard to case."""
    return bench.show(bench.leaf(names=[bench.host.upper()]))


@case(ACCEPTED, "RFC 9525, section 6.3", host="xn--bcher-kva.workshop.localhost")
def good_a_label(bench: Bench) -> Exhibit:
    """An internationalized name, written as the A-label that it has to be."""
    return bench.show(bench.leaf())


@case(ACCEPTED, "RFC 5280, section 4.2.1.6")
def good_empty_subject(bench: Bench) -> Exhibit:
    """No subject at all, and a critical subjectAltName in its place."""
    san = x509.SubjectAlternativeName([x509.DNSName(bench.host)])
    return bench.show(
        bench.leaf(lambda draft: replace(draft, subject=x509.Name([])).with_extension(san, critical=True))
    )


@case(ACCEPTED, "RFC 9846, section 4.5.1")
def good_wrong_order(bench: Bench) -> Exhibit:
    """The intermediates come in the wrong order: SHOULD be prepared to handle it."""
    first = bench.ca(name="Workshop CA 1", path_length=1)
    second = bench.ca(name="Workshop CA 2", path_length=0, issuer=first)
    return bench.show(bench.leaf(issuer=second), tuple(reversed(second.chain)))


@case(ACCEPTED, "RFC 9846, section 4.5.1")
def good_duplicate_certificates(bench: Bench) -> Exhibit:
    """The intermediate is there three times, and the leaf twice."""
    leaf = bench.leaf()
    return bench.show(leaf, (bench.intermediate.certificate, leaf, *[bench.intermediate.certificate] * 2))


@case(ACCEPTED, "RFC 9846, section 4.5.1")
def good_extra_certificates(bench: Bench) -> Exhibit:
    """Certificates from elsewhere stand between those that are needed."""
    other = bench.ca(name="Unneeded CA", organization="Strangers", issuer=bench.stranger)
    above = (bench.stranger.certificate, other.certificate, bench.intermediate.certificate)
    return bench.show(bench.leaf(), above)


@case(ACCEPTED, "RFC 9846, section 4.5.1")
def good_root_included(bench: Bench) -> Exhibit:
    """The server sends the trusted root as well: allowed, though a waste of bytes."""
    return bench.show(bench.leaf(), (bench.intermediate.certificate, bench.root.certificate))


@case(ACCEPTED, "RFC 5280, section 6.1")
def good_cross_signed(bench: Bench) -> Exhibit:
    """The intermediate has two certificates; the first one sent leads to an unknown root, the second to ours."""
    from_stranger = bench.stranger.sign(bench.form_of(bench.intermediate.certificate))
    return bench.show(bench.leaf(), (from_stranger, bench.intermediate.certificate))


@case(ACCEPTED, "RFC 5280, section 4.2")
def good_unknown_extension(bench: Bench) -> Exhibit:
    """An extension that nobody knows, not critical: it has to be ignored."""
    return bench.show(bench.leaf(lambda draft: draft.with_extension(_UNKNOWN)))


@case(ACCEPTED, "RFC 5280, section 4.2.1.12")
def good_both_usages(bench: Bench) -> Exhibit:
    """The extended key usage allows servers and clients."""
    usages = x509.ExtendedKeyUsage([CLIENT_AUTH, SERVER_AUTH])
    return bench.show(bench.leaf(lambda draft: draft.with_extension(usages)))


@case(ACCEPTED, "RFC 5280, section 4.2.1.12", role="client")
def good_client(bench: Bench) -> Exhibit:
    """A client's certificate."""
    usages = x509.ExtendedKeyUsage([CLIENT_AUTH])
    return bench.show(bench.leaf(lambda draft: draft.with_extension(usages)))
