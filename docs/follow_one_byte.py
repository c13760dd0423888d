"""docs/follow-one-byte.md: where one byte of application data goes, and what it looks like there.

    python -m docs.follow_one_byte

Nobody wrote down the way: tracing.py watches a real client and a real server carry the byte. So that the page is the
same each time, nothing in their handshake is left to chance: the two share a key (psk_ke, which has no key exchange
and no certificate), and their randoms count up.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tls13 import CipherSuite, ClientConfig, ClientConnection, ExternalPsk, NamedGroup, PskKeyExchangeMode, ServerConfig
from tls13 import ServerConnection as Server
from tls13.io.memory import pump

from .drawing import Drawing
from .tracing import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .tracing import Call

HERE = Path(__file__).parent
BYTE = b"x"


def counting() -> Callable[[int], bytes]:
    """Bytes that only look random to who expects them: never for anything but a page like this."""
    numbers = count(1)
    return lambda length: bytes([next(numbers)]) * length


def pair(key_log: Callable[[str], None]) -> tuple[ClientConnection, Server]:
    """A client and a server that have just finished their handshake, the same one every time."""
    psks = [ExternalPsk(b"one byte", bytes(range(32)))]
    modes, suites = [PskKeyExchangeMode.psk_ke], [CipherSuite.TLS_AES_128_GCM_SHA256]
    client = ClientConnection(
        ClientConfig(
            psks=psks,
            require_psk=True,
            psk_key_exchange_modes=modes,
            cipher_suites=suites,
            groups=[NamedGroup.x25519],
            key_share_source=lambda group: group.from_private(bytes(range(32))),
            random=counting(),
            clock=lambda: 0.0,
            key_log=key_log,
        ),
        server_hostname=None,
    )
    server = Server(
        ServerConfig(
            None,
            psks=psks,
            psk_key_exchange_modes=modes,
            cipher_suites=suites,
            random=counting(),
            clock=lambda: 0.0,
            tickets=None,
        )
    )
    pump(client, server)
    return client, server


class Journey:
    """One byte, sent and received."""

    def __init__(self) -> None:
        lines: list[str] = []
        client, server = pair(lines.append)
        with Watch() as sending:
            client.send_data(BYTE)
            self.record = client.data_to_send()
        with Watch() as receiving:
            server.receive_data(self.record)
            self.event = server.next_event()
        self.sending, self.receiving = sending.calls, receiving.calls
        self.secret = next(line.split()[2] for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_0"))


# --- the page --------------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# Follow one byte

<!-- made by `python -m docs.follow_one_byte`, by tracing the code; do not edit -->

A client and a server have finished their handshake. The client's program calls `send_data(b"x")`, and a moment later
the server's program has `ApplicationData(data=b"x")`. Between the two the byte passes through {count} functions of this
library, and through the network as {length} bytes. Here they are, in order, each with the lines that changed any bytes
and what the bytes were then (in hexadecimal: `x` is `78`).

![One byte becomes a record](follow-one-byte.svg)

The page is made by watching the code run (`docs/tracing.py`). The handshake before it is fixed, so that you can get
the same numbers: `python -m docs.follow_one_byte` writes this file again.
"""

NOTES = {
    "Connection.send_data": """\
The way in. Nothing is sent here: this library does no I/O, so the record waits until somebody asks for it.""",
    "RecordWriter.protect": """\
A record holds at most 2^14 bytes of content (section 5.1). One byte fits; what does not is cut into several.

Sections 5.2 and 5.3. The `17` behind the content is its real type, application_data (23), and is encrypted with it. The
header says 23 too, whatever is inside; then 0x0303, which was TLS 1.2; then how many bytes follow. The AEAD takes the
header as additional data, so that nobody can change it, and as nonce the record's number, mixed into the iv.""",
    "Connection.data_to_send": """\
What is ready goes to the caller, who puts it on a socket.""",
    "Connection.receive_data": """\
The other side. However the network has cut the stream, the bytes are only kept here.""",
    "Connection.next_event": """\
Now the work is done, one record at a time, so that the connection is never ahead of what its user has seen.""",
    "RecordReader.next_record": """\
The header's five bytes say where the record ends; one that is too long is refused before it is waited for (5.2).""",
    "RecordReader._open_ciphertext": """\
The same key, nonce and header: if one bit differs, `decrypt` raises InvalidTag, and the connection ends with
bad_record_mac. Seen from the end, the first byte that is not zero is the type (section 5.4); zeros are padding.""",
    "Engine.receive_application_data": """\
What was 23 bytes is one again, and becomes an event. It would not before the peer's Finished, or in the middle of the
peer's answer to a CertificateRequest.""",
}
"""What the code's own docstrings do not say."""

