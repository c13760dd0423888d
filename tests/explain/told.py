"""A small Story by hand: what a page is made of, without a connection. Its words are as hostile as a peer's can be."""

from __future__ import annotations

EVIL = "</script><script>document.title='taken'</script><!--<img src=x onerror=\"document.title='taken'\">"


class Told:
    """What page() asks of a Story."""

    def __init__(self, story: dict) -> None:
        self.story = story

    def to_json(self) -> dict:
        return self.story


def field(name: str, start: int, end: int, value: str = "", fields: tuple = (), type: str = "opaque") -> dict:
    return {
        "name": name,
        "start": start,
        "end": end,
        "type": type,
        "value": value,
        "meaning": f"what {name} is for",
        "section": "RFC 9846, 4.2.2",
        "fields": list(fields),
    }


def extension(number: int, start: int, name: str, size: int) -> dict:
    kids = (
        field("extension_type", start, start + 2, name),
        field("length", start + 2, start + 4, str(size)),
        field("extension_data", start + 4, start + 4 + size, f"{size} bytes"),
    )
    return field(f"[{number}]", start, start + 4 + size, name, kids, "struct Extension")


def hello(*extensions: tuple[str, bytes], random: bytes = bytes(32)) -> tuple[bytes, dict]:
    """A message with these extensions: its bytes and its fields."""
    data, found = b"\x01" + random, []
    for name, body in extensions:
        found.append(extension(len(found), len(data), name, len(body)))
        data += (sum(name.encode()) % 65536).to_bytes(2) + len(body).to_bytes(2) + body
    vector = field("extensions", 33, len(data), f"{len(found)} extensions", tuple(found))
    fields = (field("msg_type", 0, 1, "client_hello"), field("random", 1, 33, "32 bytes"), vector)
    return data, field("ClientHello", 0, len(data), "", fields)


def step(id: int, name: str, **change: object) -> dict:
    data, fields = hello(("server_name", b"a.example"), ("key_share", bytes(36)))
    return {
        "id": id,
        "kind": "message",
        "to_server": True,
        "time_ms": 1.5 * id,
        "round_trip": 1,
        "name": name,
        "section": "4.2.2",
        "purpose": f"what {name} is for",
        "epoch": "initial",
        "records": [id],
        "length": len(data),
        "summary": [["server name", EVIL]],
        "bytes": data.hex(),
        "fields": fields,
        "client_knows": [f"{EVIL} at {name}"],
        "server_knows": [],
        "wire_sees": [f"the size of {name}"],
        "keys": ["early"],
        "transcript_hash": "ab" * 32,
    } | change


def record(id: int, data: bytes = bytes(21), **change: object) -> dict:
    return {
        "id": id,
        "to_server": True,
        "time_ms": 1.5 * id,
        "bytes": data.hex(),
        "fields": field("TLSPlaintext", 0, len(data), "", (field("header", 0, 5), field("fragment", 5, len(data)))),
        "protection": None,
    } | change


def protection(inner: bytes, **change: object) -> dict:
    return {
        "opened": True,
        "epoch": "application",
        "sequence": 258,
        "key_node": "early",
        "iv_node": "early",
        "key": "01" * 16,
        "iv": "02" * 12,
        "nonce": "02" * 10 + "0300",
        "additional_data": "1703030011",
        "ciphertext": "cc" * len(inner),
        "tag": "dd" * 16,
        "inner": inner.hex(),
        "inner_fields": field("TLSInnerPlaintext", 0, len(inner), "", (
            field("content", 0, len(inner) - 1), field("type", len(inner) - 1, len(inner)))),
        "python": "print('nonce')",
    } | change  # fmt: skip


def node(id: str, name: str, *inputs: str, **change: object) -> dict:
    return {
        "id": id,
        "name": name,
        "kind": "extract" if inputs else "input",
        "inputs": list(inputs),
        "label": "",
        "rfc": "HKDF-Extract(0, PSK)",
        "section": "7.1",
        "meaning": f"what {name} is",
        "value": "5e" * 32,
        "why_unknown": None,
        "transcript_hash": None,
        "step": 0,
        "python": f"print('{name}')",
        "shell": "openssl kdf",
    } | change


def certificate(signed_by: int | None, **change: object) -> dict:
    return {
        "subject": f"CN={EVIL}",
        "issuer": "CN=a CA",
        "names": ["a.example", EVIL],
        "not_before": "2026-01-01",
        "not_after": "2027-01-01",
        "key": "ECDSA, secp256r1",
        "signature": "ecdsa-with-SHA256",
        "serial": "0badcafe",
        "role": "end-entity",
        "signed_by": signed_by,
        "checks": [["host name", "a.example is among its names"]],
        "bytes": "30820100",
        "fields": field("Certificate", 0, 4, "", (field("tag", 0, 1), field("rest", 1, 4))),
        "shell": "openssl x509",
    } | change


def story(**change: object) -> dict:
    """A whole Story, with a hostile word wherever a peer chooses one."""
    data = b"GET / HTTP/1.1"
    return {
        "version": 1,
        "title": f"a handshake with {EVIL}",
        "source": "by hand",
        "client": "192.0.2.1:51234",
        "server": "192.0.2.2:443",
        "redacted": False,
        "variant": ["1-RTT"],
        "negotiated": {"cipher_suite": "TLS_AES_128_GCM_SHA256", "server_name": EVIL, "alpn": None},
        "outcome": {"kind": "completed", "text": "it was completed"},
        "steps": [
            step(0, "ClientHello"),
            step(1, "ServerHello", to_server=False),
            step(2, "handshake keys", kind="keys", to_server=False, records=[], bytes="", fields=None, length=0),
            step(3, "application_data", kind="application_data", epoch="application", bytes=data.hex(),
                 length=len(data), fields=field("data", 0, len(data), EVIL), round_trip=2),
            step(4, "alert", kind="alert", epoch="application", bytes="0100", length=2,
                 fields=field("Alert", 0, 2, "close_notify", (field("level", 0, 1), field("description", 1, 2)))),
        ],
        "records": [
            record(0),
            record(1),
            record(3, data + bytes(22), protection=protection(data + b"\x17")),
            record(4, protection={"opened": False, "why": f"no key for it: {EVIL}"}),
        ],
        "schedule": [
            node("zero", "0"),
            node("psk", "PSK", value=None, why_unknown="the key log has none"),
            node("early", "Early Secret", "zero", "psk"),
        ],
        "chain": [certificate(1), certificate(None, role="trust anchor")],
        "lessons": [{"id": "pfs", "title": "Forward secrecy", "text": [EVIL], "shown": [["opened", "0 of 2"]],
                     "python": "print(1)"}],
        "network": {"times_ms": {"dns": 1.0, "tcp": 2.0, "tls": 3.0}, "rows": [["MSS", "1448", EVIL]],
                    "verdicts": [["loss", "no"]], "tcp_info": {"rtt": 1.2}},
    } | change  # fmt: skip
