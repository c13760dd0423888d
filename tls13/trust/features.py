"""What a certificate promises: the TLSFeature extension, RFC 7633 ("must staple")."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from .. import errors
from ..wire.registry import ExtensionType
from .names import UNREADABLE


def must_staple(leaf: x509.Certificate) -> bool:
    """Whether the certificate promises a stapled OCSP response: TLSFeature with status_request.

    Whoever asked for one and got none raises MissingStaple (section 4.3.3). Raises MalformedCertificate.
    """
    return ExtensionType.status_request in tls_features(leaf)


def tls_features(certificate: x509.Certificate) -> frozenset[int]:
    """The numbers in the TLSFeature extension, none if it has none (section 4). Raises MalformedCertificate.

    They are TLS extensions', and not only those that have a name today.
    """
    try:
        known = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
        return frozenset(feature.value for feature in known)
    except x509.ExtensionNotFound:
        return frozenset()
    except UNREADABLE:  # a number that the library has no name for, and perhaps something worse
        return _read(certificate)


def _read(certificate: x509.Certificate) -> frozenset[int]:
    from .der import integers, raw_extension  # the library's ASN.1 takes long to load

    value = raw_extension(certificate, ExtensionOID.TLS_FEATURE)
    try:
        return frozenset(integers(value)) if value is not None else frozenset()
    except ValueError as error:
        raise errors.MalformedCertificate(f"its TLSFeature cannot be read: {error}", certificate=certificate) from None
