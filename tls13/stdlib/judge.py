"""Whoever judges the peer's chain for an SSLContext: the verifier that its settings come to, and then the program.

`ssl` gives a program no say in it. Here `SSLContext.set_verify_callback` does: the callback sees what was found out,
good or bad, and its answer is the last word. A session rests on that answer too, so a session that was verified with a
callback is offered again only by a context with the same callback.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CertificateError, UsageError
from ..flow import dismiss
from ..trust.store import TrustStore
from ..trust.verify import NamelessVerifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from ..trust.names import ServerName
    from ..trust.verify import Verifier
    from ..wire.registry import SignatureScheme

    VerifyCallback = Callable[["Verification"], bool]
    Verdict = Sequence[Certificate] | Awaitable[Sequence[Certificate]]


class Verification(NamedTuple):
    """What a verification callback is shown."""

    peer_certificates: Sequence[Certificate]
    """What the peer sent, end-entity certificate first."""
    verified_chain: Sequence[Certificate]
    """From the end-entity certificate to the trust anchor; empty if it failed."""
    error: CertificateError | None
    """Why it failed."""
    server_name: str | None
    """Whom a client wants to reach; None on a server."""
    verified_at: datetime
    """The time that the certificates were judged by, in UTC."""


class RefusedByCallback(CertificateError):
    """The program's verification callback does not believe the peer."""

    says = "the verification callback refuses the certificate"


class Judge(NamelessVerifier):
    """`verifier`, and `callback` after it. Notes the time in the exception of a failed verification.

    A NamelessVerifier to the config, because whether a name is needed is decided by the verifier inside.
    """

    def __init__(self, verifier: Verifier, callback: VerifyCallback | None, mark: bytes) -> None:
        """`mark`: secret bytes of this callback's own."""
        super().__init__(TrustStore.from_certificates(()))
        self.inner = verifier
        self.callback = callback
        self._mark = mark

    @property
    def fingerprint(self) -> bytes:
        if self.callback is None:
            return self.inner.fingerprint
        return hashlib.sha256(self._mark + self.inner.fingerprint).digest()

    @property
    def signature_schemes(self) -> tuple[SignatureScheme, ...]:
        return self.inner.signature_schemes

    def verify_server(  # type: ignore[override]  # the verifier inside may promise its answer
        self, chain: Sequence[Certificate], server_name: ServerName | None, now: datetime
    ) -> Verdict:
        name = server_name.text if server_name is not None else None
        return self._judge(chain, name, now, lambda: self.inner.verify_server(chain, server_name, now))

    def verify_client(  # type: ignore[override]  # the verifier inside may promise its answer
        self, chain: Sequence[Certificate], now: datetime
    ) -> Verdict:
        return self._judge(chain, None, now, lambda: self.inner.verify_client(chain, now))

    def _judge(
        self, chain: Sequence[Certificate], name: str | None, now: datetime, verify: Callable[[], Verdict]
    ) -> Verdict:
        failure: CertificateError | None = None
        try:
            answer = verify()
        except CertificateError as error:
            failure, answer = error, ()
        if self.callback is None and failure is None:
            return answer
        if isinstance(answer, Awaitable):
            dismiss(answer)
            raise UsageError("a verification callback is called with a verdict, and this verifier promises one later")
        believed = failure is None
        if self.callback is not None:
            believed = self.callback(Verification(tuple(chain), tuple(answer), failure, name, now))
        if believed:
            return answer or tuple(chain)
        refusal = failure or RefusedByCallback(chain=chain, certificate=chain[0])
        refusal.judged_at = now
        raise refusal
