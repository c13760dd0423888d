"""The command line's resumption, early data, PSKs, client certificates, new keys and exporters."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import threading

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

import tls13
from tls13.cli import main

KEY = "00112233445566778899aabbccddeeff"
NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def pki(authority, tmp_path_factory):
    """ca.pem, and pairs NAME.pem, NAME.key: server, client, other (a client of somebody else)."""
    directory = tmp_path_factory.mktemp("pki")
    (directory / "ca.pem").write_bytes(authority.certificate_pem)
    for name, names, usage in (
        ("server", ["localhost"], ExtendedKeyUsageOID.SERVER_AUTH),
        ("client", ["client.example"], ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        issued = authority.issue(names, usages=[usage])
        (directory / f"{name}.pem").write_bytes(issued.pem_chain)
        (directory / f"{name}.key").write_bytes(issued.pem_key)
    return directory


@pytest.fixture
def connect(capsys):
    """`connect(where, *arguments)`: the facts that --json gives."""

    def run(where: str, *arguments: str) -> dict:
        main(["connect", where, "--json", *map(str, arguments)])
        return json.loads(capsys.readouterr().out)

    return run


def pair(pki, name: str) -> tuple[str, ...]:
    return "--cert", str(pki / f"{name}.pem"), "--key", str(pki / f"{name}.key")


# --- resumption and early data ----------------------------------------------------------------------------------------


@pytest.mark.requirement("D32")
def test_a_session_in_a_file_is_used_once_and_for_its_owner_only(serve, connect, tmp_path) -> None:
    file, request = tmp_path / "session", tmp_path / "request"
    request.write_bytes(b"GET /")
    with serve(tmp_path, "--early-data", "1000") as served:
        options = (served.where, "--cafile", served.ca, "--resume", file, "--early-data", request)
        first = connect(*options)
        assert (first["resumed"], first["early_data"]) == (False, None)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept = file.read_bytes()
        second = connect(*options)
        assert (second["resumed"], second["early_data"], second["verified"]) == (True, "accepted", True)
        assert file.read_bytes() != kept
    assert os.listdir(tmp_path).count("session") == 1
    assert any("5 bytes of early data" in line for line in served.said)
    assert connect(*options)["error"]["type"] == "ConnectionRefused"
    assert file.exists(), "nothing was sent, so the ticket is still good"


def test_a_ticket_that_was_sent_is_gone_although_the_handshake_failed(serve, connect, tmp_path) -> None:
    """Appendix C.4: whoever sees it twice knows that the two connections come from the same client."""
    file = tmp_path / "session"
    with serve(tmp_path) as served:
        connect(served.where, "--cafile", served.ca, "--resume", file)
        kept = file.read_bytes()
    with socket.create_server(("localhost", 0)) as silent:
        where = f"localhost:{silent.getsockname()[1]}"
        facts = connect(where, "--cafile", served.ca, "--resume", file, "--timeout", "0.05")
        assert facts["error"]["type"] == "HandshakeTimeout"
        assert not file.exists()
        file.write_bytes(kept)
        connect(where, "--sni", "other.example", "--cafile", served.ca, "--resume", file, "--timeout", "0.05")
        assert file.exists(), "it is not for that server, so it was not sent"


def test_early_data_is_echoed_with_the_rest(serve, connect, tmp_path) -> None:
    file, request = tmp_path / "session", tmp_path / "request"
    request.write_bytes(b"early\n")
    with serve(tmp_path, "--early-data", "1000") as served:
        options = ("--cafile", str(served.ca), "--resume", str(file), "--early-data", str(request))
        connect(served.where, *options)
        done = subprocess.run(
            [*served.process.args[:3], "connect", served.where, *options],
            input="late\n", capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert done.stdout == "early\nlate\n"
    assert "early data      accepted" in done.stderr
    assert "resumed         yes" in done.stderr


def test_a_request_in_early_data_is_answered_like_any_other(serve, connect, tmp_path, client_config) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.txt").write_text("hello\n")
    config = tls13.ClientConfig(verify=tls13.INSECURE_NO_VERIFICATION, sessions=tls13.SessionCache())
    with serve(tmp_path, "--www", str(tmp_path / "www"), "--early-data", "1000") as served:
        for early in (b"", b"GET /a.txt HTTP/1.1\r\nHost"):
            with tls13.connect(("127.0.0.1", served.port), config, early_data=early, timeout=20) as tls:
                tls.sendall(b"GET /a.txt HTTP/1.1\r\nHost"[len(early) :] + b": x\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(tls.recv, b""))
            assert answer.endswith(b"\r\n\r\nhello\n")
        assert tls.session.early_data == "accepted"


def test_without_tickets_nobody_resumes(serve, connect, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tls13.cli.connect.LINGER_SECONDS", 0.1)
    file = tmp_path / "session"
    with serve(tmp_path, "--no-tickets") as served:
        for _ in range(2):
            facts = connect(served.where, "--cafile", served.ca, "--resume", file)
            assert not facts["resumed"]
            assert not file.exists()


def test_a_ticket_store_that_does_not_answer_costs_the_ticket_and_nothing_else(serve, connect, tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{free.getsockname()[1]}/0"
        with serve(tmp_path, "--ticket-store", url, "--early-data", "1000") as served:
            facts = connect(served.where, "--cafile", served.ca)
            assert facts["verified"]
            assert "error" not in facts


# --- PSKs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--psk-ke",)])
def test_a_psk_takes_the_place_of_the_certificate(options, serve, connect, tmp_path) -> None:
    psk = ("--psk", KEY, "--psk-identity", "a pump")
    with serve(tmp_path, *psk) as served:
        facts = connect(served.where, *psk, *options)
        assert (facts["group"], facts["peer_chain"], facts["signature_scheme"]) == ("X25519MLKEM768", [], None)
        assert facts["verified"]
        wrong = connect(served.where, "--psk", KEY[::-1], "--psk-identity", "a pump")
        assert wrong["error"]["type"] == "AlertReceived"


# --- client certificates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["required", "optional", "later"])
def test_a_client_certificate_when_it_is_wanted(when, serve, connect, tmp_path, pki) -> None:
    with serve(tmp_path, "--client-ca", str(pki / "ca.pem"), "--client-auth", when) as served:
        own = pair(pki, "client")
        facts = connect(served.where, "--cafile", served.ca, *own, "--post-handshake-auth")
        assert facts["client_certificate"] == "CN=client.example"
    assert any("is CN=client.example" in line for line in served.said)


def test_a_server_that_asks_for_nothing_is_shown_nothing(serve, connect, tmp_path, pki) -> None:
    with serve(tmp_path) as served:
        assert connect(served.where, "--cafile", served.ca, *pair(pki, "client"))["client_certificate"] is None


def test_a_required_certificate_that_is_missing_is_told_with_advice(serve, tmp_path, pki, capsys, monkeypatch) -> None:
    with serve(tmp_path, "--client-ca", str(pki / "ca.pem")) as served, open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert main(["connect", served.where, "--cafile", str(served.ca)]) == 1
    assert "--cert and --key show one" in capsys.readouterr().err.splitlines()[-1]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_new_keys_on_both_sides(serve, connect, tmp_path) -> None:
    with serve(tmp_path, "--key-update") as served:
        facts = connect(served.where, "--cafile", served.ca, "--key-update")
        assert facts["key_updates"]["sent"] >= 1
        assert facts["key_updates"]["received"] >= 1


def test_exported_keying_material(serve, connect, tmp_path) -> None:
    with serve(tmp_path) as served:
        options = ("--export", "EXPORTER-one:16", "--export", "EXPORTER-two:48")
        exported = connect(served.where, "--cafile", served.ca, *options)["exported"]
        assert {label: len(bytes.fromhex(value)) for label, value in exported.items()} == {
            "EXPORTER-one": 16,
            "EXPORTER-two": 48,
        }


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["connect", "localhost", "--early-data", "x"], "--early-data needs the ticket"),
        (["connect", "localhost", "--psk", KEY], "--psk and --psk-identity go together"),
        (["connect", "localhost", "--psk", "beef", "--psk-identity", "a"], "at least 16"),
        (["connect", "localhost", "--psk", "no hex", "--psk-identity", "a"], "in hexadecimal"),
        (["connect", "localhost", "--cert", "x.pem"], "--cert and --key go together"),
        (["connect", "localhost", "--export", "label"], "is not LABEL:LENGTH"),
        (["connect", "localhost", "--resume", "/no/such/directory/file"], "cannot be written"),
        (["connect", "localhost", "--resume", "garbage"], "garbage: this is no stored session"),
        (["serve", "--no-tickets", "--early-data", "1"], "--no-tickets excludes"),
        (["serve", "--client-auth", "later"], "--client-auth needs --client-ca"),
        (["serve", "--early-data", "many"], "is not a number of bytes"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_sent(arguments, says, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage").write_bytes(b"\x01garbage")
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (2, 1)
    assert says in said
    assert "no hex" not in said


# --- OpenSSL ----------------------------------------------------------------------------------------------------------


class Openssl:
    """`openssl s_server` with these options."""

    def __init__(self, pki, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.where = f"localhost:{self.port}"
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-tls1_3", "-accept", f"127.0.0.1:{self.port}", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=pki,
        )  # fmt: skip
        self.said = b""
        self.heard = threading.Condition()
        while b"ACCEPT" not in self.said:
            self.said += self.process.stdout.readline()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        while data := self.process.stdout.read1():
            with self.heard:
                self.said += data
                self.heard.notify()

    def says(self, text: bytes) -> bool:
        """Whether it does, before long."""
        with self.heard:
            return self.heard.wait_for(lambda: text in self.said, 10)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.reader.join(10)
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


CERTIFICATE = ("-cert", "server.pem", "-key", "server.key")


@pytest.mark.interop
@NEEDS_OPENSSL
def test_openssl_s_server_resumes_and_takes_early_data(pki, connect, tmp_path) -> None:
    request = tmp_path / "request"
    request.write_bytes(b"early words")
    with Openssl(pki, *CERTIFICATE, "-early_data") as peer:
        options = (peer.where, "--cafile", pki / "ca.pem", "--resume", tmp_path / "session", "--early-data", request)
        for resumed, early_data in ((False, None), (True, "accepted")):
            facts = connect(*options)
            assert (facts["resumed"], facts["early_data"]) == (resumed, early_data)
        assert peer.says(b"early words")


@pytest.mark.interop
@NEEDS_OPENSSL
def test_openssl_s_server_verifies_our_certificate(pki, connect) -> None:
    with Openssl(pki, *CERTIFICATE, "-Verify", "2", "-CAfile", "ca.pem", "-verify_return_error") as peer:
        facts = connect(peer.where, "--cafile", pki / "ca.pem", *pair(pki, "client"))
        assert facts["client_certificate"] == "CN=client.example"
        assert peer.says(b"CN = client.example")


@pytest.mark.interop
@NEEDS_OPENSSL
@pytest.mark.parametrize("options", [(), ("--psk-ke",)])
def test_openssl_s_server_and_a_psk(options, pki, connect) -> None:
    with Openssl(pki, "-nocert", "-psk", KEY, "-psk_identity", "a pump") as peer:
        facts = connect(peer.where, "--psk", KEY, "--psk-identity", "a pump", *options)
        assert (facts["verified"], facts["peer_chain"], facts["group"]) == (True, [], "x25519")


REQUEST = b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def site(tmp_path) -> str:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.txt").write_text("hello\n")
    return str(tmp_path / "www")


def s_client(served, pki, *options: str, request: bytes = REQUEST) -> str:
    """What `openssl s_client` says until the server closes."""
    done = subprocess.run(
        ["openssl", "s_client", "-tls1_3", "-ign_eof", "-connect", served.where, "-CAfile", str(served.ca), *options],
        input=request, capture_output=True, timeout=20, cwd=pki,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.mark.interop
@NEEDS_OPENSSL
def test_openssl_s_client_resumes_and_sends_early_data(serve, pki, tmp_path, site) -> None:
    session, request = str(tmp_path / "session"), tmp_path / "request"
    request.write_bytes(REQUEST)
    with serve(tmp_path, "--www", site, "--early-data", "1000") as served:
        assert "New, TLSv1.3" in s_client(served, pki, "-sess_out", session)
        said = s_client(served, pki, "-sess_in", session, "-early_data", str(request), request=b"")
    assert "Reused, TLSv1.3" in said
    assert "Early data was accepted" in said
    assert "\nhello\n" in said


@pytest.mark.interop
@NEEDS_OPENSSL
def test_openssl_s_client_is_asked_later_and_gets_new_keys(serve, pki, tmp_path, site) -> None:
    asking = ("--client-ca", str(pki / "ca.pem"), "--client-auth", "later", "--key-update")
    with serve(tmp_path, "--www", site, *asking) as served:
        assert "\nhello\n" in s_client(served, pki, "-enable_pha", "-cert", "client.pem", "-key", "client.key")
    assert any("is CN=client.example" in line for line in served.said)
