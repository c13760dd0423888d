"""The certificates of a connection: who signed whom, and what can be checked with what is in the capture.

What is said here is computed here: each signature is verified with its issuer's key, the host name is looked for, the
CertificateVerify is checked against the transcript. What only the endpoint could know (its trust store, revocation,
the time of day) is told from what it reported, and where nothing was reported, that is said.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..authentication import CLIENT_CONTEXT, SERVER_CONTEXT
from ..crypto.signatures import signed_content, verify
from ..errors import TLSError
from ..trust.checks import is_signed_by, name_matches
from ..trust.names import UNREADABLE, ServerName, certificate_names, describe
from ..wire.companions import DelegatedCredential
from ..wire.messages import Certificate, CertificateVerify, CompressedCertificate
from .spans import unpacked
from .story import CertificateTold
from .x509_fields import certificate_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from ..wire.messages import CertificateEntry
    from .dissect import Dissector, Seen

DATE = "%Y-%m-%d %H:%M:%S UTC"
Check = tuple[str, str]


def opened_certificate(seen: Seen) -> Certificate | None:
    """The Certificate of a message, decompressed if need be (RFC 8879)."""
    message = seen.message
    if isinstance(message, CompressedCertificate):
        try:
            return Certificate.decode(unpacked(message))
        except TLSError:
            return None
    return message if isinstance(message, Certificate) else None


def shown_certificates(read: Dissector) -> list[tuple[Seen, Certificate]]:
    """Every Certificate message, in order."""
    found = ((seen, opened_certificate(seen)) for seen in read.seen if seen.kind == "message")
    return [(seen, message) for seen, message in found if message is not None]


def signature_check(read: Dissector, seen: Seen, content: bytes | None = None) -> bool | None:
    """Whether the CertificateVerify after a Certificate is right; None if there is none, or no key to check it with.

    content: what to verify it over, in place of this handshake.
    """
    certificate = opened_certificate(seen)
    place = read.seen.index(seen)
    later = (one for one in read.seen[place + 1 :] if one.to_server == seen.to_server and one.kind == "message")
    proof = next((one for one in later if isinstance(one.message, CertificateVerify)), None)
    if certificate is None or not certificate.certificate_list or proof is None or proof.before is None:
        return None
    message = proof.message
    if not isinstance(message, CertificateVerify):
        return None
    context = CLIENT_CONTEXT if seen.to_server else SERVER_CONTEXT
    try:
        key = _signing_key(certificate.certificate_list[0])
        signed = signed_content(context, proof.before) if content is None else content
        verify(key, message.algorithm, message.signature, signed)
    except TLSError:
        return False
    except (*UNREADABLE, UnsupportedAlgorithm, KeyError):
        return None
    return True


def _signing_key(entry: CertificateEntry) -> PublicKeyTypes:
    """The certificate's; or the one that it delegates to (RFC 9345), or that stands in its place (RFC 7250)."""
    delegated = entry.extensions.find(DelegatedCredential.extension_type)
    if delegated is not None:
        return load_der_public_key(DelegatedCredential.decode(delegated).cred.ASN1_subjectPublicKeyInfo)
    if (certificate := _parse(entry.cert_data)) is not None:
        return certificate.public_key()
    return load_der_public_key(entry.cert_data)


def chain(read: Dissector, verified: Sequence[bytes], server_name: str | None) -> list[CertificateTold]:
    """The server's chain, with the trust anchor if `verified` (DER) has it; then the client's."""
    told: list[CertificateTold] = []
    done = set()
    for seen, message in shown_certificates(read):
        who = "client" if seen.to_server else "server"
        ders = [entry.cert_data for entry in message.certificate_list]
        if not ders or (who, ders[0]) in done:
            continue
        done.add((who, ders[0]))
        anchors = [der for der in verified if der not in ders] if verified and verified[0] == ders[0] else []
        told += _one_chain(
            ders, anchors, who, _endpoint_checks(read, seen, server_name, believed=bool(anchors)), len(told)
        )
    return told


def _one_chain(
    ders: list[bytes], anchors: list[bytes], who: str, checks: tuple[Check, ...], first: int
) -> list[CertificateTold]:
    everything = [*ders, *anchors]
    parsed = [_parse(der) for der in everything]
    told = []
    for place, der in enumerate(everything):
        role = "end-entity" if not place else "trust anchor" if der in anchors[-1:] else "intermediate"
        issuer = _issuer(parsed, place)
        more = checks if not place else ()
        told.append(
            _certificate(der, parsed[place], role, issuer, parsed, first, (*more, *_signed(parsed, place, issuer)), who)
        )
    return told


