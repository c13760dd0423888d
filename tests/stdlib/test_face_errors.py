"""What goes wrong is raised as `ssl` raises it: each failure is provoked twice, and the exceptions compared."""

from __future__ import annotations

import contextlib
import socket
import ssl
from datetime import UTC, datetime

import pytest

import tls13
from tests.stdlib.face import (
    HOST,
    PATIENCE,
    authority,
    bio_pair,
    carry,
    client_context,
    connected,
    demand_certificates,
    every_stack,
    exchange,
    in_thread,
    issued,
    load,
    serve,
    server_context,
    shifted,
    stranger,
    tcp_pair,
)
from tls13.errors import CertificateExpired, WrongHost
from tls13.stdlib.failures import translated

VERIFICATION = {
    "wrong host": (lambda: None, "another.example"),
    "wrong address": (lambda: None, "127.0.0.2"),
    "expired": (lambda: shifted(-60), HOST),
    "not yet valid": (lambda: shifted(60), HOST),
    "unknown authority": (stranger, HOST),
}


def refusal(stack: str, shown, host: str, folder) -> ssl.SSLError:
    """Of a client of this kind, by a server of the standard library's."""
    below, other = tcp_pair()
    ended = serve(server_context("ssl", folder, shown), other)
    with pytest.raises(ssl.SSLError) as caught:
        client_context(stack).wrap_socket(below, server_hostname=host)
    with pytest.raises(ssl.SSLError):  # it is told
        ended.result(PATIENCE)
    return caught.value


@pytest.mark.parametrize("what", VERIFICATION)
def test_a_failed_verification_has_ssls_type_code_and_words(what, tmp_path) -> None:
    make, host = VERIFICATION[what]
    shown = make()
    theirs, ours = (refusal(stack, shown, host, tmp_path) for stack in ("ssl", "tls13"))
    assert isinstance(ours, ssl.SSLCertVerificationError)
    assert isinstance(ours, ValueError)
    for name in ("verify_code", "verify_message", "reason", "library", "errno"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert str(ours).startswith(str(theirs).split(" (_ssl.c")[0])


def test_a_failed_verification_says_more(tmp_path) -> None:
    shown = shifted(-60)
    before = datetime.now(UTC)
    error = refusal("tls13", shown, HOST, tmp_path)
    assert error.peer_certificates == shown.chain
    assert error.certificate == shown.certificate
    assert before.timestamp() - 1 <= error.judged_at.timestamp() <= datetime.now(UTC).timestamp()
    assert isinstance(error.__cause__, CertificateExpired)
    assert refusal("tls13", None, "another.example", tmp_path).__cause__.__class__ is WrongHost


@pytest.mark.parametrize("what", VERIFICATION)
def test_a_failed_verification_is_a_certificate_error_in_both_worlds(what, tmp_path) -> None:
    """`except ssl.CertificateError` where ssl is tls13: a handler that does not match is passed over without a word."""
    make, host = VERIFICATION[what]
    error = refusal("tls13", make(), host, tmp_path)
    assert isinstance(error, ssl.CertificateError)
    assert isinstance(error, tls13.CertificateError)
    for name in ("alert", "section", "detail", "chain", "certificate", "judged_at"):
        assert getattr(error, name) == getattr(error.__cause__, name), name


def test_a_failed_verification_inside_a_callback_keeps_its_code(tmp_path) -> None:
    """The callback asked another server (for a CRL, say) and did not believe that one."""
    context = client_context("tls13")
    inner = translated(CertificateExpired(chain=issued().chain))

    def judge(verification) -> bool:
        raise inner

    context.set_verify_callback(judge)
    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other)
    with pytest.raises(ssl.CertificateError) as caught:
        context.wrap_socket(below, server_hostname=HOST)
    assert (caught.value.verify_code, caught.value.verify_message) == (10, "certificate has expired")
    assert caught.value.peer_certificates == issued().chain
    with pytest.raises(ssl.SSLError):
        ended.result(PATIENCE)


# --- reason and library, which every exception has -------------------------------------------------------------------


def eof_in_the_handshake(stack, folder) -> None:
    one, other = tcp_pair()
    one.close()
    with other:
        server_context(stack, folder).wrap_socket(other, server_side=True)


