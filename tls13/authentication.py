"""Certificate, CertificateVerify, Finished: RFC 9846, section 4.5, for both roles.

Three questions about the other side, in this order. *Who do you say you are?* (Certificate.) *Can you sign with that
name's key, today, for this very handshake?* (CertificateVerify: a signature over the transcript so far.) *Have we
seen the same handshake?* (Finished: a MAC over the transcript with a key that only the two ends of the key exchange
can compute.) A recorded answer to any of them is worthless in another connection, because the transcript contains
both sides' fresh random values.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from .crypto.signatures import check_suitable, sign, signed_content, verify
from .errors import (
    BadFinished,
    BadRequestContext,
    CertificateError,
    DecodeError,
    EmptyCertificateList,
    SignatureSchemeNotOffered,
)
from .flow import HandshakeFlow
from .trust.verify import parse_chain
from .wire.messages import Certificate, CertificateEntry, CertificateVerify, Finished

if TYPE_CHECKING:
    from collections.abc import Collection

    from cryptography import x509

    from .flow import Flow
    from .key_schedule import TrafficSecret
    from .trust.identity import Presentable
    from .wire.registry import SignatureScheme

SERVER_CONTEXT = b"TLS 1.3, server CertificateVerify"
CLIENT_CONTEXT = b"TLS 1.3, client CertificateVerify"


class AuthenticatedFlow(HandshakeFlow):
    """A handshake whose peers prove who they are."""

    def send_certificate(self, identity: Presentable | None, certificate_request_context: bytes = b"") -> None:
        """Our chain, end-entity certificate first; an empty list when we have none to show (4.5.1)."""
        chain = identity.der_chain if identity is not None else ()
        self.send(
            Certificate(
                certificate_request_context=certificate_request_context,
                certificate_list=tuple(CertificateEntry(cert_data=der) for der in chain),
            )
        )

    def send_certificate_verify(self, identity: Presentable, scheme: SignatureScheme, context: bytes) -> None:
        """Section 4.5.2: our signature over everything up to our Certificate."""
        content = signed_content(context, self.transcript.digest())
        self.send(CertificateVerify(algorithm=scheme, signature=sign(identity.private_key, scheme, content)))

    def send_finished(self, base_key: TrafficSecret) -> None:
        """Section 4.5.3: a MAC over everything so far, under the handshake traffic secret of our direction."""
        self.send(Finished(verify_data=base_key.verify_data(self.transcript.digest())))

    def accept_server_certificate(
        self, message: Certificate, offered_extensions: Collection[int], limit: int
    ) -> tuple[x509.Certificate, ...]:
        """Section 4.5.1: the chain in the server's Certificate, parsed but not yet verified."""
        if message.certificate_request_context:
            raise BadRequestContext("the server's Certificate has a context")
        if not message.certificate_list:
            raise EmptyCertificateList
        for entry in message.certificate_list:
            entry.extensions.refuse_unasked(offered_extensions)
        if len(message.certificate_list) > limit:
            raise CertificateError(f"a chain of {len(message.certificate_list)} certificates; our limit is {limit}")
        return parse_chain([entry.cert_data for entry in message.certificate_list])

    def read_certificate_verify(
        self, certificate: x509.Certificate, offered: Collection[SignatureScheme], context: bytes
    ) -> Flow[SignatureScheme]:
        """Section 4.5.2: the peer signs the transcript up to its Certificate with the key it just showed."""
        signed = signed_content(context, self.transcript.digest())
        message = yield from self.read(CertificateVerify)
        if message.algorithm not in offered:
            raise SignatureSchemeNotOffered(message.algorithm)
        check_suitable(message.algorithm, certificate)
        verify(certificate.public_key(), message.algorithm, message.signature, signed)
        return message.algorithm

    def read_finished(self, base_key: TrafficSecret) -> Flow[None]:
        """Section 4.5.3: the peer has seen exactly the messages that we have."""
        expected = base_key.verify_data(self.transcript.digest())
        message = yield from self.read(Finished)
        if len(message.verify_data) != len(expected):
            raise DecodeError(f"Finished of {len(message.verify_data)} bytes; the hash has {len(expected)}")
        if not compare_digest(message.verify_data, expected):
            raise BadFinished
