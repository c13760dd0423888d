"""What a CA may do: be a CA at all, how many CAs stand below it, for which names (RFC 5280, section 4.2.1)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from cryptography import x509

from certs.catalogue import ACCEPTED, DOMAIN, NAME_CONSTRAINT, UNSUITABLE_CHAIN, WRONG_USAGE, case
from tls13.lab.authority import CLIENT_AUTH, Authority, key_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from certs.bench import Bench, Edit, Exhibit

_NAMES = "RFC 5280, section 4.2.1.10"


def _below(bench: Bench, edit: Edit, *, path_length: int | None = None) -> Exhibit:
    """A leaf below an intermediate whose draft has been edited."""
    issuer = bench.ca(edit, path_length=path_length)
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


def _constrained(
    bench: Bench,
    *,
    permitted: Sequence[x509.GeneralName] | None = None,
    excluded: Sequence[x509.GeneralName] | None = None,
) -> Exhibit:
    constraints = x509.NameConstraints(permitted, excluded)
    return _below(bench, lambda draft: draft.with_extension(constraints, critical=True))


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.9", says="is not a CA")
def leaf_as_ca(bench: Bench) -> Exhibit:
    """The issuer is an ordinary server's certificate: its owner could otherwise speak for every host."""
    key = bench.key
    server = bench.leaf(names=["other.example"])
    pretender = Authority(server, key, now=bench.now, chain=(server, *bench.intermediate.chain))
    return bench.show(bench.leaf(issuer=pretender), pretender.chain)


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.9", says="is not a CA")
def ca_without_basic_constraints(bench: Bench) -> Exhibit:
    """The intermediate does not say that it is a CA."""
    return _below(bench, lambda draft: draft.without_extension(x509.BasicConstraints))


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.9", says="is not a CA")
def ca_says_it_is_none(bench: Bench) -> Exhibit:
    """The intermediate may sign certificates by its key usage, and is no CA by its basic constraints."""
    no_ca = x509.BasicConstraints(ca=False, path_length=None)
    return _below(bench, lambda draft: draft.with_extension(no_ca, critical=True))


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.3", says="does not allow keyCertSign")
def ca_without_cert_sign(bench: Bench) -> Exhibit:
    """The intermediate's key usage does not include the signing of certificates."""
    usage = key_usage(digital_signature=True, crl_sign=True)
    return _below(bench, lambda draft: draft.with_extension(usage, critical=True))


@case(UNSUITABLE_CHAIN, "RFC 5280, section 4.2.1.3")
def ca_without_key_usage(bench: Bench) -> Exhibit:
    """The intermediate has no key usage: a conforming CA MUST include it."""
    return _below(bench, lambda draft: draft.without_extension(x509.KeyUsage))


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.12")
def ca_for_clients_only(bench: Bench) -> Exhibit:
    """The intermediate's extended key usage allows client certificates below it, and nothing else."""
    usages = x509.ExtendedKeyUsage([CLIENT_AUTH])
    return _below(bench, lambda draft: draft.with_extension(usages))


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.9", says="allows 0 CAs below it")
def path_length_exceeded(bench: Bench) -> Exhibit:
    """An intermediate whose path length is 0 has an intermediate below it."""
    second = bench.ca(name="Workshop CA too deep", issuer=bench.intermediate)
    return bench.show(bench.leaf(issuer=second), second.chain)


@case(ACCEPTED, _NAMES)
def names_permitted(bench: Bench) -> Exhibit:
    """The intermediate may issue for the workshop's domain, and does."""
    return _constrained(bench, permitted=[x509.DNSName(DOMAIN)])


@case(NAME_CONSTRAINT, _NAMES)
def names_not_permitted(bench: Bench) -> Exhibit:
    """The intermediate may issue for another domain only."""
    return _constrained(bench, permitted=[x509.DNSName("other.example")])


@case(NAME_CONSTRAINT, _NAMES)
def names_excluded(bench: Bench) -> Exhibit:
    """The intermediate may issue for everything but this domain."""
    return _constrained(bench, excluded=[x509.DNSName(DOMAIN)])


@case(NAME_CONSTRAINT, _NAMES)
def names_excluded_within_permitted(bench: Bench) -> Exhibit:
    """The domain is permitted and this host excluded: exclusion wins."""
    return _constrained(bench, permitted=[x509.DNSName(DOMAIN)], excluded=[x509.DNSName(bench.host)])


@case(ACCEPTED, _NAMES, host="127.0.0.1")
def addresses_permitted(bench: Bench) -> Exhibit:
    """The intermediate may issue for the loopback network, and does."""
    return _constrained(bench, permitted=[x509.IPAddress(ip_network("127.0.0.0/8"))])


@case(NAME_CONSTRAINT, _NAMES, host="127.0.0.1")
def addresses_not_permitted(bench: Bench) -> Exhibit:
    """The intermediate may issue for 10.0.0.0/8 only."""
    return _constrained(bench, permitted=[x509.IPAddress(ip_network("10.0.0.0/8"))])


@case(NAME_CONSTRAINT, _NAMES, host="127.0.0.1")
def addresses_excluded(bench: Bench) -> Exhibit:
    """The intermediate may issue for everything but the loopback network."""
    return _constrained(bench, excluded=[x509.IPAddress(ip_network("127.0.0.0/8"))])


@case(NAME_CONSTRAINT, _NAMES)
def second_name_not_permitted(bench: Bench) -> Exhibit:
    """The host is permitted, but the leaf has a second name that is not: every name of it counts."""
    constraints = x509.NameConstraints([x509.DNSName(DOMAIN)], None)
    issuer = bench.ca(lambda draft: draft.with_extension(constraints, critical=True))
    return bench.show(bench.leaf(issuer=issuer, names=[bench.host, "other.example"]), issuer.chain)