def ragged_end(stack, folder, what: str = "recv") -> None:
    below, other = tcp_pair()
    ended = serve(server_context("ssl", folder), other, cut_off)
    context = client_context(stack)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    with context.wrap_socket(below, server_hostname=HOST, suppress_ragged_eofs=False) as tls:
        assert tls.recv(4) == b"half"
        ended.result(PATIENCE)
        getattr(tls, what)()


def ragged_end_of_unwrap(stack, folder) -> None:
    ragged_end(stack, folder, "unwrap")


def nothing_to_read(stack, folder) -> None:
    one, _ = bio_pair(client_context(stack), server_context(stack, folder))
    while True:
        one.tls.read()


def nothing_to_read_on_a_socket(stack, folder) -> None:
    with connected(client_context(stack), server_context("ssl", folder)) as tls:
        tls.setblocking(False)
        try:
            tls.recv(1)
        finally:
            tls.setblocking(True)
            tls.unwrap()


def no_room_to_write(stack, folder) -> None:
    below, other = tcp_pair()
    below.setblocking(False)
    with other, client_context(stack).wrap_socket(below, server_hostname=HOST, do_handshake_on_connect=False) as tls:
        ended = serve(server_context("ssl", folder), other.dup(), lambda tls: None)
        tls.settimeout(PATIENCE)
        tls.do_handshake()
        ended.result(PATIENCE)
        tls.setblocking(False)
        while True:
            tls.send(bytes(2**16))


def both_closed(stack, folder, *call: object) -> None:
    one, other = bio_pair(client_context(stack), server_context(stack, folder))
    for end in (one, other, one):
        end.attempt("unwrap")
        carry(one, other)
    getattr(one.tls, str(call[0]))(*call[1:])


def read_when_both_have_closed(stack, folder) -> None:
    both_closed(stack, folder, "read", 1)


def write_when_both_have_closed(stack, folder) -> None:
    both_closed(stack, folder, "write", b"x")


def a_client_of_a_servers_context(stack, folder) -> None:
    server_context(stack, folder).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())


def a_server_of_a_clients_context(stack, folder) -> None:
    client_context(stack).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)


PROVOKED = [eof_in_the_handshake, ragged_end, ragged_end_of_unwrap, nothing_to_read, nothing_to_read_on_a_socket,
            no_room_to_write, read_when_both_have_closed, write_when_both_have_closed, a_client_of_a_servers_context,
            a_server_of_a_clients_context]  # fmt: skip


@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda provoke: provoke.__name__)
def test_an_exception_has_ssls_type_number_reason_and_library(provoke, tmp_path) -> None:
    """C always sets `reason` and `library`, if only to None; `except ssl.SSLError as error: error.reason` is common."""
    raised = []
    for stack in ("ssl", "tls13"):
        with pytest.raises(ssl.SSLError) as caught:
            provoke(stack, tmp_path)
        raised.append((type(caught.value), caught.value.errno, caught.value.reason, caught.value.library))
    assert raised[0] == raised[1]


def test_what_only_we_refuse_has_a_reason_and_a_library_too(tmp_path) -> None:
    context = client_context("tls13")
    context.set_config(max_certificate_chain=0)
    refused = [lambda: context.client_config, lambda: context.load_cert_chain(b"\x30" * 300)]
    for refuse in refused:
        with pytest.raises(ssl.SSLError, match=r"\[SSL\]") as caught:
            refuse()
        assert (caught.value.reason, caught.value.library) == (None, "SSL")


# --- servers ----------------------------------------------------------------------------------------------------------


def server_failure(stack: str, prepare, folder, *, client=None) -> ssl.SSLError:
    """What a server of this kind raises for a client of the standard library's that breaks a rule."""
    below, other = tcp_pair()
    one, context = client if client is not None else client_context("ssl"), server_context(stack, folder)
    prepare(one, context)
    ended = serve(context, other, lambda tls: tls.recv(1))
    with contextlib.suppress(OSError), one.wrap_socket(below, server_hostname=HOST) as tls:
        tls.sendall(b"x")
        tls.recv(1)
    with pytest.raises(ssl.SSLError) as caught:
        ended.result(PATIENCE)
    return caught.value


