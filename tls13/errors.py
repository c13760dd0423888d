"""What can go wrong, by name, and the alert that tells the peer.

Every exception of this package derives from TLSError. There are four kinds:

* ConfigurationError: *you* asked for something that cannot work; raised when a config is made.
* Abort and its subclasses: we end the connection because the peer broke a rule. The direct subclasses are
  the alerts of RFC 9846, section 6.2; below them is one class for each offence, so that a test, a log or a
  learner can tell a second HelloRetryRequest from a repeated Finished although both are "unexpected_message".
  They are written down in tls13/offences, and made when one of them is first needed.
* AlertReceived: the peer ended the connection and said why.
* What the transport did: TruncatedStream, and the exceptions of transport_errors.py, which keep an OSError underneath;
  they, too, are made when one of them is first needed.

An exception carries its alert as the class attribute `alert`. Nobody but engine.py reads it: that is the one
place where an exception becomes bytes on the wire.
"""

from __future__ import annotations

from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from .offences import *  # noqa: F403  # what __getattr__ finds
    from .transport_errors import *  # noqa: F403

RFC = "RFC 9846"


class AlertDescription(IntEnum):
    """RFC 9846, section 6; 121 from RFC 9849."""

    close_notify = 0
    unexpected_message = 10
    bad_record_mac = 20
    record_overflow = 22
    handshake_failure = 40
    bad_certificate = 42
    unsupported_certificate = 43
    certificate_revoked = 44
    certificate_expired = 45
    certificate_unknown = 46
    illegal_parameter = 47
    unknown_ca = 48
    access_denied = 49
    decode_error = 50
    decrypt_error = 51
    protocol_version = 70
    insufficient_security = 71
    internal_error = 80
    inappropriate_fallback = 86
    user_canceled = 90
    missing_extension = 109
    unsupported_extension = 110
    unrecognized_name = 112
    bad_certificate_status_response = 113
    unknown_psk_identity = 115
    certificate_required = 116
    general_error = 117
    no_application_protocol = 120
    ech_required = 121


class TLSError(Exception):
    """The base of everything that tls13 raises on purpose."""


class ConfigurationError(TLSError, ValueError):
    """A config, a file or an argument that cannot work; the sentence says what to change."""


class UsageError(TLSError, RuntimeError):
    """A call that makes no sense now: data sent before the handshake is complete, or after close()."""


class StoreUnavailable(TLSError):
    """A store of the user's (tls13.resumption.stores) cannot answer. A handshake goes on without what it would have
    said: no resumption, no early data."""


class Abort(TLSError):
    """We end the connection. `alert` is what the peer is told, `section` is the rule it broke.

    A subclass states its sentence once, in `says`; `detail` adds the value that was found.
    """

    alert: ClassVar[AlertDescription]
    section: ClassVar[str] = ""
    says: ClassVar[str] = ""
    rfc: ClassVar[str] = RFC

    def __init__(self, detail: object = "") -> None:
        self.detail = str(detail)
        where = f" ({self.rfc}, section {self.section})" if self.section else ""
        super().__init__(": ".join(part for part in (self.says, self.detail) if part) + where)


class DecodeError(Abort):
    alert = AlertDescription.decode_error
    section = "6.2"
    says = "a message does not follow its syntax"


class CertificateError(Abort):
    """The peer's certificate, or the chain above it, is not acceptable.

    `chain` is what the peer sent, end-entity certificate first; `certificate` is the one at fault, where it is
    known. The default alert is section 4.5.1.2's.
    """

    alert = AlertDescription.unsupported_certificate
    section = "4.5.1.2"
    says = "the certificate is not acceptable"

    def __init__(
        self, detail: object = "", *, chain: Sequence[Certificate] = (), certificate: Certificate | None = None
    ) -> None:
        super().__init__(detail)
        self.chain = tuple(chain)
        self.certificate = certificate
        self.judged_at: datetime | None = None
        """The time that the certificates were judged by, where whoever judged them says so."""


# --- what the peer or the transport did -------------------------------------------------------------------------


class AlertReceived(TLSError):
    """The peer ended the connection with an error alert. `code` is its number, known to us or not."""

    def __init__(self, code: int) -> None:
        self.code = code
        try:
            name = AlertDescription(code).name
        except ValueError:
            name = "unknown alert"
        super().__init__(f"the peer ended the connection with alert {name} ({code}) ({RFC}, section 6.2)")


class TruncatedStream(TLSError, EOFError):
    """The byte stream ended without close_notify: what was received may be incomplete (RFC 9846, section 6.1)."""


class CloseNotifyInHandshake(TLSError):
    """The peer closed its side before the handshake was complete (RFC 9846, section 6.1)."""


class ConnectionFailed(TLSError):
    """An earlier fatal error ended this connection; `__cause__` is that error."""


if not TYPE_CHECKING:
    _LATE = ("tls13.transport_errors", "tls13.offences")
    """Sockets need the few; the many are slow to make."""

    def __getattr__(name: str) -> object:
        """What the transport did, and the offences: all of a kind as soon as one is asked for (PEP 562)."""
        if not name.startswith("__") or name == "__all__":  # "__path__" and its like are asked for by every import
            for home in _LATE:
                _take(home)
                if name in globals():
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        for home in _LATE:
            _take(home)
        return sorted(globals())

    def _take(home: str) -> None:
        """The exceptions of this module or package say that they are of this one."""
        for kind in vars(import_module(home)).values():
            if isinstance(kind, type) and kind.__module__.startswith(home):
                globals()[kind.__name__] = kind
                kind.__module__ = __name__
