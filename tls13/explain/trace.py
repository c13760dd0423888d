"""A connection, told as it happens: one paragraph for each message, each change of keys, each alert.

`Narrator` is a tls13.Tracer. What it says of a message comes from the decoded message itself; the sentences say what
the message is for, and the section where RFC 9846 says so.
"""

from __future__ import annotations

import os
import time
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from ..errors import AlertDescription, TLSError
from ..flow import Epoch
from ..trust.names import UNREADABLE, certificate_names, describe
from ..wire.extensions import (
    ClientVersions,
    Cookie,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    NamedGroupList,
    ProtocolNameList,
    SelectedVersion,
    ServerNameList,
    SignatureSchemeList,
)
from ..wire.messages import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    EndOfEarlyData,
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
    Finished: ("4.5.3", "a MAC over all of the handshake: its sender saw what the receiver saw"),
    EndOfEarlyData: ("4.6", "the client has sent all its early data"),
    NewSessionTicket: ("4.7.1", "a ticket for a shorter handshake next time"),
    KeyUpdate: ("4.7.3", "the sender changes its keys"),
}

EPOCHS = {
    Epoch.INITIAL: "in the clear",
    Epoch.EARLY: "early data keys",
    Epoch.HANDSHAKE: "handshake keys",
    Epoch.APPLICATION: "application keys",
}
WIDTH = 100
TIME_WIDTH = 11
LANE = WIDTH - TIME_WIDTH - 2
"""The room between the two lines that stand for client and server."""
LABEL_WIDTH = 22

Part = tuple[str, str]
"""The codes of a colour ("" for none), and a text in it."""


