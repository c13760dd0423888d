"""tls13 serve: what it serves, what it never serves, and how it starts and ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

import tls13
from tls13.cli import main


def connect(served) -> tls13.TLSSocket:
    config = tls13.ClientConfig(trust=tls13.TrustStore.from_file(served.ca))
    return tls13.connect(("127.0.0.1", served.port), config, server_hostname="localhost", timeout=20)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "a.txt").write_text("hello\n")
    (root / "sub").mkdir()
    (root / "sub" / "b & c.txt").write_text("b")
    (root / os.fsdecode(b"latin-\xe9")).write_text("not UTF-8")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("secret")
    (root / "way-out").symlink_to(outside)
    (root / "way-in").symlink_to(root / "a.txt")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture(scope="module")
def www(site, serve, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("ca"), "--www", str(site)) as served:
        yield served


@pytest.fixture
def web(www):
    with connect(www) as tls:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = tls
        yield connection


def ask(web, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    web.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        web.putheader(name, value)
    web.endheaders()
    response = web.getresponse()
    return response, response.read()


def test_one_connection_carries_many_requests(web) -> None:
    for _ in range(3):
        response, body = ask(web, "/a.txt")
        assert (response.status, body) == (200, b"hello\n")
        assert response.headers["Content-Type"] == "text/plain"


def test_head_says_the_same_without_the_body(web) -> None:
    response, body = ask(web, "/a.txt", "HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, "6", b"")
    assert ask(web, "/a.txt")[1] == b"hello\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get"])
def test_other_methods_are_refused_and_the_right_ones_named(method, web) -> None:
    response, _ = ask(web, "/a.txt", method)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


def test_a_listing_names_what_is_there_and_its_links_lead_there(web) -> None:
    _, page = ask(web, "/")
    assert b'<a href="sub/">sub/</a>' in page
    assert b'<a href="latin-%E9">' in page
    assert ask(web, "/latin-%E9")[1] == b"not UTF-8"
    _, page = ask(web, "/sub/")
    assert b'<a href="b%20%26%20c.txt">b &amp; c.txt</a>' in page


def test_a_directory_without_its_slash_is_redirected_so_that_links_work(web) -> None:
    response, _ = ask(web, "/sub")
    assert (response.status, response.headers["Location"]) == (301, "/sub/")


@pytest.mark.parametrize(
    "path",
    [
        "/../site/../../etc/passwd",
        "/sub/../../outside0/secret.txt",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/way-out/secret.txt",
        "/way-out/",
        "/a.txt%00.html",
        "/pipe",
        "/" + "x" * 5000,
    ],
)
def test_nothing_outside_the_directory_and_nothing_that_blocks(path, web) -> None:
    response, body = ask(web, path)
    assert response.status == 404
    assert body == b"404 Not Found\n"


def test_a_link_that_stays_inside_is_followed(web) -> None:
    assert ask(web, "/way-in")[1] == b"hello\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /a.txt\r\n\r\n",
        b"GET /a.txt SPDY/3\r\n\r\n",
        b"GET /a.txt HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /a.txt HTTP/1.1\r\nContent-Length : 3\r\n\r\n",
        b"GET /a.txt HTTP/1.1\r\nA: b\r\n folded: c\r\n\r\n",
        b"GET /a.txt HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_understood_is_answered_once_and_ends_the_connection(request_bytes, www) -> None:
    with connect(www) as tls:
        tls.sendall(request_bytes + b"GET /a.txt HTTP/1.1\r\n\r\n")
        answer = b""
        while data := tls.recv():
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("header", [b"Content-Length: 31", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_a_body_is_never_taken_for_the_next_request(header, www) -> None:
    """Request smuggling."""
    with connect(www) as tls:
        tls.sendall(b"GET /a.txt HTTP/1.1\r\n" + header + b"\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while data := tls.recv():
            answer += data
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"hello\n")


def test_many_clients_at_once(www) -> None:
    """Twenty are connected before the first one asks, and they are answered from the last to the first."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(www)) for _ in range(20)]
        for tls in reversed(clients):
            tls.sendall(b"GET /a.txt HTTP/1.1\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := tls.recv():
                answer += data
            assert answer.endswith(b"hello\n")


def test_pythons_own_ssl_fetches(www) -> None:
    context = ssl.create_default_context(cafile=www.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection("localhost", www.port, context=context, timeout=20)
    connection.request("GET", "/a.txt")
    assert connection.getresponse().read() == b"hello\n"
    connection.close()


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_fetches(www) -> None:
    done = subprocess.run(
        [
            "openssl",
            "s_client",
            "-connect",
            www.where,
            "-CAfile",
            str(www.ca),
            "-verify_return_error",
            "-ign_eof",
            "-quiet",
        ],
        input=b"GET /a.txt HTTP/1.1\r\nConnection: close\r\n\r\n",
        capture_output=True,
        timeout=30,
    )
    assert done.stdout.endswith(b"\r\n\r\nhello\n"), done.stderr


# --- how it starts and ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_its_end_is_a_close_notify_for_each_client(number, serve, tmp_path) -> None:
    """Section 6.1: a client that is told so need not think that what it has was cut short."""
    with serve(tmp_path, "--echo") as served, connect(served) as first, connect(served) as second:
        first.sendall(b"x")
        assert first.recv() == b"x"
        served.process.send_signal(number)
        assert first.recv() == b""
        assert second.recv() == b""
        first.close()
        second.close()
        served.wait()
    assert served.process.returncode == 0
    assert served.said[-1] == "tls13 serve: bye"


def test_an_encrypted_key_asks_for_its_password(issued, serve, tmp_path, capsys, monkeypatch) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(issued.pem_chain)
    encryption = BestAvailableEncryption(b"open sesame")
    key.write_bytes(issued.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    pair = ("--cert", str(certificate), "--key", str(key))
    with serve(tmp_path, *pair, stdin="open sesame\n") as served:
        assert served.port
        assert any("password" in line for line in served.said)
        assert "open sesame" not in "".join(served.said)
    for given, says in (("wrong\n", "password does not decrypt"), ("", "no password was given")):
        done = subprocess.run(
            [*served.process.args[:4], "--port", "0", *pair],
            input=given, capture_output=True, text=True, timeout=30, start_new_session=True,
        )  # fmt: skip
        assert done.returncode == 2
        assert says in done.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_one_line_and_leaves_the_others_ca_alone(tmp_path, capsys) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("another server's")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--ca-out", str(ca)]) == 1
    assert capsys.readouterr().err == (
        f"tls13: cannot listen on 127.0.0.1, port {port}: Address already in use; --host and --port choose another\n"
    )
    assert ca.read_text() == "another server's"


def test_it_listens_on_this_machine_only(www) -> None:
    assert any("listening on 127.0.0.1:" in line for line in www.said)


def test_a_client_that_does_not_speak_tls_is_told_in_one_line_and_harms_nobody(serve, tmp_path) -> None:
    with serve(tmp_path, "--echo") as served:
        with socket.create_connection(("127.0.0.1", served.port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while sock.recv(100):
                pass
        with connect(served) as tls:
            tls.sendall(b"x")
            assert tls.recv() == b"x"
    assert sum("127.0.0.1, port" in line for line in served.said) == 1
    assert not any("Traceback" in line for line in served.said)
