"""Is the certificate for the host that was asked for? (RFC 9525)"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from certs.catalogue import ACCEPTED, MALFORMED, WRONG_HOST, case
from certs.der import SEQUENCE, Surgery, encode, extension, oid

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 9525, section 6"
_SUBJECT_ALT_NAME = "2.5.29.17"
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87  # GeneralName's implicit tags [2] and [7]


def _with_san(bench: Bench, value: bytes, *, critical: bool = False) -> Exhibit:
    """A leaf whose subjectAltName extension has these bytes as its value."""
    surgery = Surgery(bench.leaf())
    ours = extension(_SUBJECT_ALT_NAME, value, critical=critical)
    surgery.edit_extensions(lambda old: [ours if oid(_SUBJECT_ALT_NAME) in one else one for one in old])
    return bench.show(surgery.sign(bench.intermediate.private_key))


def _dns(name: bytes) -> bytes:
    """The value of a subjectAltName with one dNSName, whatever its octets are."""
    return encode(SEQUENCE, encode(_DNS_NAME, name))


@case(WRONG_HOST, _RULE, says="it is for other.example")
def wrong_host(bench: Bench) -> Exhibit:
    """The certificate is for another host."""
    return bench.show(bench.leaf(names=["other.example"]))


@case(WRONG_HOST, _RULE)
def wrong_host_parent(bench: Bench) -> Exhibit:
    """The certificate is for the parent domain: it does not cover what is below."""
    return bench.show(bench.leaf(names=[bench.host.partition(".")[2]]))


@case(WRONG_HOST, _RULE)
def wrong_host_child(bench: Bench) -> Exhibit:
    """The certificate is for a name below the host."""
    return bench.show(bench.leaf(names=["www." + bench.host]))


@case(WRONG_HOST, _RULE)
def wrong_host_as_suffix(bench: Bench) -> Exhibit:
    """The certificate's name ends like the host, without a dot between: a comparison by endswith would accept."""
    return bench.show(bench.leaf(names=["evil" + bench.host]))


@case(WRONG_HOST, "RFC 9525, section 6.3", host="a.b.wildcard-too-deep.workshop.localhost")
def wildcard_too_deep(bench: Bench) -> Exhibit:
    """The host has two labels where the wildcard stands for one."""
    return bench.show(bench.leaf(names=["*.wildcard-too-deep.workshop.localhost"]))


@case(WRONG_HOST, "RFC 9525, section 6.3")
def wildcard_for_nothing(bench: Bench) -> Exhibit:
    """The wildcard needs one label more than the host has."""
    return bench.show(bench.leaf(names=["*." + bench.host]))


@case(WRONG_HOST, "RFC 9525, section 6.3", host="www.wildcard-partial.workshop.localhost")
def wildcard_partial(bench: Bench) -> Exhibit:
    """The wildcard is only a part of its label."""
    return bench.show(bench.leaf(names=["w*.wildcard-partial.workshop.localhost"]))


@case(WRONG_HOST, "RFC 9525, section 6.3", host="www.wildcard-inside.workshop.localhost")
def wildcard_inside(bench: Bench) -> Exhibit:
    """The wildcard stands in a label that is not the first."""
    return bench.show(bench.leaf(names=["www.*.workshop.localhost"]))


@case(WRONG_HOST, "RFC 9525, section 6.3", host="a.b.wildcard-twice.workshop.localhost")
def wildcard_twice(bench: Bench) -> Exhibit:
    """Two wildcards in one name."""
    return bench.show(bench.leaf(names=["*.*.wildcard-twice.workshop.localhost"]))


@case(WRONG_HOST, "RFC 9525, section 7.1", host="wildcard-on-top")
def wildcard_alone(bench: Bench) -> Exhibit:
    """The name is "*": every host of a single label."""
    return bench.show(bench.leaf(names=["*"]))


@case(WRONG_HOST, "RFC 9525, section 7.1", host="wildcard-on-a-top-level-domain.localhost")
def wildcard_on_a_top_level_domain(bench: Bench) -> Exhibit:
    """The wildcard covers a whole top-level domain: no CA has a reason to issue that, and browsers refuse it."""
    return bench.show(bench.leaf(names=["*.localhost"]))


@case(WRONG_HOST, "RFC 9525, section 6.3", host="xn--bcher-kva.wildcard-in-an-a-label.workshop.localhost")
def wildcard_in_an_a_label(bench: Bench) -> Exhibit:
    """The wildcard is a part of an A-label, where the letters mean nothing by themselves."""
    return bench.show(bench.leaf(names=["xn--*.wildcard-in-an-a-label.workshop.localhost"]))


