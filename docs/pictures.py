"""docs/guide/images: the guide's pictures.

    python -m docs.pictures

Two of them, of whole handshakes, are drawn from connections that are made for it; the others explain an idea.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tls13.explain.demos import demo
from tls13.explain.telling import tell

from .drawing import Drawing

if TYPE_CHECKING:
    from tls13.explain.story import Step

IMAGES = Path(__file__).parent / "guide/images"
SHOWN = ("message", "application_data", "alert")
COLOURS = {"initial": "clear", "early": "early", "handshake": "box", "application": "secret"}
KEYS = {
    "clear": "in the clear: anybody can read it",
    "early": "early data keys: from the PSK alone",
    "box": "handshake keys",
    "secret": "application keys",
}


def ladder(variant: str, title: str) -> str:
    """The messages of a connection, as they came, in the colour of the keys that protect them."""
    steps = [step for step in tell(demo(variant)).steps if step.kind in SHOWN]
    sheet = Drawing(760, 130 + 40 * len(steps), title)
    sheet.text(90, 30, "client", anchor="middle", kind="title")
    sheet.text(670, 30, "server", anchor="middle", kind="title")
    bottom = 60 + 40 * len(steps)
    sheet.line((90, 40), (90, bottom))
    sheet.line((670, 40), (670, bottom))
    for number, step in enumerate(steps):
        _rung(sheet, 56 + 40 * number, step)
    used = {COLOURS[step.epoch] for step in steps}
    for number, kind in enumerate(kind for kind in KEYS if kind in used):
        x, y = 90 + 300 * (number % 2), bottom + 14 + 26 * (number // 2)
        sheet.box(x, y, 24, 16, [], kind)
        sheet.text(x + 32, y + 13, KEYS[kind], kind="note")
    return sheet.svg()


def _rung(sheet: Drawing, y: int, step: Step) -> None:
    start, end = (90, 670) if step.to_server else (670, 90)
    sheet.arrow((start, y + 14), (end, y + 14))
    section = step.section.removeprefix("RFC 9846, ")
    sheet.box(215, y, 330, 28, [f"{step.name}  ({section})"], COLOURS[step.epoch])


def wire() -> str:
    sheet = Drawing(760, 260, "The same request on a wire in the clear, and through TLS")
    for top, words, kind, thought in (
        (40, "to=alice&amount=10", "clear", "reads it, changes it, answers it"),
        (170, "17 03 03 00 4f 9c 02 e1 ...", "secret", "sees that something was said, and how much"),
    ):
        sheet.box(20, top, 110, 44, ["client"])
        sheet.box(630, top, 110, 44, ["server"])
        sheet.arrow((130, top + 22), (630, top + 22))
        sheet.box(255, top + 4, 250, 36, [words], kind)
        sheet.text(380, top + 62, f"whoever owns the wire {thought}", anchor="middle", kind="note")
    sheet.text(20, 25, "without TLS", kind="title")
    sheet.text(20, 155, "with TLS", kind="title")
    return sheet.svg()


def diffie_hellman() -> str:
    sheet = Drawing(760, 300, "Diffie-Hellman: each side keeps one number and sends another")
    for x, who, keeps, sends in ((20, "client", "a", "A = g^a"), (540, "server", "b", "B = g^b")):
        sheet.text(x + 100, 28, who, anchor="middle", kind="title")
        sheet.box(x, 44, 200, 36, [f"keeps {keeps}"], "secret")
        sheet.arrow((x + 100, 80), (x + 100, 110))
        sheet.box(x, 110, 200, 36, [f"sends {sends}"], "clear")
    sheet.arrow((220, 122), (540, 122))
    sheet.arrow((540, 136), (220, 136))
    sheet.text(380, 106, "the wire sees A and B", anchor="middle", kind="note")
    for x, words in ((20, "B^a = g^(ab)"), (540, "A^b = g^(ab)")):
        sheet.arrow((x + 100, 146), (x + 100, 210))
        sheet.box(x, 210, 200, 36, [words], "secret")
    sheet.lines(380, 222, ["the same number on both sides,", "and it was never sent"], anchor="middle", kind="note")
    sheet.text(380, 280, "orange: public; green: secret", anchor="middle", kind="note")
    return sheet.svg()


def key_schedule() -> str:
    sheet = Drawing(860, 500, "The key schedule: three extracts one below the other, and what is derived from each")
    stages = (
        (40, "0 or PSK", "Early Secret", ("binder_key", "client_early_traffic_secret", "early_exporter_secret")),
        (190, "(EC)DHE", "Handshake Secret", ("client_handshake_traffic_secret", "server_handshake_traffic_secret")),
        (340, "0", "Main Secret", MAIN),
    )
    for top, given, name, derived in stages:
        sheet.text(20, top + 25, given)
        sheet.arrow((95, top + 20), (150, top + 20))
        sheet.box(150, top, 190, 40, [name, "HKDF-Extract"], "secret")
        for number, secret in enumerate(derived):
            y = top + 20 + 26 * number
            sheet.arrow((340, top + 20), (370, top + 20), (370, y), (400, y))
            sheet.text(410, y + 5, secret)
        if top < 340:
            sheet.arrow((245, top + 40), (245, top + 150))
            sheet.text(235, top + 100, '"derived"', anchor="end", kind="note")
    sheet.lines(
        20,
        487,
        ["Each arrow to the right is Derive-Secret: a label, and the hash of the messages so far."],
        kind="note",
    )
    return sheet.svg()


MAIN = (
    "client_application_traffic_secret_0",
    "server_application_traffic_secret_0",
    "exporter_secret",
    "resumption_secret",
)


def who_are_you() -> str:
    sheet = Drawing(840, 300, "The certificate binds a name to a key, CertificateVerify the key to this handshake")
    sheet.text(110, 28, "Certificate", anchor="middle", kind="title")
    for top, words in (
        (44, ["our root", "in the trust store"]),
        (134, ["our intermediate"]),
        (224, ["shop.example", "public key"]),
    ):
        sheet.box(20, top, 180, 48, words, "secret" if top == 44 else "box")
        if top < 224:
            sheet.arrow((110, top + 48), (110, top + 90))
            sheet.text(120, top + 74, "signed", kind="note")
    sheet.text(590, 28, "CertificateVerify", anchor="middle", kind="title")
    sheet.box(430, 44, 340, 64, ["ClientHello, ServerHello,", "EncryptedExtensions, Certificate"], "box")
    sheet.arrow((600, 108), (600, 150))
    sheet.text(610, 134, "hash", kind="note")
    sheet.box(490, 150, 220, 34, ["the transcript so far"], "box")
    sheet.arrow((600, 184), (600, 230))
    sheet.text(610, 212, "signed with the private key", kind="note")
    sheet.box(490, 230, 220, 34, ["signature"], "secret")
    sheet.arrow((200, 248), (490, 248), dashed=True)
    sheet.text(340, 240, "checked with this key", anchor="middle", kind="note")
    return sheet.svg()


def two_transcripts() -> str:
    sheet = Drawing(
        820, 270, "Whoever changes a ClientHello gives the two sides different transcripts, so different keys"
    )
    for x, who, offer, digest in (
        (20, "the client sends", "X25519MLKEM768, x25519", "hash: 5f3a..."),
        (570, "the server gets", "x25519", "hash: c81e..."),
    ):
        sheet.text(x + 115, 28, who, anchor="middle", kind="title")
        sheet.box(x, 44, 230, 36, [offer], "clear")
        sheet.arrow((x + 115, 80), (x + 115, 118))
        sheet.box(x, 118, 230, 36, [digest], "box")
        sheet.arrow((x + 115, 154), (x + 115, 192))
        sheet.box(x, 192, 230, 36, ["handshake keys"], "secret")
    sheet.arrow((250, 62), (570, 62))
    sheet.lines(410, 48, ["somebody in between", "", "strikes out a group"], anchor="middle", kind="note")
    sheet.line((250, 210), (570, 210))
    sheet.text(410, 202, "not the same keys:", anchor="middle", kind="note")
    sheet.text(410, 232, "the first encrypted record does not open", anchor="middle", kind="note")
    return sheet.svg()


def around_the_flow() -> str:
    sheet = Drawing(820, 220, "A flow in the middle; around it the engine, the records, and the caller's bytes")
    columns = (
        (20, "your program", ["socket, asyncio,", "memory"]),
        (230, "record.py", ["bytes <-> records"]),
        (440, "engine.py", ["records <->", "messages"]),
        (650, "client.py", ["handshake()"]),
    )
    for x, name, words in columns:
        sheet.text(x + 75, 38, name, anchor="middle", kind="title")
        sheet.box(x, 54, 150, 110, words, "secret" if name == "client.py" else "box")
    for x in (170, 380, 590):
        sheet.arrow((x, 90), (x + 60, 90))
        sheet.arrow((x + 60, 130), (x, 130))
    sheet.lines(20, 190, WAY, kind="note")
    return sheet.svg()


WAY = [
    "To the right: what has been received, until a whole message resumes the generator at its yield.",
    "To the left: what the flow does through its Output, send and change keys, and what it needs next.",
]


def made() -> dict[Path, str]:
    """Every picture, by where it belongs."""
    return {
        IMAGES / "01-the-wire.svg": wire(),
        IMAGES / "02-diffie-hellman.svg": diffie_hellman(),
        IMAGES / "03-key-schedule.svg": key_schedule(),
        IMAGES / "05-who-are-you.svg": who_are_you(),
        IMAGES / "06-two-transcripts.svg": two_transcripts(),
        IMAGES / "10-around-the-flow.svg": around_the_flow(),
        IMAGES / "07-one-round-trip.svg": ladder("1-rtt", "A full handshake, in one round trip"),
        IMAGES / "08-early-data.svg": ladder("0-rtt", "Resumption with data in the first flight"),
    }


def main() -> None:
    for path, text in made().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
