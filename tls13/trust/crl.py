"""Certificate revocation lists that the caller supplies: RFC 5280, section 6.3.

Nothing is fetched. A list counts for a certificate when the certificate's issuer made it, its signature verifies, and
it is in date; a certificate that such a list names is refused.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ..errors import CertificateRevoked, ConfigurationError, RevocationUnknown
from .names import read_extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime


class CrlSet:
    """CRLs, and how much they must cover. Immutable.

    Without `require`, a certificate that no usable list covers passes, as with OpenSSL's X509_V_FLAG_CRL_CHECK off.
    With require="leaf" the end-entity certificate must be covered, with require="chain" every one below the anchor:
    RevocationUnknown otherwise.
    """

    def __init__(self, crls: Iterable[x509.CertificateRevocationList], *, require: str | None = None) -> None:
        if require not in (None, "leaf", "chain"):
            raise ConfigurationError(f'require is "leaf", "chain" or None, not {require!r}')
        self._by_issuer: dict[x509.Name, list[x509.CertificateRevocationList]] = {}
        for crl in crls:
            self._by_issuer.setdefault(crl.issuer, []).append(crl)
        self.require = require

    @classmethod
    def from_pem(cls, data: bytes, *, require: str | None = None) -> Self:
        """Every "X509 CRL" block. Raises ConfigurationError if there is none or one cannot be read."""
        begin = b"-----BEGIN X509 CRL-----"
        blocks = [begin + rest for rest in data.split(begin)[1:]]
        if not blocks:
            raise ConfigurationError("the PEM text holds no CRL: no line says -----BEGIN X509 CRL-----")
        try:
            return cls([x509.load_pem_x509_crl(block) for block in blocks], require=require)
        except ValueError as error:
            raise ConfigurationError(f"a CRL cannot be read: {error}") from None

    @classmethod
    def from_der(cls, data: bytes, *, require: str | None = None) -> Self:
        """One DER-encoded CRL. Raises ConfigurationError if it cannot be read."""
        try:
            return cls([x509.load_der_x509_crl(data)], require=require)
        except ValueError as error:
            raise ConfigurationError(f"the CRL cannot be read: {error}") from None

    def check(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Check a verified chain, leaf first, anchor last. Raises CertificateRevoked or RevocationUnknown."""
        for depth, (certificate, issuer) in enumerate(pairwise(chain)):
            covered = self._check_one(certificate, issuer, now, is_leaf=depth == 0)
            if not covered and (self.require == "chain" or (self.require == "leaf" and depth == 0)):
                raise RevocationUnknown(certificate.subject.rfc4514_string(), certificate=certificate)

    def _check_one(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime, *, is_leaf: bool
    ) -> bool:
        covered = False
        for crl in self._by_issuer.get(certificate.issuer, ()):
            if not (_in_date(crl, now) and _made_by(crl, issuer) and _in_scope(crl, is_leaf=is_leaf)):
                continue
            covered = True
            entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None:
                raise CertificateRevoked(
                    f"{certificate.subject.rfc4514_string()}, serial number {certificate.serial_number:x}, "
                    f"on {entry.revocation_date_utc:%Y-%m-%d}",
                    certificate=certificate,
                )
        return covered


def _in_date(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    """A list without nextUpdate has no end, which RFC 5280, section 5.1.2.5, forbids: such a list proves nothing."""
    return crl.next_update_utc is not None and crl.last_update_utc <= now <= crl.next_update_utc


def _made_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Signed by this issuer, whose key may sign CRLs (RFC 5280, section 6.3.3, f)."""
    usage = read_extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # a kind it cannot use: TypeError
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _in_scope(crl: x509.CertificateRevocationList, *, is_leaf: bool) -> bool:
    """Whether a list with an issuingDistributionPoint is about this kind of certificate (6.3.3, b); no delta lists.

    Every list must have a cRLNumber, not marked critical (RFC 5280, section 5.2.3).
    """
    if not any(isinstance(extension.value, x509.CRLNumber) for extension in crl.extensions):
        return False
    for extension in crl.extensions:
        point = extension.value
        if isinstance(point, x509.IssuingDistributionPoint):
            if point.only_contains_attribute_certs or point.indirect_crl or point.only_some_reasons:
                return False
            if (point.only_contains_ca_certs and is_leaf) or (point.only_contains_user_certs and not is_leaf):
                return False
        elif extension.critical:
            return False
    return True
