"""A connection of an older version, by the standard library's OpenSSL: what is said of it is true, and little."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tls13 import ClientConfig, ClientConnection, TLSError
from tls13.explain.capture import Capture, Segment
from tls13.explain.dissect import dissect
from tls13.explain.telling import tell
from tls13.lab.authority import Authority
from tls13.wire.registry import ContentType

HOST = "server.example"
OFFERS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
"""The highest version that the client offers; the server can do 1.2 only."""


class Road:
    """Two memory BIOs, and what went over them."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.bios = {True: ssl.MemoryBIO(), False: ssl.MemoryBIO()}
        self.outs = {True: ssl.MemoryBIO(), False: ssl.MemoryBIO()}

    def carry(self) -> None:
        for to_server, out in self.outs.items():
            if data := out.read():
                self.segments.append(Segment(to_server, len(self.segments) / 1000, data))
                self.bios[to_server].write(data)

    def capture(self) -> Capture:
        return Capture(self.segments, {}, "the standard library", "client", "server", [], None, [])


def server_context() -> ssl.SSLContext:
    issued = Authority.create(now=datetime.now(UTC)).issue([HOST])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(issued.pem_key + issued.pem_chain)
        context.load_cert_chain(file)
    return context


@cache
def captured(highest: ssl.TLSVersion) -> Capture:
    """Handshake, a question, an answer, and the end on both sides."""
    context, road = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Road()
    context.check_hostname, context.verify_mode, context.maximum_version = False, ssl.CERT_NONE, highest
    client = context.wrap_bio(road.bios[False], road.outs[True], server_hostname=HOST)
    server = server_context().wrap_bio(road.bios[True], road.outs[False], server_side=True)
    done = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
            road.carry()
    assert client.version() == "TLSv1.2"
    for one, other in ((client, server), (server, client)):
        one.write(b"a question or an answer")
        road.carry()
        assert other.read() == b"a question or an answer"
    for side in (client, server):
        with suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            side.unwrap()
        road.carry()
    return road.capture()


@pytest.mark.parametrize("highest", OFFERS)
def test_it_is_called_what_it_is(highest) -> None:
    told = tell(captured(highest))
    assert told.variant == ("older version",)
    assert told.outcome["text"] == "the server chose an older version, which is not read here"
    assert told.negotiated["server_name"] == (HOST if highest is ssl.TLSVersion.TLSv1_3 else None)
    assert (told.chain, told.schedule, told.lessons) == ([], [], [])


@pytest.mark.parametrize("highest", OFFERS)
def test_after_the_hellos_there_are_records_with_a_type_and_a_length(highest) -> None:
    """Not one of them is called a message, and nothing is said of what is in it."""
    told = tell(captured(highest))
    hellos, rest = told.steps[:2], told.steps[2:]
    assert [one.name for one in hellos] == ["ClientHello", "ServerHello"]
    for one in rest:
        (record,) = one.records
        raw = told.records[record].bytes
        assert one.name == f"{ContentType(raw[0]).name} record"
        assert one.purpose == "the server chose a version before TLS 1.3, which is not read here"
        assert one.wire_sees == (f"its type and its length: {len(raw) - 5} bytes after the header",)
        assert (one.client_knows, one.server_knows, one.summary, one.fields) == ((), (), (), None)
    kinds = {one.name.split()[0] for one in rest}
    assert kinds == {"handshake", "change_cipher_spec", "application_data", "alert"}
    shown = b"".join(one.bytes for one in told.records)
    assert len(shown) == sum(len(one.data) for one in captured(highest).segments)


@pytest.mark.parametrize("highest", OFFERS)
def test_nobody_is_said_to_refuse_a_hello_that_was_taken(highest) -> None:
    purposes = [one.purpose for one in tell(captured(highest)).steps[:2]]
    assert not any("refuse" in one or "decode" in one for one in purposes)
    assert purposes[1] == "what the server chose; it is not as TLS 1.3 wants it"


def test_what_follows_the_hello_in_its_own_record_is_not_read_either() -> None:
    """Some servers put their whole first flight into one record."""
    capture = captured(ssl.TLSVersion.TLSv1_3)
    hello, flight = capture.segments[:2]
    bodies, data = b"", flight.data
    while data:
        end = 5 + int.from_bytes(data[3:5], "big")
        bodies, data = bodies + data[5:end], data[end:]
    together = flight.data[:3] + len(bodies).to_bytes(2, "big") + bodies
    told = tell(Capture([hello, Segment(False, 0.1, together)], {}, "", "", "", [], None, []))
    assert [one.name for one in told.steps] == ["ClientHello", "ServerHello", "handshake record"]
    assert told.steps[1].bytes + told.steps[2].bytes == bodies
    assert told.outcome["text"] == "the server chose an older version, which is not read here"


def test_an_alert_in_the_clear_is_still_an_alert() -> None:
    """What our own client says to such a server; it is the outcome."""
    client = ClientConnection(ClientConfig(), server_hostname=HOST)
    hello, answer = client.data_to_send(), captured(ssl.TLSVersion.TLSv1_3).segments[1].data
    client.receive_data(answer)
    with pytest.raises(TLSError):
        list(client.events())
    flights = [(True, hello), (False, answer), (True, client.data_to_send())]
    told = tell(Capture([Segment(way, 0.0, data) for way, data in flights], {}, "", "", "", [], None, []))
    assert told.outcome == {"kind": "alert", "text": "the client ended the connection with the alert protocol_version"}
    assert told.variant == ("older version", "alert protocol_version")


def test_a_warning_of_an_older_version_does_not_end_it() -> None:
    """RFC 5246, section 7.2: after an alert of level warning the connection can go on; as unrecognized_name does."""
    capture = captured(ssl.TLSVersion.TLSv1_3)
    warning = Segment(False, 0.0, bytes.fromhex("15 0303 0002 01 70"))
    hello, *rest = capture.segments
    told = tell(Capture([hello, warning, *rest], {}, "", "", "", [], None, []))
    assert told.outcome["text"] == "the server chose an older version, which is not read here"
    (alert,) = [one for one in told.steps if one.name == "warning unrecognized_name"]
    assert alert.purpose == "a warning: before TLS 1.3 a connection may go on after it"
    assert dict(alert.summary)["level"] == "warning"


def test_no_record_of_an_older_version_is_searched_for_secrets() -> None:
    read = dissect(captured(ssl.TLSVersion.TLSv1_3))
    assert read.hellos.is_other_version
    assert {one.why for one in read.records[2:]} == {
        "the server chose a version before TLS 1.3, which is not read here"
    }
