"""The ssl-shaped face and the standard library's `ssl` understand each other, in both roles, over sockets and BIOs."""

from __future__ import annotations

import inspect
import os
import ssl

import pytest

import tls13
from tests.stdlib.face import (
    HOST,
    BioEnd,
    bio_pair,
    carry,
    client_context,
    connected,
    demand_certificates,
    echo,
    every_pair,
    exchange,
    load,
    server_context,
    somebody,
)


@every_pair
def test_both_say_the_same_of_a_connection(client, server, tmp_path) -> None:
    seen = {}
    with connected(
        client_context(client), server_context(server, tmp_path), lambda tls: (seen.update(there=facts(tls)), echo(tls))
    ) as tls:
        assert exchange(tls) == b"ping"
        here = facts(tls)
        assert tls.getpeercert()["subjectAltName"] == (("DNS", HOST), ("IP Address", "127.0.0.1"))
        assert ssl.DER_cert_to_PEM_cert(tls.getpeercert(True)).startswith("-----BEGIN")
        tls.unwrap()
    assert here == seen["there"]
    assert here[0] == "TLSv1.3"


def facts(tls) -> tuple:
    return tls.version(), tls.cipher(), tls.compression(), tls.selected_alpn_protocol(), tls.pending()


def test_the_dict_of_a_certificate_is_the_same_through_a_connection(tmp_path) -> None:
    found = []
    for client in ("ssl", "tls13"):
        with connected(client_context(client), server_context("ssl", tmp_path)) as tls:
            found.append(tls.getpeercert())
            tls.unwrap()
    assert found[0] == found[1]


@every_pair
@pytest.mark.parametrize("size", [0, 1, 2**14, 2**14 + 1, 2**20])
def test_data_of_every_size_comes_back(client, server, size, tmp_path) -> None:
    data = os.urandom(size)
    with connected(client_context(client), server_context(server, tmp_path)) as tls:
        received = b"".join(exchange(tls, data[at : at + 2**16]) for at in range(0, size, 2**16))
        assert received == data
        tls.unwrap()


@every_pair
def test_memory_bios(client, server, tmp_path) -> None:
    one, other = bio_pair(client_context(client), server_context(server, tmp_path))
    assert one.tls.write(b"x" * 100_000) == 100_000  # all of it, as trio and anyio expect
    carry(one, other)
    received = b""
    while len(received) < 100_000:
        received += other.tls.read(2**16)
    assert other.attempt("read") is None
    assert one.attempt("unwrap") is None
    carry(one, other)
    assert other.tls.read() == b""  # close_notify is no exception: start_tls would break
    other.tls.unwrap()
    carry(one, other)
    one.tls.unwrap()


@pytest.mark.requirement("D29")
@every_pair
@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [(["h2", "http/1.1"], ["http/1.1"], "http/1.1"), (["h2"], ["http/1.1"], None), ([], ["h2"], None)],
)
def test_alpn_agrees_or_goes_on_without(client, server, ours, theirs, agreed, tmp_path) -> None:
    one, other = client_context(client), server_context(server, tmp_path)
    if ours:
        one.set_alpn_protocols(ours)
    other.set_alpn_protocols(theirs)
    with connected(one, other) as tls:
        assert tls.selected_alpn_protocol() == agreed
        tls.unwrap()


@every_pair
def test_a_session_is_resumed(client, server, tmp_path) -> None:
    one, other = client_context(client), server_context(server, tmp_path)
    with connected(one, other) as tls:
        assert tls.session_reused is False
        exchange(tls)  # the tickets come with what is read
        session = tls.session
        assert session.has_ticket
        assert session.timeout > 0
        tls.unwrap()
    with connected(one, other, session=session) as tls:
        assert tls.session_reused is True
        assert tls.getpeercert()["subject"]
        tls.unwrap()


@every_pair
def test_client_certificates(client, server, tmp_path) -> None:
    one, other = client_context(client), server_context(server, tmp_path)
    load(one, somebody(), tmp_path)
    demand_certificates(other)
    seen = []
    with connected(one, other, lambda tls: (seen.append(tls.getpeercert()), echo(tls))) as tls:
        exchange(tls)
        tls.unwrap()
    assert seen[0]["subject"] == ((("commonName", "somebody"),),)


@every_pair
@pytest.mark.parametrize("has_one", [True, False])
def test_a_certificate_after_the_handshake(client, server, has_one, tmp_path) -> None:
    one, other = client_context(client), server_context(server, tmp_path)
    demand_certificates(other)
    other.verify_mode = ssl.CERT_OPTIONAL
    one.post_handshake_auth = other.post_handshake_auth = True
    if has_one:
        load(one, somebody(), tmp_path)

    def talk(tls) -> list:
        known = [tls.getpeercert()]
        tls.recv(4)
        tls.verify_client_post_handshake()
        tls.sendall(b"pong")
        tls.recv(4)
        return [*known, tls.getpeercert()]

    answers = []
    with connected(one, other, lambda tls: answers.extend(talk(tls))) as tls:
        assert exchange(tls) == b"pong"
        tls.sendall(b"more")
    assert answers[0] is None
    assert (answers[1]["subject"] if has_one else answers[1]) == (((("commonName", "somebody"),),) if has_one else None)


