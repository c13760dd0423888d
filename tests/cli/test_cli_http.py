"""--http against servers that answer in each way that HTTP/1.1 allows, and in some that it does not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

import tls13
from tls13.cli import main
from tls13.cli.http import check_target, host_header
from tls13.trust.names import ServerName


class OneAnswer:
    """A server for one connection, which says `answer` and then ends: properly, or without a word."""

    def __init__(self, config: tls13.ServerConfig, answer: bytes, *, polite: bool) -> None:
        self.config, self.answer, self.polite = config, answer, polite
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.where = f"localhost:{self.listener.getsockname()[1]}"
        self.request = b""

    def __call__(self) -> None:
        sock, _ = self.listener.accept()
        with contextlib.suppress(tls13.TLSError), tls13.wrap_socket(sock, self.config) as tls:
            while b"\r\n\r\n" not in self.request and (data := tls.recv()):
                self.request += data
            tls.sendall(self.answer)
            if not self.polite:
                tls.detach_socket().close()


@pytest.fixture
def answering(identity) -> Iterator[Callable[..., OneAnswer]]:
    threads = []

    def start(answer: bytes, *, polite: bool = True, alpn: str = "http/1.1") -> OneAnswer:
        server = OneAnswer(tls13.ServerConfig(identity, alpn_protocols=[alpn]), answer, polite=polite)
        threads.append((threading.Thread(target=server, daemon=True), server.listener))
        threads[-1][0].start()
        return server

    yield start
    for thread, listener in threads:
        thread.join(10)
        listener.close()


@pytest.fixture
def ca(authority, tmp_path) -> str:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.certificate_pem)
    return str(path)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcdef",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
    ],
    ids=["Content-Length", "chunked", "until the end", "after 100 Continue"],
)
def test_a_body_is_read_to_its_end(answer, answering, ca, capfdbinary) -> None:
    server = answering(answer)
    assert main(["connect", server.where, "--cafile", ca, "--http", "/x?y=1"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == b"abcdef"
    assert b"200 OK, 6 bytes" in err
    assert server.request.startswith(b"GET /x?y=1 HTTP/1.1\r\n")
    assert f"\r\nHost: {server.where}\r\n".encode() in server.request


@pytest.mark.parametrize(
    ("answer", "polite", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nabcdef", True, "54 bytes of the body are missing"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab", True, "cut short"),
        (b"HTTP/1.1 200 OK\r\n\r\nabcdef", False, "what came may be incomplete"),
        (b"", True, "without an answer"),
        (b"SSH-2.0-x\r\n\r\n", True, "does not answer in HTTP/1.1"),
        (b"\x1b]0;owned\x07 \x1b[2J\r\n\r\n", True, "does not answer in HTTP/1.1"),
    ],
)
def test_an_answer_that_is_cut_short_or_no_answer_is_a_failure(answer, polite, says, answering, ca, capsys) -> None:
    """The third is the truncation attack of section 6.1: only TLS can tell, and does."""
    assert main(["connect", answering(answer, polite=polite).where, "--cafile", ca, "--http", "/", "--json"]) == 1
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert says in facts["error"]["message"]
    assert facts["verified"] is True
    assert "\x1b" not in facts["error"]["message"]
    assert err == ""


def test_a_protocol_that_is_not_http_1_1_is_not_spoken(answering, ca, capsys) -> None:
    server = answering(b"", alpn="h2")
    assert main(["connect", server.where, "--cafile", ca, "--alpn", "h2", "--http", "/"]) == 2
    assert "the server chose h2" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("path", ["", "x", "/a b", "/\r\nHost: evil", "/é"])
def test_what_cannot_stand_in_a_request_line_is_refused(path) -> None:
    with pytest.raises(tls13.ConfigurationError):
        check_target(path)


@pytest.mark.parametrize(
    ("name", "port", "header"),
    [
        ("example.com", 443, "example.com"),
        ("example.com", 8443, "example.com:8443"),
        ("::1", 443, "[::1]"),
        ("::1", 1, "[::1]:1"),
        ("bücher.example", 443, "xn--bcher-kva.example"),
    ],
)
def test_the_host_header(name, port, header) -> None:
    """RFC 9112, section 3.2 and RFC 3986, section 3.2.2."""
    assert host_header(ServerName.parse(name), port) == header
