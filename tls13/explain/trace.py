"""A connection, told as it happens: one paragraph for each message, each change of keys, each alert.

`Narrator` is a tls13.Tracer. What it says of a message comes from the decoded message itself; the sentences say what
the message is for, and the section where RFC 9846 says so.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TextIO

from ..errors import AlertDescription
from ..flow import Epoch
from ..wire.extensions import (
    ClientVersions,
    Cookie,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    NamedGroupList,
    ProtocolNameList,
    ServerNameList,
    SignatureSchemeList,
)
from ..wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Finished,
    HandshakeMessage,
    HelloRetryRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
    decode_handshake,
)
from ..wire.registry import ContentType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.x509 import Certificate as X509

    from ..crypto.suites import Suite

SECTIONS: dict[type[HandshakeMessage], tuple[str, str]] = {
    ClientHello: ("4.2.2", "what the client can do, and its half of the key exchange"),
    HelloRetryRequest: ("4.2.4", "the server wants another ClientHello"),
    ServerHello: ("4.2.3", "what the server chose, and its half of the key exchange"),
    EncryptedExtensions: ("4.4.1", "answers that need not be public; the first encrypted message"),
    CertificateRequest: ("4.4.2", "the server wants to know who the client is"),
    Certificate: ("4.5.1", "who the sender says it is"),
    CertificateVerify: ("4.5.2", "proof: a signature over this very handshake with the certificate's key"),
    Finished: ("4.5.3", "both have seen the same handshake: a MAC over all of it"),
    NewSessionTicket: ("4.7.1", "a ticket for a shorter handshake next time"),
    KeyUpdate: ("4.7.3", "the sender changes its keys"),
}

EPOCHS = {
    Epoch.INITIAL: "in the clear",
    Epoch.EARLY: "under the early data keys",
    Epoch.HANDSHAKE: "under the handshake keys",
    Epoch.APPLICATION: "under the application keys",
}
WIDTH = 100


class Palette:
    """ANSI colours, or none where they do not belong: not a terminal, or NO_COLOR is set (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.on else text


class Narrator:
    """Writes the account of one side's connection to `stream`. `me` and `peer` name the two sides."""

    def __init__(self, stream: TextIO, *, me: str = "client", peer: str = "server") -> None:
        self._stream = stream
        self._paint = Palette(stream)
        self._me, self._peer = me, peer
        self._began = time.perf_counter()

    # --- tls13.Tracer -----------------------------------------------------------------------------------------------

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        message = decode_handshake(raw)
        message.judge()
        section, purpose = SECTIONS.get(type(message), ("4", ""))
        name = type(message).__name__
        head = f"{self._arrow(sent)} {self._paint('1', name)}"
        self._line(f"{head}  {len(raw)} bytes, {EPOCHS[epoch]}  {self._paint('2', f'(section {section})')}", timed=True)
        if purpose:
            self._line(f"      {self._paint('3', purpose)}")
        describe = DESCRIPTIONS.get(type(message))
        for label, value in describe(message) if describe is not None else ():
            self._field(label, value)

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        who = self._me if sent else self._peer
        what = "handshake" if epoch is Epoch.HANDSHAKE else "application"
        self._line(
            self._paint(
                "33", f"   ** from here on the {who}'s records are encrypted with its {what} keys ({suite.code.name})"
            )
        )

    def secret(self, label: str, secret: bytes) -> None:
        """Secrets are not for a terminal."""

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        name = ContentType(content_type).name
        text = f"{self._arrow(sent)} {self._paint('1', name)}  {length} bytes"
        if content_type == ContentType.change_cipher_spec:
            self._line(f"{text}  {self._paint('2', '(appendix E.4)')}", timed=True)
            self._line(f"      {self._paint('3', 'means nothing: it makes this look like TLS 1.2 to old middleboxes')}")
        else:
            self._line(f"{text}, {EPOCHS[epoch]}", timed=True)

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        try:
            name = AlertDescription(description).name
        except ValueError:
            name = f"unknown alert {int(description)}"
        polite = description in (AlertDescription.close_notify, AlertDescription.user_canceled)
        self._line(f"{self._arrow(sent)} {self._paint('1' if polite else '1;31', f'alert {name}')}", timed=True)
        if description == AlertDescription.close_notify:
            self._line(f"      {self._paint('3', 'nothing more will come from this side (section 6.1)')}")

    def verified(self, chain: Sequence[X509]) -> None:
        names = " <- ".join(certificate.subject.rfc4514_string() for certificate in chain)
        self._line(self._paint("32", f"   ** chain verified: {names}"))

    # --- layout -----------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A line of the narrator's own."""
        self._line(self._paint("36", text))

    def _arrow(self, sent: bool) -> str:
        left, right = (self._me, self._peer) if sent else (self._peer, self._me)
        return self._paint("34" if sent else "35", f"{left} -> {right}")

    def _field(self, label: str, value: str) -> None:
        room = WIDTH - 28
        words, line = value.split(" "), ""
        first = True
        for word in [*words, None]:
            if word is None or (line and len(line) + 1 + len(word) > room):
                self._line(f"      {label if first else '':20}  {line}")
                first, line = False, ""
            if word is not None:
                line = f"{line} {word}" if line else word

    def _line(self, text: str, *, timed: bool = False) -> None:
        since = f"{(time.perf_counter() - self._began) * 1000:7.1f} ms  " if timed else " " * 12
        self._stream.write(f"{since}{text}".rstrip() + "\n")


# --- what is worth saying of each message -----------------------------------------------------------------------------

Fields = list[tuple[str, str]]


def _list(values: Sequence[object], limit: int = 6) -> str:
    shown = ", ".join(str(value) for value in values[:limit])
    return shown + (f" and {len(values) - limit} more" if len(values) > limit else "")


def _client_hello(message: HandshakeMessage) -> Fields:
    if not isinstance(message, ClientHello):
        return []
    hello = message.extensions
    fields = [("random", f"{message.random.hex()[:16]}..."), ("cipher_suites", _list(message.cipher_suites))]
    names, versions, groups = hello.get(ServerNameList), hello.get(ClientVersions), hello.get(NamedGroupList)
    shares, schemes, alpn = hello.get(KeyShareClientHello), hello.get(SignatureSchemeList), hello.get(ProtocolNameList)
    if names is not None:
        hosts = [entry.host_name.decode("ascii", "replace") for entry in names.server_name_list]
        fields.append(("server_name", f"{_list(hosts)}: the wire sees which host is wanted"))
    if versions is not None:
        fields.append(("supported_versions", _list(versions.versions)))
    if groups is not None:
        fields.append(("supported_groups", _list(groups.named_group_list, 8)))
    if shares is not None:
        entries = [f"{entry.group} ({len(entry.key_exchange)} bytes)" for entry in shares.client_shares]
        fields.append(("key_share", f"{_list(entries) or 'none'}: public halves of fresh keys"))
    if schemes is not None:
        fields.append(("signature_algorithms", _list(schemes.supported_signature_algorithms, 4)))
    if alpn is not None:
        fields.append(
            ("application protocols", _list([name.decode("ascii", "replace") for name in alpn.protocol_name_list]))
        )
    if hello.get(Cookie) is not None:
        fields.append(("cookie", "what the HelloRetryRequest asked to be returned"))
    return fields


def _server_hello(message: HandshakeMessage) -> Fields:
    if not isinstance(message, ServerHello):
        return []
    extensions = message.extensions
    fields = [("cipher_suite", str(message.cipher_suite))]
    share, selected = extensions.get(KeyShareServerHello), extensions.get(KeyShareHelloRetryRequest)
    if share is not None:
        entry = share.server_share
        fields.append(
            ("key_share", f"{entry.group} ({len(entry.key_exchange)} bytes): now both can compute the secret")
        )
    if selected is not None:
        fields.append(("key_share", f"send a share for {selected.selected_group}, please"))
    cookie = extensions.get(Cookie)
    if cookie is not None:
        fields.append(("cookie", f"{len(cookie.cookie)} bytes, to be returned: it lets the server forget the client"))
    return fields


def _encrypted_extensions(message: HandshakeMessage) -> Fields:
    if not isinstance(message, EncryptedExtensions):
        return []
    extensions = message.extensions
    alpn = extensions.get(ProtocolNameList)
    if alpn is not None:
        return [("application protocol", _list([name.decode("ascii", "replace") for name in alpn.protocol_name_list]))]
    return []


def _certificate(message: HandshakeMessage) -> Fields:
    if not isinstance(message, Certificate):
        return []
    from cryptography import x509

    fields = []
    for number, entry in enumerate(message.certificate_list):
        try:
            certificate = x509.load_der_x509_certificate(entry.cert_data)
        except ValueError:
            fields.append((f"certificate {number}", f"{len(entry.cert_data)} bytes that cannot be parsed"))
            continue
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        fields.append((f"certificate {number}", f"{subject}, signed by {issuer}, valid until {until}"))
    return fields or [("certificate_list", "empty: no certificate to show")]


def _certificate_verify(message: HandshakeMessage) -> Fields:
    if not isinstance(message, CertificateVerify):
        return []
    return [("algorithm", str(message.algorithm)), ("signature", f"{len(message.signature)} bytes")]


def _finished(message: HandshakeMessage) -> Fields:
    if not isinstance(message, Finished):
        return []
    return [("verify_data", f"{message.verify_data.hex()[:16]}...")]


def _ticket(message: HandshakeMessage) -> Fields:
    if not isinstance(message, NewSessionTicket):
        return []
    return [("ticket_lifetime", f"{message.ticket_lifetime} seconds")]


def _key_update(message: HandshakeMessage) -> Fields:
    if not isinstance(message, KeyUpdate):
        return []
    return [("request_update", str(message.request_update))]


DESCRIPTIONS: dict[type[HandshakeMessage], Callable[[HandshakeMessage], Fields]] = {
    ClientHello: _client_hello,
    ServerHello: _server_hello,
    HelloRetryRequest: _server_hello,
    EncryptedExtensions: _encrypted_extensions,
    Certificate: _certificate,
    CertificateVerify: _certificate_verify,
    Finished: _finished,
    NewSessionTicket: _ticket,
    KeyUpdate: _key_update,
}