@case(WRONG_HOST, "RFC 9525, section 2", host="common-name-only.workshop.localhost")
def common_name_only(bench: Bench) -> Exhibit:
    """The host stands in the common name, while the subjectAltName names another: the common name counts no more."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, bench.host)])
    return bench.show(bench.leaf(lambda draft: replace(draft, subject=subject), names=["other.example"]))


@case(WRONG_HOST, "RFC 9525, section 2", says="it names no host at all")
def no_subject_alt_name(bench: Bench) -> Exhibit:
    """No subjectAltName at all, and the host in the common name."""
    return bench.show(bench.leaf(lambda draft: draft.without_extension(x509.SubjectAlternativeName)))


@case(WRONG_HOST, "RFC 5280, section 4.2.1.6", says="it names no host at all")
def empty_subject_alt_name(bench: Bench) -> Exhibit:
    """A subjectAltName without a single name: GeneralNames has at least one."""
    return _with_san(bench, encode(SEQUENCE))


@case(MALFORMED, "RFC 5280, section 4.2.1.6")
def malformed_subject_alt_name(bench: Bench) -> Exhibit:
    """The value of the subjectAltName is no DER."""
    return _with_san(bench, b"\x30\x05\x82\x7fhi!")


@case(WRONG_HOST, "RFC 5280, section 4.2.1.6", host="xn--bcher-kva.u-label.workshop.localhost")
def u_label(bench: Bench) -> Exhibit:
    """A U-label in UTF-8 as dNSName: an IA5String has no such letters."""
    return _with_san(bench, _dns("bücher.u-label.workshop.localhost".encode()))


@case(WRONG_HOST, "RFC 5280, section 4.2.1.6")
def trailing_dot(bench: Bench) -> Exhibit:
    """The dNSName ends with a dot: the preferred name syntax has none."""
    return _with_san(bench, _dns(bench.host.encode() + b"."))


@case(WRONG_HOST, "RFC 5280, section 4.2.1.6")
def nul_in_the_name(bench: Bench) -> Exhibit:
    """The host, a zero byte, and the attacker's domain: C strings once ended in the middle of it."""
    return _with_san(bench, _dns(bench.host.encode() + b"\0.attacker.example"))


@case(WRONG_HOST, "RFC 5280, section 4.2.1.6")
def space_as_name(bench: Bench) -> Exhibit:
    """The dNSName is a single space."""
    return _with_san(bench, _dns(b" "))


@case(WRONG_HOST, "RFC 9525, section 6.5", host="127.0.0.1")
def ip_address_as_dns_name(bench: Bench) -> Exhibit:
    """The IP address stands in a dNSName: it belongs into an iPAddress."""
    return _with_san(bench, _dns(b"127.0.0.1"))


@case(WRONG_HOST, "RFC 9525, section 6.5", host="127.0.0.1")
def ip_address_in_the_common_name(bench: Bench) -> Exhibit:
    """The IP address stands in the common name only."""
    return bench.show(
        bench.leaf(
            lambda draft: replace(draft, subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])),
            names=["other.example"],
        )
    )


@case(WRONG_HOST, "RFC 9525, section 6.5", host="127.0.0.1")
def other_ip_address(bench: Bench) -> Exhibit:
    """The certificate is for 127.0.0.2."""
    return bench.show(bench.leaf(names=["127.0.0.2"]))


@case(WRONG_HOST, "RFC 9525, section 6.5", host="127.0.0.1")
def wildcard_for_an_ip_address(bench: Bench) -> Exhibit:
    """A wildcard in what looks like an address."""
    return bench.show(bench.leaf(names=["*.0.0.1"]))


@case(WRONG_HOST, "RFC 5280, section 4.2.1.6", host="::ffff:127.0.0.1", says="it is for 127.0.0.1")
def mapped_ip_address(bench: Bench) -> Exhibit:
    """The certificate has the IPv4 address, the client asks for it mapped into IPv6: not the same octets."""
    return bench.show(bench.leaf(names=["127.0.0.1"]))


@case(MALFORMED, "RFC 5280, section 4.2.1.6", host="127.0.0.1")
def ip_address_of_five_octets(bench: Bench) -> Exhibit:
    """An iPAddress has 4 or 16 octets; this one has 5."""
    return _with_san(bench, encode(SEQUENCE, encode(_IP_ADDRESS, ip_address("127.0.0.1").packed + b"\0")))


@case(WRONG_HOST, "RFC 9525, section 6.4", says="it names no host at all")
def uri_name_only(bench: Bench) -> Exhibit:
    """The host stands in a URI and in an e-mail address: neither is a DNS name."""
    san = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(f"https://{bench.host}/"), x509.RFC822Name(f"admin@{bench.host}")]
    )
    return bench.show(bench.leaf(lambda draft: draft.with_extension(san)))


@case(ACCEPTED, "RFC 5280, section 4.2.1.6")
def empty_subject_without_critical_names(bench: Bench) -> Exhibit:
    """An empty subject asks its CA for a critical subjectAltName. This one is not, and is read all the same."""
    return bench.show(bench.leaf(lambda draft: replace(draft, subject=x509.Name([]))))