def no_certificate(client, server) -> None:
    demand_certificates(server)


def old_version(client, server) -> None:
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.minimum_version = ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("prepare", [no_certificate, old_version])
def test_a_servers_failure_has_ssls_reason(prepare, tmp_path) -> None:
    theirs, ours = (server_failure(stack, prepare, tmp_path) for stack in ("ssl", "tls13"))
    assert type(ours) is type(theirs)
    assert (ours.reason, ours.library, ours.errno) == (theirs.reason, theirs.library, theirs.errno)


def test_a_strangers_client_certificate_fails_verification(tmp_path) -> None:
    shown = stranger()

    def prepare(client, server) -> None:
        demand_certificates(server)
        load(client, shown, tmp_path)

    theirs, ours = (server_failure(stack, prepare, tmp_path) for stack in ("ssl", "tls13"))
    assert isinstance(ours, type(theirs))
    assert (ours.reason, ours.verify_code, ours.verify_message) == (
        theirs.reason, theirs.verify_code, theirs.verify_message
    )  # fmt: skip


def test_an_alert_has_ssls_reason(tmp_path) -> None:
    """A server hears why its client has gone: unknown_ca."""

    def distrust(client, server) -> None:
        pass

    reasons = []
    for stack in ("ssl", "tls13"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without any trust
        reasons.append(server_failure(stack, distrust, tmp_path, client=context).reason)
    assert reasons == ["TLSV1_ALERT_UNKNOWN_CA"] * 2


# --- the end of the stream, and what is no TLS ------------------------------------------------------------------------


def cut_off(tls) -> None:
    """A server that dies: TCP ends, and no close_notify came."""
    tls.sendall(b"half")
    tls.shutdown(socket.SHUT_RDWR)


@every_stack
def test_a_ragged_end_is_an_end_or_an_exception_as_wanted(stack, tmp_path) -> None:
    context = client_context(stack)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    for suppress in (True, False):
        with connected(context, server_context("ssl", tmp_path), cut_off, suppress_ragged_eofs=suppress) as tls:
            assert tls.recv(100) == b"half"
            if suppress:
                assert tls.recv(100) == b""
                assert tls.recv(100) == b""
            else:
                with pytest.raises(ssl.SSLEOFError, match="EOF occurred in violation of protocol") as caught:
                    tls.recv(100)
                assert caught.value.errno == ssl.SSL_ERROR_EOF


@every_stack
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_peer_that_speaks_no_tls(stack, said) -> None:
    below, other = tcp_pair()

    def speak() -> None:
        with other:
            other.recv(2**16)
            other.sendall(said)

    ended = in_thread(speak)
    with pytest.raises(ssl.SSLError) as caught:
        client_context(stack).wrap_socket(below, server_hostname=HOST)
    ended.result(PATIENCE)
    if said:
        assert caught.value.reason == "WRONG_VERSION_NUMBER"
    else:
        assert type(caught.value) is ssl.SSLEOFError


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"EHLO me\r\n"]
)
def test_a_client_that_speaks_no_tls(said, tmp_path) -> None:
    """Servers answer HTTP_REQUEST with a redirect, or a sentence (cheroot)."""
    raised = []
    for stack in ("ssl", "tls13"):
        below, other = tcp_pair()
        with below, other:
            below.sendall(said)
            with pytest.raises(ssl.SSLError) as caught:
                server_context(stack, tmp_path).wrap_socket(other, server_side=True)
        raised.append((type(caught.value), caught.value.reason, str(caught.value).split(" (")[0]))
    assert raised[0] == raised[1]