def _parse(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None


def _issuer(parsed: list[x509.Certificate | None], place: int) -> int | None:
    """The place of the one whose key verifies this one's signature."""
    subject = parsed[place]
    if subject is None:
        return None
    for other, issuer in enumerate(parsed):
        if issuer is not None and is_signed_by(subject, issuer):
            return other
    return None


def _signed(parsed: list[x509.Certificate | None], place: int, issuer: int | None) -> tuple[Check, ...]:
    subject, by = parsed[place], parsed[issuer] if issuer is not None else None
    if subject is None:
        return (("certificate", "none that we can read; a bare key is believed if the other side knew it before"),)
    if by is None:
        return (("signature", "its issuer is not in this capture, so the signature was not verified here"),)
    if issuer == place:
        return (("signature", "its own: a root is believed because it is in a trust store, not for its signature"),)
    return (("signature", f"verified here with the key of {describe(by)}"),)


def _endpoint_checks(read: Dissector, seen: Seen, server_name: str | None, *, believed: bool) -> tuple[Check, ...]:
    """Of the end-entity certificate."""
    checks: list[Check] = []
    message = opened_certificate(seen)
    leaf = _parse(message.certificate_list[0].cert_data) if message is not None else None
    if leaf is not None and not seen.to_server and server_name is not None:
        fits = _matches(server_name, leaf)
        checks.append(("host name", f"{server_name} {'is' if fits else 'is not'} among its names"))
    proof = signature_check(read, seen)
    if proof is not None:
        right = "right: its holder has signed this very handshake" if proof else "wrong"
        checks.append(("CertificateVerify", right))
    told = "up to a trust anchor of its own" if believed else "not told by this capture"
    checks.append(("believed by the other side", told))
    return tuple(checks)


def _matches(server_name: str, leaf: x509.Certificate) -> bool:
    try:
        return name_matches(ServerName.parse(server_name), leaf)
    except (TLSError, *UNREADABLE):
        return False


def _certificate(
    der: bytes,
    certificate: x509.Certificate | None,
    role: str,
    issuer: int | None,
    parsed: list[x509.Certificate | None],
    first: int,
    checks: tuple[Check, ...],
    who: str,
) -> CertificateTold:
    told = CertificateTold(
        subject="", issuer="", names=(), not_before="", not_after="", key="", signature="", serial="", role=role,
        signed_by=first + issuer if issuer is not None else None, checks=checks, bytes=der,
        fields=certificate_fields(der), shell=_shell(der) if certificate is not None else None, shown_by=who,
    )  # fmt: skip
    if certificate is None and (bare := _bare_key(der)) is not None:
        told.subject, told.key = "(a bare public key, RFC 7250)", key_words(bare)
    if certificate is not None:
        told.subject, told.issuer = _subject_and_issuer(certificate)
        told.not_before = certificate.not_valid_before_utc.strftime(DATE)
        told.not_after = certificate.not_valid_after_utc.strftime(DATE)
        told.serial = f"{certificate.serial_number:x}"
        told.key = _key(certificate)
        told.signature = getattr(certificate.signature_algorithm_oid, "_name", "unknown")
        told.names = _names(certificate)
    return told


def _bare_key(der: bytes) -> PublicKeyTypes | None:
    try:
        return load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _subject_and_issuer(certificate: x509.Certificate) -> tuple[str, str]:
    try:
        subject = certificate.subject.rfc4514_string() or "(no subject)"
    except UNREADABLE:
        subject = describe(certificate)
    try:
        return subject, certificate.issuer.rfc4514_string()
    except UNREADABLE:
        return subject, "(unreadable)"


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        return tuple(certificate_names(certificate))
    except (TLSError, *UNREADABLE):
        return ()


def _key(certificate: x509.Certificate) -> str:
    try:
        return key_words(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return "a key that we cannot read"


def key_words(key: PublicKeyTypes) -> str:
    """For people: its kind and size."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA, {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA, {key.curve.name}"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


def _shell(der: bytes) -> str:
    return (
        f"echo {b64encode(der).decode('ascii')} | openssl base64 -d -A"
        " | openssl x509 -inform der -noout -fingerprint -sha256 -subject -issuer -dates"
    )