BY_HAND = """
## The same by hand

The record again, with the standard library's HMAC and one call of the AEAD. The key log of this connection gives the
secret; two labels make key and iv of it (section 7.3); the record's number is 0, because it is the first under these
keys.

```python
import hashlib, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

secret = bytes.fromhex("{secret}")

def expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    info = length.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\\0"
    return hmac.digest(secret, info + b"\\1", hashlib.sha256)[:length]

key, iv = expand_label(secret, b"key", 16), expand_label(secret, b"iv", 12)
nonce = (int.from_bytes(iv, "big") ^ 0).to_bytes(12, "big")
header = bytes.fromhex("1703030012")
print((header + AESGCM(key).encrypt(nonce, b"x" + b"\\x17", header)).hex())
```

```text
{record}
```
"""


def spaced(value: bytes) -> str:
    return value.hex(" ") or "(empty)"


def page(journey: Journey) -> str:
    calls = [*journey.sending, *journey.receiving]
    parts = [INTRODUCTION.format(count=len(calls), length=len(journey.record))]
    parts.append("\n## The client\n")
    parts += [told(number, call) for number, call in enumerate(journey.sending, 1)]
    parts.append(f"\n## The wire\n\n`{spaced(journey.record)}`\n\n")
    parts.append("This is all that anybody in between sees: that somebody sent something short.\n\n## The server\n")
    parts += [told(number, call) for number, call in enumerate(journey.receiving, len(journey.sending) + 1)]
    parts.append(f"\nAnd that is the event: `{journey.event}`.\n")
    parts.append(BY_HAND.format(secret=journey.secret, record=journey.record.hex()))
    return "".join(parts)


def told(number: int, call: Call) -> str:
    """One function: where it is, what it is for, what it was given, what it did."""
    parts = [f"\n### {number}. `{call.name}`\n\n"]
    caller = "called by the program" if not call.depth else f"{call.depth} call{'s'[: call.depth - 1]} deep"
    parts.append(f"[tls13/{call.path}:{call.line}](../tls13/{call.path}#L{call.line}), {caller}.")
    if call.says:
        parts.append(f" Its docstring: *{call.says}*")
    if call.name in NOTES:
        parts.append(f"\n\n{NOTES[call.name]}")
    given = [(name, value) for name, value in call.given.items() if value]
    rows = [("given", name, value) for name, value in given]
    rows += [(f"`{line.source}`", name, value) for line in call.lines for name, value in line.changed.items()]
    if call.returned is not None:
        rows.append(("returns", "", call.returned))
    if rows:
        parts.append("\n\n| | | bytes |\n|---|---|---|\n")
        parts += [
            f"| {what.replace('|', chr(92) + '|')} | {name and f'`{name}`'} | `{spaced(value)}` |\n"
            for what, name, value in rows
        ]
    else:
        parts.append("\n")
    return "".join(parts)


# --- the picture -----------------------------------------------------------------------------------------------------


def local(calls: Sequence[Call], name: str) -> bytes:
    """What this variable held where it was first set."""
    return next(line.changed[name] for call in calls for line in call.lines if name in line.changed)


def draw(journey: Journey) -> str:
    inner, header, sealed = (local(journey.sending, name) for name in ("inner", "header", "sealed"))
    sheet = Drawing(760, 250, "One byte becomes a record: content and type are sealed, the header stays readable")
    sheet.text(20, 38, "send_data", kind="title")
    sheet.box(200, 18, 60, 30, [spaced(BYTE)], "clear")
    sheet.text(20, 108, "content and type", kind="title")
    sheet.box(200, 88, 60, 30, [spaced(inner[:1])], "clear")
    sheet.box(260, 88, 60, 30, [spaced(inner[1:])], "clear")
    sheet.text(330, 108, "application_data (23)", kind="note")
    sheet.arrow((230, 48), (230, 88))
    sheet.text(20, 198, "the record", kind="title")
    sheet.box(20, 210, 170, 30, [spaced(header)], "box")
    sheet.box(190, 210, 70, 30, [spaced(sealed[: len(inner)])], "secret")
    sheet.box(260, 210, 410, 30, [spaced(sealed[len(inner) :])], "secret")
    sheet.arrow((230, 118), (230, 210))
    sheet.lines(245, 150, ["AEAD: key, nonce = iv xor record number,", "the header as additional data"], kind="note")
    sheet.text(270, 200, "the tag: 16 bytes", kind="note")
    return sheet.svg()


def made() -> dict[Path, str]:
    """Both files as they should be."""
    journey = Journey()
    return {HERE / "follow-one-byte.md": page(journey), HERE / "follow-one-byte.svg": draw(journey)}


def main() -> None:
    for path, text in made().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