def test_a_reset_is_a_ragged_end(tmp_path) -> None:
    """A client that closes before it has read its tickets resets the connection: no server should fall over that.

    So it is with `ssl` in Python 3.11.7; in 3.13 it raises ConnectionResetError, which here is the cause.
    """

    def reset(tls) -> None:
        tls.recv(4)
        tls.sendall(b"pong")
        tls.recv(4)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # closing resets

    for suppress in (True, False):
        below, other = tcp_pair()
        ended = serve(server_context("ssl", tmp_path), other, reset)
        context = client_context("tls13")
        with context.wrap_socket(below, server_hostname=HOST, suppress_ragged_eofs=suppress) as tls:
            assert exchange(tls) == b"pong"  # and the tickets have been read
            tls.sendall(b"more")
            ended.result(PATIENCE)
            if suppress:
                assert tls.recv(1) == b""
            else:
                with pytest.raises(ssl.SSLEOFError) as caught:
                    tls.recv(1)
                assert isinstance(caught.value.__cause__, ConnectionResetError)


@every_stack
def test_before_the_handshake_nothing_is_known(stack, tmp_path) -> None:
    below, other = tcp_pair()
    with other, client_context(stack).wrap_socket(below, server_hostname=HOST, do_handshake_on_connect=False) as tls:
        assert tls.version() is None
        assert tls.cipher() is None
        assert tls.selected_alpn_protocol() is None
        with pytest.raises(ValueError, match="handshake not done yet"):
            tls.getpeercert()
        with pytest.raises(ssl.SSLError):
            tls.unwrap()


@every_stack
@pytest.mark.parametrize("buffer", [b"read-only", memoryview(bytearray(9))[::2], "text", 5])
def test_a_buffer_that_cannot_be_filled_loses_no_data(stack, buffer, tmp_path) -> None:
    one, other = bio_pair(client_context(stack), server_context("ssl", tmp_path))
    other.tls.write(b"data")
    carry(one, other)
    with pytest.raises((TypeError, BufferError)):
        one.tls.read(4, buffer)
    assert one.tls.read(4) == b"data"


@every_stack
def test_after_unwrap_the_end_is_an_exception(stack, tmp_path) -> None:
    """b"" says that the peer has closed its side; that both have is an exception, which asyncio counts on."""
    one, other = bio_pair(client_context(stack), server_context("ssl", tmp_path))
    one.attempt("unwrap")
    carry(one, other)
    assert other.tls.read() == b""
    other.tls.unwrap()
    carry(one, other)
    with pytest.raises(ssl.SSLZeroReturnError):
        one.tls.read()
    one.tls.unwrap()
    with pytest.raises(ssl.SSLError):
        one.tls.write(b"more")


@every_stack
@pytest.mark.parametrize("wrong", ["", ".example.com"])
def test_a_name_that_is_none_is_a_value_error(stack, wrong) -> None:
    with pytest.raises(ValueError):
        client_context(stack).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=wrong)


@every_stack
def test_a_context_has_one_role(stack, tmp_path) -> None:
    with pytest.raises(ssl.SSLError):
        client_context(stack).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    with pytest.raises(ssl.SSLError):
        server_context(stack, tmp_path).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())


def test_a_name_that_is_to_be_checked_must_be_there() -> None:
    """`ssl` checks it for sockets only; over BIOs it goes on, and would believe any good certificate."""
    below, other = tcp_pair()
    with other, pytest.raises(ValueError, match="check_hostname requires server_hostname"):
        client_context("tls13").wrap_socket(below)
    with pytest.raises(ValueError, match="check_hostname requires server_hostname"):
        client_context("tls13").wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    below.close()


def test_a_fatal_alert_is_not_lost_in_a_reset(tmp_path) -> None:
    """Closing a socket with unread bytes resets the connection, and the peer would never read why."""
    below, other = tcp_pair()
    context = server_context("tls13", tmp_path)
    context.max_early_data = 0

    def refuse() -> None:
        with pytest.raises(ssl.SSLError), context.wrap_socket(other, server_side=True):
            pass
        other.close()

    below.sendall(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" + b"what follows is never read" * 1000)
    in_thread(refuse).result(PATIENCE)
    answer = b""
    while more := below.recv(100):
        answer += more
    assert answer[:6] == b"\x15\x03\x03\x00\x02\x02"
    below.close()


def test_ours_is_the_cause(tmp_path) -> None:
    error = refusal("tls13", None, "another.example", tmp_path)
    assert isinstance(error.__cause__, tls13.CertificateError)
    assert authority().certificate not in error.peer_certificates
