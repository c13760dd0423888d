"""Certificate, CertificateVerify, Finished: RFC 9846, section 4.5, for both roles.

Three questions about the other side, in this order. *Who do you say you are?* (Certificate.) *Can you sign with that
name's key, today, for this very handshake?* (CertificateVerify: a signature over the transcript so far.) *Have we
seen the same handshake?* (Finished: a MAC over the transcript with a key that only the two ends of the key exchange
can compute.) A recorded answer to any of them is worthless in another connection, because the transcript contains
both sides' fresh random values.

The same three messages answer a request after the handshake (section 4.7.2), there over a transcript of their own.
So what makes and checks them takes the transcript's hash from its caller.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING

from . import errors
from .crypto.signatures import SHA1_SCHEMES, check_suitable, signed_content, verify
from .errors import CertificateError, DecodeError
from .flow import HandshakeFlow, settle
from .trust.checks import check_cost
from .trust.facts import facts
from .trust.verify import parse_chain
from .wire.companions import (
    CertificateCompressionAlgorithms,
    CertificateStatus,
    DelegatedCredential,
    DelegatedCredentialSchemes,
    TimestampsWanted,
)
from .wire.extensions import (
    CT,
    NO_EXTENSIONS,
    CertificateAuthoritiesExtension,
    Extensions,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from .wire.messages import (
    Certificate,
    CertificateEntry,
    CertificateVerify,
    CompressedCertificate,
    Finished,
)
from .wire.registry import CertificateStatusType, CertificateType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cryptography import x509

    from .config import ClientConfig, ServerConfig
    from .crypto.signatures import KeyHolder
    from .flow import Flow
    from .key_schedule import TrafficSecret
    from .trust.identity import Presentable
    from .wire.extensions import ExtensionBody
    from .wire.registry import SignatureScheme

SERVER_CONTEXT = b"TLS 1.3, server CertificateVerify"
CLIENT_CONTEXT = b"TLS 1.3, client CertificateVerify"
NEVER = 2**63 - 1


class Shown:
    """What the peer's Certificate says of it, parsed; nothing of it is believed yet."""

    def __init__(
        self,
        holder: KeyHolder | None,
        chain: tuple[x509.Certificate, ...] = (),
        raw_public_key: bytes | None = None,
        leaf_extensions: Extensions = NO_EXTENSIONS[CT],
    ) -> None:
        self.holder = holder
        """Whose key signs; None: a client that has nothing to show."""
        self.chain = chain
        """Empty with a raw public key, too."""
        self.raw_public_key = raw_public_key
        """SubjectPublicKeyInfo (RFC 7250); it is one that our config trusts."""
        self.leaf_extensions = leaf_extensions


NOTHING_SHOWN = Shown(None)


@lru_cache(64)
def _plain_certificate(der_chain: tuple[bytes, ...]) -> Certificate:
    """What is shown to everybody who asks for nothing beside it."""
    return Certificate(certificate_list=tuple(CertificateEntry(cert_data=der) for der in der_chain))


