"""Delegated credentials: RFC 9345. A certificate's owner lends its name to another key, for a week at most.

A front-end server gets a credential, signed with the certificate's key, and a key pair of its own; the certificate's
key stays where it is safe. If the front-end is broken into, what is lost works for days, not for a year. Only
certificates that say so (DelegationUsage) can delegate, and only peers that ask for it are shown a credential.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .. import errors
from ..crypto.public_keys import PublicKeyInfo
from ..crypto.signatures import check_suitable, schemes_for, verify
from ..errors import ConfigurationError
from ..wire.companions import Credential, DelegatedCredential
from ..wire.registry import SignatureScheme
from .checks import SMALLEST_RSA, rsa_excess
from .names import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from ..crypto.signatures import KeyHolder
    from .identity import Identity

DELEGATION_USAGE: Final = x509.ObjectIdentifier("1.3.6.1.4.1.44363.44")
DER_NULL: Final = b"\x05\x00"
"""Section 4.2: DelegationUsage ::= NULL."""
MAX_VALIDITY: Final = timedelta(days=7)
SERVER_CONTEXT: Final = b"TLS, server delegated credentials"
CLIENT_CONTEXT: Final = b"TLS, client delegated credentials"

NOT_ALLOWED: Final = (
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
)
"""Section 4: an RSA key of a credential MUST NOT use the rsaEncryption OID."""


def may_delegate(certificate: x509.Certificate) -> bool:
    """Section 4.2: it has the DelegationUsage extension, not critical and a NULL, and its key may sign."""
    try:
        extensions = certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        delegation = extensions.get_extension_for_oid(DELEGATION_USAGE)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False
    return usage.digital_signature and not delegation.critical and delegation.value.public_bytes() == DER_NULL


def signed_content(certificate_der: bytes, cred: Credential, algorithm: SignatureScheme, context: bytes) -> bytes:
    """What DelegatedCredential.signature is over (section 4)."""
    return b" " * 64 + context + b"\0" + certificate_der + cred.encode() + int(algorithm).to_bytes(2, "big")


def expires_at(certificate: x509.Certificate, credential: DelegatedCredential) -> datetime:
    """Raises BadDelegatedCredential for a time beyond the year 9999."""
    try:
        return certificate.not_valid_before_utc + timedelta(seconds=credential.cred.valid_time)
    except OverflowError:
        raise errors.BadDelegatedCredential("it expires after the year 9999") from None


def check(
    credential: DelegatedCredential,
    certificate: x509.Certificate,
    now: datetime,
    *,
    context: bytes,
    algorithms: Collection[SignatureScheme],
    credential_algorithms: Collection[SignatureScheme],
) -> PublicKeyInfo:
    """The key that signs CertificateVerify in the certificate's place (section 4.1.3).

    `algorithms` and `credential_algorithms`: what we offered in signature_algorithms and in delegated_credential.
    Raises BadDelegatedCredential. The certificate's own chain and name are checked as ever, by somebody else.
    """
    cred = credential.cred
    expiry = expires_at(certificate, credential)
    if now > expiry:
        raise errors.BadDelegatedCredential(f"it expired on {expiry:%Y-%m-%d %H:%M:%S} UTC")
    if expiry > now + MAX_VALIDITY:
        raise errors.BadDelegatedCredential(f"it is valid until {expiry:%Y-%m-%d}, more than 7 days from now")
    if cred.dc_cert_verify_algorithm not in credential_algorithms or cred.dc_cert_verify_algorithm in NOT_ALLOWED:
        raise errors.BadDelegatedCredential(f"dc_cert_verify_algorithm is {cred.dc_cert_verify_algorithm}")
    if credential.algorithm not in algorithms:
        raise errors.BadDelegatedCredential(f"it is signed with {credential.algorithm}, which we did not offer")
    if not may_delegate(certificate):
        raise errors.BadDelegatedCredential("its certificate does not have DelegationUsage and digitalSignature")
    content = signed_content(certificate.public_bytes(Encoding.DER), cred, credential.algorithm, context)
    _check_scheme(credential.algorithm, certificate, "the certificate's")
    try:
        verify(certificate.public_key(), credential.algorithm, credential.signature, content)
        key = PublicKeyInfo(cred.ASN1_subjectPublicKeyInfo)
    except errors.BadSignature:
        raise errors.BadDelegatedCredential("its signature is not the certificate's") from None
    except errors.BadPublicKey as error:
        raise errors.BadDelegatedCredential(error.detail) from None
    _check_scheme(cred.dc_cert_verify_algorithm, key, "its own")
    _check_size(key)
    return key


def _check_scheme(scheme: SignatureScheme, holder: KeyHolder, whose: str) -> None:
    try:
        check_suitable(scheme, holder)
    except errors.SignatureSchemeUnsuitable:
        raise errors.BadDelegatedCredential(f"{scheme} with {whose} key") from None


def _check_size(key: PublicKeyInfo) -> None:
    """What check_keys asks of a certificate's key: it is neither weak nor so large that verifying is an attack."""
    public_key = key.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        return
    bits = public_key.key_size
    if bits < SMALLEST_RSA:
        raise errors.BadDelegatedCredential(f"an RSA key of {bits} bits, and {SMALLEST_RSA} are needed")
    if excess := rsa_excess(bits, public_key.public_numbers().e.bit_length()):
        raise errors.BadDelegatedCredential(excess)


def issue(
    identity: Identity,
    public_key: CertificatePublicKeyTypes,
    *,
    until: datetime,
    now: datetime | None = None,
    context: bytes = SERVER_CONTEXT,
) -> DelegatedCredential:
    """A credential for `public_key`, signed with the key of `identity`. `until`: 7 days from its use at most.

    `now`: give it, and a credential that is valid for longer is not even made (section 3).
    `Identity(identity.chain, private_key, delegated_credential=credential)` then presents it. Raises
    ConfigurationError for a certificate that may not delegate, for a time outside of its validity, and for a key that
    a credential cannot be for.
    """
    certificate = identity.chain[0]
    if not may_delegate(certificate):
        raise ConfigurationError("this certificate may not delegate: it needs DelegationUsage and digitalSignature")
    _check_until(certificate, until, now)
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    schemes = [scheme for scheme in schemes_for(public_key) if scheme not in NOT_ALLOWED]
    if not schemes:
        raise ConfigurationError("a delegated credential cannot be for a key of this kind (RFC 9345, section 4)")
    cred = Credential(
        valid_time=int((until - certificate.not_valid_before_utc).total_seconds()),
        dc_cert_verify_algorithm=schemes[0],
        ASN1_subjectPublicKeyInfo=der,
    )
    algorithm = identity.signature_schemes[0]
    content = signed_content(certificate.public_bytes(Encoding.DER), cred, algorithm, context)
    signature = identity.sign(algorithm, content)
    if not isinstance(signature, bytes):
        raise ConfigurationError("issue needs a signer that answers at once")
    return DelegatedCredential(cred=cred, algorithm=algorithm, signature=signature)


def _check_until(certificate: x509.Certificate, until: datetime, now: datetime | None) -> None:
    """Section 3: peers MUST NOT issue what outlives the certificate, or is valid for more than 7 days."""
    if not certificate.not_valid_before_utc < until <= certificate.not_valid_after_utc:
        raise ConfigurationError(
            f"the credential would be valid until {until:%Y-%m-%d}, and its certificate is from "
            f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        )
    if now is not None and until > now + MAX_VALIDITY:
        raise ConfigurationError("a delegated credential is valid for 7 days at most (RFC 9345, section 3)")