@pytest.mark.parametrize("other", ["ssl", "tls13"])
def test_a_client_closes_its_side_and_goes_on_reading(other, tmp_path) -> None:
    """Section 6.1: close_notify closes one direction only."""

    def talk(tls) -> None:
        assert tls.recv(4) == b"last"
        assert tls.recv(4) == b""
        tls.sendall(b"y" * 100_000)
        if other == "tls13":
            tls.close_writing()
        else:
            tls.unwrap()

    with connected(client_context("tls13"), server_context(other, tmp_path), talk) as tls:
        tls.sendall(b"last")
        tls.close_writing()
        received = 0
        while more := tls.recv(2**16):
            received += len(more)
        assert received == 100_000
        with pytest.raises(ssl.SSLError, match="PROTOCOL_IS_SHUTDOWN"):  # as of `ssl` after unwrap
            tls.send(b"more")


@pytest.mark.parametrize("other", ["ssl", "tls13"])
def test_a_server_closes_its_side_and_goes_on_reading(other, tmp_path) -> None:
    received = []

    def talk(tls) -> None:
        tls.sendall(b"last")
        tls.close_writing()
        while more := tls.recv(2**16):
            received.append(more)

    with connected(client_context(other), server_context("tls13", tmp_path), talk) as tls:
        assert tls.recv(4) == b"last"
        assert tls.recv(4) == b""
        tls.sendall(b"y" * 100_000)
        tls.unwrap()
    assert b"".join(received) == b"y" * 100_000


@every_pair
def test_what_follows_unwrap_is_not_taken(client, server, tmp_path) -> None:
    """STARTTLS's way back: plain bytes that come in one piece with close_notify belong to the program."""
    one, other = bio_pair(client_context(client), server_context(server, tmp_path))
    other.attempt("unwrap")
    one.incoming.write(other.outgoing.read() + b"220 plain again")
    one.attempt("read")
    one.attempt("unwrap")
    assert one.incoming.read() == b"220 plain again"


@every_pair
def test_records_are_taken_one_at_a_time(client, server, tmp_path) -> None:
    """uvloop looks at `incoming.pending` and `pending()`, others select a descriptor: nothing whole is kept between."""
    one, other = bio_pair(client_context(client), server_context(server, tmp_path))
    carry(one, other)
    one.attempt("read")
    for text in (b"first", b"second"):
        other.tls.write(text)
    both = other.outgoing.read()
    one.incoming.write(both)
    assert one.tls.read(2**16) == b"first"
    assert one.tls.pending() == 0
    assert one.incoming.pending == 5 + len(b"second") + 17
    assert one.tls.read(3) == b"sec"
    assert one.tls.pending() == 3
    assert one.incoming.pending == 0


@every_pair
def test_data_that_comes_with_the_handshakes_end_is_the_programs(client, server, tmp_path) -> None:
    one = BioEnd(client_context(client), server_hostname=HOST)
    other = BioEnd(server_context(server, tmp_path), server_side=True)
    one.attempt("do_handshake")
    other.incoming.write(one.outgoing.read())
    other.attempt("do_handshake")
    one.incoming.write(other.outgoing.read())
    one.tls.do_handshake()
    one.tls.write(b"early")
    other.incoming.write(one.outgoing.read())
    other.tls.do_handshake()
    assert other.tls.read() == b"early"


@every_pair
def test_recv_into_and_the_rest_of_a_record(client, server, tmp_path) -> None:
    with connected(client_context(client), server_context(server, tmp_path)) as tls:
        tls.sendall(b"0123456789")
        buffer = bytearray(4)
        assert tls.recv_into(buffer) == 4
        assert buffer == b"0123"
        assert tls.pending() == 6
        assert tls.recv_into(memoryview(buffer)[1:], 2) == 2
        assert buffer == b"0453"
        assert tls.recv(100) == b"6789"
        tls.unwrap()


def test_the_hooks_are_there_in_this_python() -> None:
    """`_wrap_socket` and `_wrap_bio` are private to CPython: a version without them must be noticed here."""
    for name in ("_wrap_socket", "_wrap_bio"):
        assert callable(getattr(ssl.SSLContext, name))
    called = inspect.getsource(ssl.SSLSocket._create) + inspect.getsource(ssl.SSLObject._create)
    assert "_wrap_socket(" in called
    assert "_wrap_bio(" in called
    assert issubclass(tls13.SSLContext, ssl.SSLContext)