class AuthenticatedFlow(HandshakeFlow):
    """A handshake whose peers prove who they are."""

    config: ClientConfig | ServerConfig
    credential_expires_at: int = NEVER
    """When a delegated credential that the peer signed with runs out, in seconds since 1970: it is not in the chain,
    and no session must outlive it (RFC 9345). In a resumed connection, when the first of all that it rests on does."""

    # --- ours ----------------------------------------------------------------------------------------------------

    def certificate(
        self, identity: Presentable | None, asked: Collection[int], certificate_request_context: bytes = b""
    ) -> Certificate:
        """Our chain, end-entity certificate first; an empty list when we have none to show (4.5.1).

        `asked`: the extensions that the peer sent; ours only ever answer them.
        """
        if identity is not None and not identity.leaf_extensions and not certificate_request_context:
            return _plain_certificate(identity.der_chain)
        entries = []
        if identity is not None:
            extensions = NO_EXTENSIONS[CT]
            if identity.leaf_extensions:
                bodies = [body for body in identity.leaf_extensions if body.extension_type in asked]
                extensions = Extensions.of(CT, *bodies)
            for der in identity.der_chain:
                entries.append(CertificateEntry(cert_data=der, extensions=extensions))
                extensions = NO_EXTENSIONS[CT]
        return Certificate(certificate_request_context=certificate_request_context, certificate_list=tuple(entries))

    def send_certificate(self, message: Certificate, peer: Extensions) -> None:
        self.send(self.compressed(message, peer))

    def compressed(self, message: Certificate, peer: Extensions) -> Certificate | CompressedCertificate:
        """The Certificate, in fewer bytes if the peer can read them and our config has the algorithm (RFC 8879)."""
        offered = peer.get(CertificateCompressionAlgorithms)
        for algorithm in self.config.certificate_compression if offered is not None else ():
            if offered is not None and algorithm in offered.algorithms:
                from .wire.compression import compress

                body = message.encode()
                return CompressedCertificate(
                    algorithm=algorithm,
                    uncompressed_length=len(body),
                    compressed_certificate_message=compress(algorithm, body),
                )
        return message

    def certificate_verify(
        self, identity: Presentable, scheme: SignatureScheme, context: bytes, transcript_hash: bytes
    ) -> Flow[CertificateVerify]:
        """Section 4.5.2: our signature over everything up to our Certificate. Whoever has the key may take its time."""
        signature = yield from settle(identity.sign(scheme, signed_content(context, transcript_hash)))
        return CertificateVerify(scheme, signature)

    def finished(self, base_key: TrafficSecret, transcript_hash: bytes) -> Finished:
        """Section 4.5.3: a MAC over everything so far, under the traffic secret of our direction."""
        return Finished(base_key.verify_data(transcript_hash))

    # --- the peer's, and what we ask of it ----------------------------------------------------------------------------

    def certificate_questions(self) -> list[ExtensionBody]:
        """What both ClientHello and CertificateRequest may ask about the certificate that answers them (4.5.1.1)."""
        config = self.config
        questions: list[ExtensionBody] = []
        if config.certificate_compression:
            questions.append(CertificateCompressionAlgorithms(algorithms=config.certificate_compression))
        if config.signed_certificate_timestamps:
            questions.append(TimestampsWanted())
        if config.delegated_credentials:
            from .trust.delegated import NOT_ALLOWED  # few ask for them

            schemes = tuple(scheme for scheme in config.signature_schemes if scheme not in NOT_ALLOWED)
            questions.append(DelegatedCredentialSchemes(supported_signature_algorithms=schemes))
        return questions

    def decompressed(self, message: Certificate | CompressedCertificate) -> Certificate:
        """The Certificate, judged as if it had come by itself (RFC 8879, section 4)."""
        if isinstance(message, Certificate):
            return message
        if message.algorithm not in self.config.certificate_compression:
            raise errors.CompressionNotOffered(message.algorithm)
        from .wire.compression import decompress

        length = message.uncompressed_length
        if length > self.config.max_handshake_message:
            raise errors.BadCompressedCertificate(f"{length} bytes; our limit is {self.config.max_handshake_message}")
        plain = decompress(message.algorithm, message.compressed_certificate_message, length)
        certificate = Certificate.decode(plain)
        certificate.judge(self.max_extensions)
        return certificate

    def by_chain(self, identities: Iterable[Presentable], peer: Extensions) -> list[Presentable]:
        """Those first whose chain is signed only with what the peer lists (4.5.1.2), then those from an authority that
        it names (4.3.4). A chain with SHA-1 in it is shown only to who lists that."""
        listed = peer.get(SignatureSchemeListCert) or peer.get(SignatureSchemeList)
        schemes = listed.supported_signature_algorithms if listed is not None else ()
        refused = SHA1_SCHEMES.difference(schemes)
        shown = [one for one in identities if all(map(refused.isdisjoint, one.chain_signatures))]
        if len(shown) > 1:
            authorities = peer.get(CertificateAuthoritiesExtension)
            if authorities is not None:
                wanted = frozenset(authorities.authorities)
                shown.sort(key=lambda one: not one.issued_by(wanted))
            accepted = frozenset(schemes)
            shown.sort(key=lambda one: not all(names & accepted for names in one.chain_signatures))
        return shown

    def scheme_for(self, identity: Presentable, peer: Extensions) -> SignatureScheme | None:
        """Our most wanted scheme that the identity can sign with and the peer verifies (4.3.3); None if there is none.

        Of a delegated credential, the peer must want the scheme of its key and the scheme that it is signed with.
        """
        schemes = peer.get(SignatureSchemeList)
        accepted = schemes.supported_signature_algorithms if schemes is not None else ()
        credential = identity.delegated_credential
        if credential is not None:
            wanted = peer.get(DelegatedCredentialSchemes)
            if wanted is None or credential.algorithm not in accepted:
                return None
            accepted = wanted.supported_signature_algorithms
        for scheme in self.config.signature_schemes:
            if scheme in identity.signature_schemes and scheme in accepted:
                return scheme
        return None

    def accept_certificate(
        self,
        message: Certificate,
        asked: Collection[int],
        context: bytes = b"",
        *,
        kind: CertificateType = CertificateType.X509,
        trusted_raw_keys: Collection[bytes] = (),
    ) -> Shown:
        """Section 4.5.1: what the peer shows, in answer to the extensions `asked`, within our limits."""
        if message.certificate_request_context != context:
            raise errors.BadRequestContext("Certificate does not repeat the certificate_request_context of its request")
        ders = []
        for entry in message.certificate_list:
            entry.extensions.refuse_unasked(asked)
            ders.append(entry.cert_data)
        limit = self.config.max_certificate_chain
        if len(ders) > limit:
            raise CertificateError(f"a chain of {len(ders)} certificates; our limit is {limit}")
        if not ders:
            return NOTHING_SHOWN
        if kind == CertificateType.RawPublicKey:
            if len(ders) != 1:
                raise errors.MalformedCertificate(f"{len(ders)} entries where one raw public key was agreed on")
            from .trust.raw_keys import trusted_key  # few have such keys

            return Shown(trusted_key(ders[0], trusted_raw_keys), raw_public_key=ders[0])
        chain = parse_chain(ders, max_bytes=self.config.max_certificate_chain_bytes)
        check_cost(chain[0], chain)  # CertificateVerify may come before the chain is judged, and nobody may judge it
        return Shown(chain[0], chain, None, message.certificate_list[0].extensions)

    def read_certificate_verify(
        self, holder: KeyHolder, offered: Collection[SignatureScheme], context: bytes
    ) -> Flow[SignatureScheme]:
        """Section 4.5.2: the peer signs the transcript up to its Certificate with the key it just showed."""
        signed = signed_content(context, self.transcript.digest())
        message = yield from self.read(CertificateVerify)
        if message.algorithm not in offered:
            raise errors.SignatureSchemeNotOffered(message.algorithm)
        check_suitable(message.algorithm, holder)
        verify(holder.public_key(), message.algorithm, message.signature, signed)
        return message.algorithm

    def check_status(self, shown: Shown, verified: Sequence[x509.Certificate]) -> bytes | None:
        """The stapled OCSP response, if we asked for one: it must say that the certificate is good; and where the
        certificate says that it always has one, it must be there (4.5.1.1; RFC 7633). None also where nobody may speak
        about the certificate: it is pinned, and its issuer unknown."""
        if not self.config.ocsp_stapling or not verified:
            return None
        status = shown.leaf_extensions.get(CertificateStatus)
        if status is None:
            if facts(shown.chain[0]).must_staple:
                raise errors.MissingStaple(certificate=shown.chain[0])
            return None
        if status.status_type != CertificateStatusType.ocsp:
            raise errors.UnknownStatusType(f"status_type {int(status.status_type)}", certificate=shown.chain[0])
        from .trust.ocsp import check_shown

        now = datetime.fromtimestamp(self.config.clock(), UTC)
        return status.response if check_shown(status.response, verified, shown.chain, now) else None

    def signing_key(
        self, shown: Shown, holder: KeyHolder, *, server: bool
    ) -> tuple[KeyHolder, Collection[SignatureScheme]]:
        """Whose key signs, and with what: the certificate's, or that of a credential it delegates to (RFC 9345)."""
        offered = self.config.signature_schemes
        credential = shown.leaf_extensions.get(DelegatedCredential)
        if credential is None:
            return holder, offered
        from .trust import delegated  # few have one

        key = delegated.check(
            credential,
            shown.chain[0],
            datetime.fromtimestamp(self.config.clock(), UTC),
            context=delegated.SERVER_CONTEXT if server else delegated.CLIENT_CONTEXT,
            algorithms=offered,
            credential_algorithms=offered,
        )
        self.credential_expires_at = int(delegated.expires_at(shown.chain[0], credential).timestamp())
        return key, (credential.cred.dc_cert_verify_algorithm,)

    def read_finished(self, base_key: TrafficSecret) -> Flow[None]:
        """Section 4.5.3: the peer has seen exactly the messages that we have."""
        expected = base_key.verify_data(self.transcript.digest())
        message = yield from self.read(Finished)
        if len(message.verify_data) != len(expected):
            raise DecodeError(f"Finished of {len(message.verify_data)} bytes; the hash has {len(expected)}")
        if not compare_digest(message.verify_data, expected):
            raise errors.BadFinished