class Palette:
    """ANSI colours, or none where they do not belong: not a terminal, or NO_COLOR is set (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.on and codes and text else text


def printable(text: str) -> str:
    """`text` with every control character escaped: the peer chose it, and it must not steer the reader's terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class Narrator:
    """Writes the account of one side's connection to `stream`, as it happens. `is_client`: whose side it is."""

    def __init__(self, stream: TextIO, *, is_client: bool = True) -> None:
        self._stream = stream
        self._paint = Palette(stream)
        self._is_client = is_client
        self._began: float | None = None
        self._epochs = {True: Epoch.INITIAL, False: Epoch.INITIAL}
        self._lanes_open = False

    # --- tls13.Tracer -----------------------------------------------------------------------------------------------

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        try:
            message = decode_handshake(raw)
            message.judge()
        except TLSError as error:  # a watcher changes nothing: the handshake itself finds the same, and ends for it
            self._arrow(sent, f"a message of {len(raw)} bytes", EPOCHS[epoch], epoch)
            self._say("31", str(error))
            return
        section, purpose = SECTIONS.get(type(message), ("4", ""))
        about = f"section {section}, {len(raw)} bytes, {EPOCHS[epoch]}"
        self._arrow(sent, type(message).__name__, about, epoch)
        self._say("3", purpose)
        fields = DESCRIPTIONS.get(type(message))
        for label, value in fields(message) if fields is not None else ():
            self._field(label, value)

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        again = "new " if epoch is Epoch.APPLICATION is self._epochs[sent] else ""
        self._epochs[sent] = epoch
        aead = suite.code.name.removeprefix("TLS_").rpartition("_SHA")[0]
        self._change(
            "33", f"from here on the {self._who(sent)}'s records are encrypted with {aead}, {again}{EPOCHS[epoch]}"
        )

    def secret(self, label: str, secret: bytes) -> None:
        """Secrets are not for a terminal."""

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        size = f"{length} byte{'s' if length != 1 else ''}"
        if content_type == ContentType.change_cipher_spec:
            self._arrow(sent, "change_cipher_spec", f"appendix E.4, {size}, {EPOCHS[Epoch.INITIAL]}", Epoch.INITIAL)
            self._say("3", "means nothing: it makes this look like TLS 1.2 to what sits in between")
        else:
            self._arrow(sent, ContentType(content_type).name, f"section 5.2, {size}, {EPOCHS[epoch]}", epoch)

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        try:
            name = AlertDescription(description).name
        except ValueError:
            name = f"{int(description)}, which has no name here"
        closes = description in (AlertDescription.close_notify, AlertDescription.user_canceled)
        section, epoch = ("6.1" if closes else "6.2"), self._epochs[sent]
        codes = "1" if closes else "1;31"
        self._arrow(sent, f"alert {name}", f"section {section}, {EPOCHS[epoch]}", epoch, codes)
        if description == AlertDescription.close_notify:
            self._say("3", f"nothing more will come from the {self._who(sent)}")
        elif not closes:
            self._say("31", f"the {self._who(sent)} ends the connection")

    def verified(self, chain: Sequence[X509]) -> None:
        names = " <- ".join(describe(certificate) for certificate in chain)
        self._change("32", f"chain verified: {names}, a trust anchor")

    # --- layout -----------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A paragraph of the narrator's own, from one side of the page to the other."""
        if self._lanes_open:
            self._row([])
        for line in wrap(printable(text), WIDTH):
            self._stream.write(self._paint("36", line) + "\n")
        if self._lanes_open:
            self._row([])

    def finish(self) -> None:
        """Close the page: what follows is not part of the account."""
        self._lanes_open = False
        self._stream.write("\n")

    def _who(self, sent: bool) -> str:
        return "client" if sent == self._is_client else "server"

    def _open_lanes(self) -> None:
        if not self._lanes_open:
            self._lanes_open = True
            self._stream.write(f"{'':{TIME_WIDTH - 3}}{self._paint('1', 'client'):6}")
            self._stream.write(f"{'':{LANE - 7}}{self._paint('1', 'server'):6}\n")

    def _arrow(self, sent: bool, name: str, about: str, epoch: Epoch, codes: str = "1") -> None:
        """One line across, from the sender to the receiver: `-` is in the clear, `=` is encrypted."""
        self._open_lanes()
        now = time.perf_counter()
        self._began = now if self._began is None else self._began
        to_server = self._who(sent) == "client"
        stroke, colour = ("-" if epoch is Epoch.INITIAL else "="), ("34" if to_server else "35")
        tail, head = (stroke * 4, f"{stroke * 3}>") if to_server else (f"<{stroke * 3}", stroke * 4)
        between = stroke * (LANE - len(tail) - len(head) - len(name) - len(about) - 4)
        parts = [(colour, tail), ("", " "), (codes, name), ("", " "), (colour, between), ("", f" {about} ")]
        self._row([*parts, (colour, head)], f"{(now - self._began) * 1000:7.1f} ms")

    def _say(self, codes: str, text: str) -> None:
        for line in wrap(printable(text), LANE - 10):
            self._row([("", " " * 5), (codes, line)])

    def _change(self, codes: str, text: str) -> None:
        """What happens on one side, between two messages."""
        self._open_lanes()
        for number, line in enumerate(wrap(printable(text), LANE - 4)):
            self._row([(codes, "*** " if not number else "    "), (codes, line)])

    def _field(self, label: str, value: str) -> None:
        for number, line in enumerate(wrap(printable(value), LANE - 9 - LABEL_WIDTH)):
            self._row([("", " " * 7), ("2", f"{'' if number else label:{LABEL_WIDTH}}"), ("", line)])

    def _row(self, parts: Sequence[Part], when: str = "") -> None:
        """One line between the two lanes."""
        text = "".join(self._paint(codes, part) for codes, part in parts)
        room = LANE - sum(len(part) for _, part in parts)
        self._stream.write(f"{when:{TIME_WIDTH}}|{text}{' ' * room}|\n")


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
        fields.append(("supported_versions", f"{_list(versions.versions)}: the field legacy_version still says 1.2"))
    if groups is not None:
        fields.append(("supported_groups", _list(groups.named_group_list, 8)))
    if shares is not None:
        entries = [f"{entry.group} ({len(entry.key_exchange)} bytes)" for entry in shares.client_shares]
        fields.append(("key_share", f"{_list(entries) or 'none'}: public halves of fresh keys"))
    if schemes is not None:
        fields.append(("signature_algorithms", _list(schemes.supported_signature_algorithms, 4)))
    if alpn is not None:
        fields.append(("ALPN", _list([name.decode("ascii", "replace") for name in alpn.protocol_name_list])))
    if hello.get(Cookie) is not None:
        fields.append(("cookie", "what the HelloRetryRequest asked to be returned"))
    return fields


def _server_hello(message: HandshakeMessage) -> Fields:
    if not isinstance(message, ServerHello):
        return []
    extensions = message.extensions
    fields = [("cipher_suite", str(message.cipher_suite))]
    version = extensions.get(SelectedVersion)
    if version is not None:
        fields.append(("supported_versions", str(version.selected_version)))
    share, selected = extensions.get(KeyShareServerHello), extensions.get(KeyShareHelloRetryRequest)
    if share is not None:
        entry = share.server_share
        fields.append(("key_share", f"{entry.group} ({len(entry.key_exchange)} bytes): now both have the secret"))
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
        return [("ALPN", _list([name.decode("ascii", "replace") for name in alpn.protocol_name_list]))]
    return []


def _certificate(message: HandshakeMessage) -> Fields:
    if not isinstance(message, Certificate):
        return []
    fields = [field for number, entry in enumerate(message.certificate_list) for field in _entry(number, entry)]
    return fields or [("certificate_list", "empty: no certificate to show")]


def _entry(number: int, entry: CertificateEntry) -> Fields:
    from cryptography import x509

    label = f"certificate {number}"
    try:
        certificate = x509.load_der_x509_certificate(entry.cert_data)
        names, until = certificate_names(certificate), f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        issuer = certificate.issuer.rfc4514_string()
    except (*UNREADABLE, TLSError):
        return [(label, f"{len(entry.cert_data)} bytes that cannot be read")]
    holds = [(label, f"{describe(certificate)}, signed by {issuer}, valid until {until}")]
    return [*holds, ("subjectAltName", _list(names))] if names else holds


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
