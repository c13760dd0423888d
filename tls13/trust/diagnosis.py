"""Why a chain was refused: for people, and only after the refusal.

The chain verifier says one thing for most failures ("candidates exhausted"). Here the chain is walked again, slowly
and with words, to find the first thing that is wrong with it. Nothing here can make a chain acceptable; the worst that
a mistake could do is to name the wrong reason. The walk is bounded, because a hostile peer chose what is walked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, SignatureAlgorithmOID

from .. import errors
from ..crypto.signatures import key_kind
from ..errors import CertificateError
from .checks import check_dates, check_usage, is_signed_by
from .facts import facts
from .names import check_readable, describe, read_extension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .checks import Question

MAX_STEPS = 10
WEAK_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "MD5",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.DSA_WITH_SHA1: "SHA-1",
}


def diagnose(
    chain: Sequence[x509.Certificate],
    question: Question,
    anchors: Sequence[x509.Certificate],
    library_says: str,
) -> CertificateError:
    """The most useful true thing to say about a chain that was refused."""
    try:
        for certificate in chain:
            check_readable(certificate)
        anchors = [one for one in anchors if _is_readable(one)]
        path = _path(chain, anchors)
        for certificate in path:
            read_extension(certificate, x509.BasicConstraints)  # which parses them all
        _check_path(path, anchors)
        for certificate in path:
            check_dates(certificate, question.now)
        for certificate in path:
            check_usage(certificate, question)
        _check_authorities(path)
        question.check_name(chain[0])
        if "constrain" in library_says.lower():
            raise errors.NameConstraintViolation(library_says, certificate=chain[0])
    except CertificateError as error:
        return error
    return errors.UnsuitableChain(library_says, certificate=chain[0])


def _is_readable(anchor: x509.Certificate) -> bool:
    try:
        check_readable(anchor)
    except errors.MalformedCertificate:
        return False
    return True


def _path(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the leaf upwards by issuer names; of several issuers, one whose signature verifies."""
    path = [chain[0]]
    for _ in range(MAX_STEPS):
        current = path[-1]
        if current in anchors or current.issuer == current.subject:
            break
        candidates = [one for one in (*anchors, *chain[1:]) if one.subject == current.issuer and one not in path]
        if not candidates:
            break
        path.append(next((one for one in candidates[:MAX_STEPS] if is_signed_by(current, one)), candidates[0]))
    return path


def _check_path(path: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> None:
    for certificate in path:
        weak = WEAK_SIGNATURES.get(certificate.signature_algorithm_oid)
        if weak is not None and certificate not in anchors:
            raise errors.WeakSignature(f"{describe(certificate)} is signed with {weak}", certificate=certificate)
    for certificate, issuer in pairwise(path):
        if not is_signed_by(certificate, issuer):
            facts(issuer).public_key  # noqa: B018  # one that cannot be read is a WeakKey
            raise errors.BadCertificateSignature(
                f"{describe(certificate)} says that {describe(issuer)} signed it, and it did not",
                certificate=certificate,
            )
    last = path[-1]
    if last in anchors:
        return
    if last.issuer == last.subject:
        if len(path) == 1:
            raise errors.SelfSigned(describe(last), certificate=last)
        raise errors.UnknownIssuer(f"{describe(last)}; add it to the trust store if you trust it", certificate=last)
    if len(path) > MAX_STEPS:
        raise errors.UnsuitableChain(f"more than {MAX_STEPS} certificates long", certificate=last)
    issuer_name = last.issuer.rfc4514_string()
    if _has_issuer_url(last) or _same_organization(last, anchors):
        raise errors.MissingIntermediate(
            f"{issuer_name}, which signed {describe(last)}; the server must send it", certificate=last
        )
    raise errors.UnknownIssuer(
        f"{issuer_name}, which signed {describe(last)}; either it is missing in the trust store, or the peer did not "
        "send an intermediate certificate",
        certificate=last,
    )


def _has_issuer_url(certificate: x509.Certificate) -> bool:
    """A certificate that says where its issuer's can be fetched was not issued by a root."""
    access = read_extension(certificate, x509.AuthorityInformationAccess) or ()
    return any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access)


def _same_organization(certificate: x509.Certificate, anchors: Sequence[x509.Certificate]) -> bool:
    """An issuer of an anchor's organization is likely to be below it. A guess: only a CA that is given a name of its
    own counts, because makers of test CAs (trustme) put one organization into all of them."""
    if not certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        return False
    wanted = certificate.issuer.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return bool(wanted) and any(
        anchor.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME) == wanted for anchor in anchors
    )


def _check_authorities(path: Sequence[x509.Certificate]) -> None:
    """The leaf must be no CA, and all above it must be CAs."""
    leaf, issuers = path[0], path[1:]
    constraints = read_extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise errors.WrongUsage(f"{describe(leaf)} is a CA's certificate, used as an end-entity's", certificate=leaf)
    for depth, issuer in enumerate(issuers):
        _check_issuer(issuer, depth)


def _check_issuer(issuer: x509.Certificate, depth: int) -> None:
    constraints = read_extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise errors.WrongUsage(f"{describe(issuer)} is not a CA, and has signed a certificate", certificate=issuer)
    if constraints.path_length is not None and depth > constraints.path_length:
        raise errors.WrongUsage(
            f"{describe(issuer)} allows {constraints.path_length} CAs below it, and there are {depth}",
            certificate=issuer,
        )
    usage = read_extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise errors.WrongUsage(f"{describe(issuer)}: its keyUsage does not allow keyCertSign", certificate=issuer)
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise errors.WeakKey(f"{describe(issuer)} has an RSA key of {key.key_size} bits", certificate=issuer)
    if key_kind(key) in (None, "ed25519", "ed448"):
        raise errors.WeakKey(
            f"{describe(issuer)} signs with a kind of key that is not accepted in chains", certificate=issuer
        )
