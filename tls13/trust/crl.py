"""Certificate revocation lists that the caller supplies: RFC 5280, section 6.3.

Nothing is fetched. A list that the certificate's issuer signed says two different things, and they are not believed
on the same terms:

* "This one is revoked" is believed even from a list that is out of date or about other things: a revocation does not
  end. (One kind does, certificateHold: so a list that is in date and covers the certificate outweighs older ones.)
* "The others are not" is believed from a list only while it is in date, and only for the certificates, and all the
  reasons, that it says it is about. Only this is called cover here.

Otherwise a list that has expired, or was issued by a careless CA, would silently turn a revoked certificate into a
good one. Lists that an issuer signs for other issuers (indirect CRLs) and changes to lists (delta CRLs) are not used.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from .. import errors
from ..errors import ConfigurationError
from .checks import is_signed_by
from .names import UNREADABLE, describe, is_self_issued, read_extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

Required = Literal["leaf", "chain"]

ENTRY_EXTENSIONS: Final = (x509.CRLReason, x509.InvalidityDate)
"""What an entry may say critically and be understood (RFC 5280, section 5.3). Not: that it is another issuer's."""


class CrlSet:
    """CRLs, and how much they must cover. Immutable, and shared between threads.

    Without `require`, a certificate that no list covers passes, as with OpenSSL's X509_V_FLAG_CRL_CHECK off.
    With require="leaf" the end-entity certificate must be covered, with require="chain" every one below the anchor:
    RevocationUnknown otherwise. A certificate that stands in the store beside its issuer is below it, as with OpenSSL,
    and an end-entity certificate that stands there alone is no exception: only TrustStore.pinned takes CRLs their say.
    """

    def __init__(self, crls: Iterable[x509.CertificateRevocationList], *, require: Required | None = None) -> None:
        """Raises ConfigurationError for a list whose extensions cannot be read."""
        if require not in (None, "leaf", "chain"):
            raise ConfigurationError(f'require is "leaf", "chain" or None, not {require!r}')
        self._by_issuer: dict[x509.Name, list[RevocationList]] = {}
        for crl in crls:
            try:
                self._by_issuer.setdefault(crl.issuer, []).append(RevocationList(crl))
            except UNREADABLE as error:
                raise ConfigurationError(f"a CRL cannot be read: {error}") from None
        self.require = require

    @property
    def fingerprint(self) -> bytes:
        """32 bytes: the lists, and what they must cover."""
        digest = hashlib.sha256(str(self.require).encode())
        for one in sorted(made.fingerprint for lists in self._by_issuer.values() for made in lists):
            digest.update(one)
        return digest.digest()

    @classmethod
    def from_pem(cls, data: bytes, *, require: Required | None = None) -> Self:
        """Every "X509 CRL" block. Raises ConfigurationError if there is none or one cannot be read."""
        begin = b"-----BEGIN X509 CRL-----"
        blocks = [begin + rest for rest in data.split(begin)[1:]]
        if not blocks:
            raise ConfigurationError("the PEM text holds no CRL: no line says -----BEGIN X509 CRL-----")
        try:
            return cls([x509.load_pem_x509_crl(block) for block in blocks], require=require)
        except ConfigurationError:
            raise
        except ValueError as error:
            raise ConfigurationError(f"a CRL cannot be read: {error}") from None

    @classmethod
    def from_der(cls, data: bytes, *, require: Required | None = None) -> Self:
        """One DER-encoded CRL. Raises ConfigurationError if it cannot be read."""
        try:
            crl = x509.load_der_x509_crl(data)
        except ValueError as error:
            raise ConfigurationError(f"the CRL cannot be read: {error}") from None
        return cls([crl], require=require)

    def __repr__(self) -> str:
        return f"<CrlSet of {len(self._by_issuer)} issuers, require={self.require!r}>"

    def check(
        self,
        chain: Sequence[x509.Certificate],
        now: datetime,
        *,
        anchors: Sequence[x509.Certificate] = (),
        sent: Sequence[x509.Certificate] = (),
    ) -> None:
        """Check a verified chain, leaf first, anchor last. Raises CertificateRevoked or RevocationUnknown.

        `anchors`: all of the store; `sent`: all that the peer has sent. There the issuer is looked for of a certificate
        that is believed for itself.
        """
        path = _up_to_the_top(chain, anchors, sent)
        pairs = list(pairwise(path)) or [(path[0], path[0])]  # it is its own issuer, or nobody knows who is
        for depth, (certificate, issuer) in enumerate(pairs):
            covered = self._check_one(certificate, issuer, now)
            if not covered and (self.require == "chain" or (self.require == "leaf" and depth == 0)):
                raise errors.RevocationUnknown(describe(certificate), certificate=certificate)

    def _check_one(self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
        """Whether a list covers the certificate. Raises CertificateRevoked."""
        try:
            named = self._by_issuer.get(certificate.issuer, [])
        except UNREADABLE:  # a list of such an issuer would not have been taken
            named = []
        lists = [one for one in named if one.is_made_by(issuer)]
        current = [one for one in lists if one.is_current(now)]
        covered = any(one.covers(certificate) for one in current)
        for one in current if covered else lists:
            date = one.revoked.get(certificate.serial_number)
            if date is not None:
                raise errors.CertificateRevoked(
                    f"{describe(certificate)}, serial number {certificate.serial_number:x}, on {date:%Y-%m-%d}",
                    certificate=certificate,
                )
        return covered


def _up_to_the_top(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], sent: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """A verified chain ends at the first certificate that stands in the store. This goes on, if its issuer stands there
    as well: to trust a certificate is not to overlook its revocation. For a leaf that was believed for itself, the
    issuer may also be one that the peer has sent."""
    path = list(chain)
    while not is_self_issued(path[-1]):
        candidates = (*anchors, *sent) if len(path) == 1 else anchors
        above = next((one for one in candidates if one not in path and is_signed_by(path[-1], one)), None)
        if above is None:
            break
        path.append(above)
    return path


class RevocationList:
    """One CRL, read once: a list may have a hundred thousand entries, and a handshake asks for one."""

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        self._crl = crl
        self.fingerprint = crl.fingerprint(hashes.SHA256())
        self._point = next((one.value for one in crl.extensions if _is_point(one)), None)
        self._has_number = any(isinstance(one.value, x509.CRLNumber) for one in crl.extensions)
        entries = list(crl)
        self._understood = all(_is_point(one) or not one.critical for one in crl.extensions) and all(
            isinstance(one.value, ENTRY_EXTENSIONS) or not one.critical for entry in entries for one in entry.extensions
        )
        self.revoked = {entry.serial_number: entry.revocation_date_utc for entry in entries}
        """When each serial number was revoked."""
        self._issuers: set[x509.Certificate] = set()

    def is_made_by(self, issuer: x509.Certificate) -> bool:
        """Whether this issuer, whose key may sign CRLs, made it about its own certificates, in words that we know.

        RFC 5280, sections 5.2 (critical extensions) and 6.3.3 (f) and (g).
        """
        if issuer in self._issuers:
            return True
        usage = read_extension(issuer, x509.KeyUsage)
        if (usage is not None and not usage.crl_sign) or not self._understood or self._is_about_others():
            return False
        try:
            valid = self._crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # a kind it cannot use: TypeError
        except (TypeError, ValueError, UnsupportedAlgorithm):
            return False
        if valid:
            self._issuers.add(issuer)
        return valid

    def _is_about_others(self) -> bool:
        point = self._point
        return point is not None and (point.indirect_crl or point.only_contains_attribute_certs)

    def is_current(self, now: datetime) -> bool:
        """RFC 5280, section 6.3.3 (a). A list without nextUpdate breaks section 5.1.2.5: it is never current."""
        until = self._crl.next_update_utc
        return until is not None and self._crl.last_update_utc <= now <= until

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether it is about this certificate, for all reasons (6.3.3, b). Without cRLNumber it breaks 5.2.3."""
        if not self._has_number:
            return False
        point = self._point
        if point is None:
            return True
        constraints = read_extension(certificate, x509.BasicConstraints)
        is_ca = constraints is not None and constraints.ca
        if point.only_contains_user_certs if is_ca else point.only_contains_ca_certs:
            return False
        return not point.only_some_reasons and _is_point_of(point, certificate)


def _is_point(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return isinstance(extension.value, x509.IssuingDistributionPoint)


def _is_point_of(point: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    """Large CAs cut their list into shards: the certificate says in which it would stand."""
    if point.full_name is None and point.relative_name is None:
        return True
    ours = read_extension(certificate, x509.CRLDistributionPoints) or ()
    names = [name for one in ours if one.crl_issuer is None for name in one.full_name or ()]
    return any(name in names for name in point.full_name or ())
