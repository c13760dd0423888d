"""Who the server is supposed to be: RFC 9525 for DNS names and IP addresses, RFC 6066 for what server_name carries.

A name is parsed once, where the user gives it. What it becomes on the wire (A-labels, no trailing dot, nothing at all
for an IP address) and what the certificate is compared with follow from that.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from .. import errors
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T", bound=x509.ExtensionType)

UNREADABLE = (ValueError, TypeError, KeyError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What the library raises for bytes of a certificate or CRL that it does not like. (KeyError: a TLSFeature that it has
no name for. All were found by changing bytes at random.)"""

LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
"""A label of a host name (RFC 1123), and the underscore that many real hosts have."""


class ServerName:
    """A DNS name or an IP address that a server is to be authenticated for. Immutable."""

    __slots__ = ("address", "canonical", "dns", "general_name", "sni", "text")

    def __init__(self, text: str, dns: str | None, address: IPv4Address | IPv6Address | None) -> None:
        self.text = text
        """As it was given."""
        self.dns = dns
        """In A-labels, lower case, without a trailing dot; None for an IP address."""
        self.address = address
        self.canonical = dns if dns is not None else str(address)
        """One spelling of it, in ASCII: what sessions are kept under."""
        self.sni = dns.encode("ascii") if dns is not None else None
        """HostName for server_name; None for an address, which must not be sent (RFC 6066, section 3)."""
        self.general_name = x509.DNSName(dns or "") if address is None else x509.IPAddress(address)
        """As a certificate has it."""

    @classmethod
    def parse(cls, name: str | bytes | bytearray) -> Self:
        """A name as users and libraries give it: U-labels or A-labels, with or without a trailing dot, or an address.

        bytes are A-labels already. Raises ConfigurationError for what cannot be a server's name.
        """
        return cls._parsed(name if isinstance(name, str) else name.decode("ascii", "replace"))

    @classmethod
    @lru_cache(256)
    def _parsed(cls, text: str) -> Self:
        bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        try:
            return cls(text, None, IPv6Address(bare.partition("%")[0]) if ":" in bare else IPv4Address(text))
        except ValueError:
            return cls(text, _a_labels(text), None)

    @property
    def is_ip(self) -> bool:
        return self.address is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerName) and (self.dns, self.address) == (other.dns, other.address)

    def __hash__(self) -> int:
        return hash((self.dns, self.address))

    def __str__(self) -> str:
        return self.canonical

    def __repr__(self) -> str:
        return f"ServerName({self.text!r})"


def _a_labels(text: str) -> str:
    # The trailing dot is taken off last: IDNA has three other characters that become one (RFC 3490, section 3.1).
    ascii_name = (text if text.isascii() else _idna(text)).lower().removesuffix(".")
    if not ascii_name:
        raise ConfigurationError(f"{text!r} is not a host name: it is empty")
    if len(ascii_name) > 253:
        raise ConfigurationError(f"{text!r} is not a host name: {len(ascii_name)} bytes, and 253 are allowed")
    labels = ascii_name.split(".")
    for label in labels:
        if not re.fullmatch(LABEL, label, re.ASCII):
            raise ConfigurationError(f"{text!r} is not a host name: {label!r} cannot be a part of one")
    if labels[-1].isdigit():
        raise ConfigurationError(f"{text!r} is neither a host name nor an IP address")
    return ascii_name


def _idna(name: str) -> str:
    """A-labels by IDNA 2008 where the package `idna` is installed, else by the standard library's IDNA 2003."""
    try:
        import idna
    except ImportError:
        try:
            return name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ConfigurationError(f"{name!r} is not a host name: {error}") from None
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ConfigurationError(f"{name!r} is not a host name: {error}") from None


def read_extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    """An extension of a certificate, None if it has none. Raises MalformedCertificate.

    The extensions are parsed when they are first looked at, and the peer chose their bytes: whatever the library
    raises for them is the certificate's fault.
    """
    try:
        return read_extensions(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as error:
        raise errors.MalformedCertificate(f"its extensions cannot be read: {error}", certificate=certificate) from None


def read_extensions(certificate: x509.Certificate) -> x509.Extensions:
    """All of them, but for a TLSFeature that the library has no name for, and that would take the others with it: the
    numbers are any TLS extensions' (RFC 7633; features.py reads them). Raises one of UNREADABLE.
    """
    try:
        return certificate.extensions
    except KeyError:
        from .der import without_extension

        return without_extension(certificate, ExtensionOID.TLS_FEATURE).extensions


def check_readable(certificate: x509.Certificate) -> None:
    """Parse what the library parses late, and raises anything for: the two names. Raises MalformedCertificate."""
    try:
        certificate.subject, certificate.issuer  # noqa: B018  # reading them parses them
    except UNREADABLE as error:
        raise errors.MalformedCertificate(f"its names cannot be read: {error}", certificate=certificate) from None


def is_self_issued(certificate: x509.Certificate) -> bool:
    """RFC 5280, section 3.2: its issuer is its subject. Of names that cannot be read nobody knows: False."""
    try:
        return certificate.issuer == certificate.subject
    except UNREADABLE:
        return False


def describe(certificate: x509.Certificate) -> str:
    """Which certificate is meant, in a sentence: its subject or, where that is empty or cannot be read, its serial
    number."""
    try:
        subject = certificate.subject.rfc4514_string()
    except UNREADABLE:
        subject = ""
    return subject or f"serial number {certificate.serial_number:x}"


def alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    """Without the extension, an empty one. Raises MalformedCertificate."""
    return read_extension(certificate, x509.SubjectAlternativeName) or x509.SubjectAlternativeName([])


def certificate_names(certificate: x509.Certificate) -> list[str]:
    """The names that a certificate is for: DNS names and addresses of its subjectAltName, for people to read."""
    names = alternative_names(certificate)
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)]
