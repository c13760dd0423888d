"""A failure as one line for a person: what happened, and what to do about it."""

from __future__ import annotations

import os

from ..errors import (
    AlertDescription,
    AlertReceived,
    BadCertificateSignature,
    CertificateExpired,
    ConnectionRefused,
    ConnectTimeout,
    HandshakeTimeout,
    MissingIntermediate,
    ProtocolVersionError,
    TransportError,
    TruncatedStream,
    UnknownIssuer,
    WrongHost,
)
from ..explain.terminal import printable

ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (MissingIntermediate, "--cafile FILE trusts what is in FILE"),
    (UnknownIssuer, "if you trust it, put it into a file and give that as --cafile"),
    (BadCertificateSignature, "is what --cafile trusts still the server's authority?"),
    (CertificateExpired, "the server needs a new one"),
    (WrongHost, "if you mean one of these, give its name as --sni"),
    (ConnectionRefused, "is the server running, and on this port?"),
    (ConnectTimeout, "is the host up? --timeout waits longer"),
    (HandshakeTimeout, "is this a TLS port? --timeout waits longer"),
    (ProtocolVersionError, "it may know older versions only, which are not spoken here"),
    (TruncatedStream, "what came may be incomplete: try again"),
)
"""The first that fits. Only what the exception's own sentence does not say, in terms of the command's options."""

ADVICE_ON_ALERTS = {
    AlertDescription.protocol_version: "it does not speak TLS 1.3, and older versions are not spoken here",
    AlertDescription.handshake_failure: "--group and --suite decide what is offered",
    AlertDescription.no_application_protocol: "it speaks none of these protocols: give another --alpn, or none",
    AlertDescription.unrecognized_name: "it serves no such name: --sni gives another",
    AlertDescription.certificate_required: "it wants a client certificate: --cert and --key show one",
}


def sentence(error: BaseException) -> str:
    """One line; what the peer chose in it cannot steer a terminal."""
    words = " ".join(_what(error).split())
    return printable("; ".join(part for part in (words, _advice(error)) if part))


def _what(error: BaseException) -> str:
    """An OSError without its number; our own have sentences."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    if isinstance(error, TransportError):
        return error.strerror
    return f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror


def _advice(error: BaseException) -> str:
    if isinstance(error, AlertReceived):
        return next((advice for alert, advice in ADVICE_ON_ALERTS.items() if alert == error.code), "")
    return next((advice for kind, advice in ADVICE if isinstance(error, kind)), "")
