"""tls13 explain with other people's TLS: each variant that they know, from a real connection."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from OpenSSL import SSL

from interop import nginx
from interop.files import root_file
from interop.program import Program
from interop.trial import HOST, PeerMissing, Trial
from tests.explain.test_schedule import check_python
from tls13.cli import main
from tls13.explain.pcap import read_capture
from tls13.explain.telling import tell
from tls13.lab.authority import CLIENT_AUTH, Authority
from tls13.wire.registry import NamedGroup

pytestmark = pytest.mark.interop


class Here(NamedTuple):
    """A folder with a CA, a server's and a client's certificate."""

    folder: Path
    authority: Authority
    leaf: object

    def __getattr__(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Here:
    folder = tmp_path_factory.mktemp("explain")
    authority = Authority.create(now=datetime.now(UTC))
    server = authority.issue(["localhost", "127.0.0.1"])
    client = authority.issue([], common_name="a person", usages=[CLIENT_AUTH])
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    for name, issued in (("server", server), ("client", client)):
        (folder / f"{name}.pem").write_bytes(issued.pem_chain)
        (folder / f"{name}_key.pem").write_bytes(issued.pem_key)
    return Here(folder, authority, server.certificate)


@contextmanager
def openssl(here: Here, *options: str):
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_3"]
    command += ["-cert", str(here.folder / "server.pem"), "-key", str(here.folder / "server_key.pem"), *options]
    try:
        with Program(command) as program:
            port = int(program.wait_for(rb"ACCEPT [^ \n]*:(\d+)")[1])
            yield program, f"localhost:{port}"
    except PeerMissing as missing:
        pytest.skip(str(missing))


def explained(capsys, here: Here, where: str, *options: str, code: int = 0):
    capsys.readouterr()
    arguments = ["explain", where, "--cafile", str(here.folder / "ca.pem"), "--json", *options]
    assert main(arguments) == code
    return json.loads(capsys.readouterr().out)


def kinds(story) -> set[str]:
    return set(story["variant"]) - {"middlebox compatibility"}


def all_opened(story) -> bool:
    return all(one["protection"] is None or one["protection"]["opened"] for one in story["records"])


def all_known(story) -> bool:
    return all(node["value"] for node in story["schedule"])


def test_a_full_handshake_with_openssl(capsys, here) -> None:
    with openssl(here) as (_, where):
        story = explained(capsys, here, where)
    assert kinds(story) == {"1-RTT"}
    assert all_opened(story)
    assert all_known(story)
    assert any(one["name"] == "NewSessionTicket" for one in story["steps"])


def test_a_retry_of_openssl(capsys, here) -> None:
    with openssl(here, "-groups", "P-384") as (_, where):
        story = explained(capsys, here, where, "--group", "x25519", "--group", "secp384r1")
    assert kinds(story) == {"HelloRetryRequest"}
    assert story["negotiated"]["group"] == "secp384r1"
    assert all_opened(story)
    assert all_known(story)


def test_resumption_and_early_data_with_openssl(capsys, here, tmp_path) -> None:
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(b"before the handshake's end")
    resume = ["--resume", str(session)]
    with openssl(here, "-early_data", "-max_early_data", "16000") as (_, where):
        explained(capsys, here, where, *resume)
        assert kinds(explained(capsys, here, where, *resume)) == {"resumption"}
        used = session.read_bytes()
        accepted = explained(capsys, here, where, *resume, "--early-data", str(early))
        assert kinds(accepted) == {"resumption", "0-RTT accepted"}
        assert all_opened(accepted)
        assert all_known(accepted)
        session.write_bytes(used)  # a replay: OpenSSL remembers the ticket, and takes nothing early
        rejected = explained(capsys, here, where, *resume, "--early-data", str(early))
        assert "0-RTT rejected" in kinds(rejected)
        assert rejected["negotiated"]["early_data"] == "rejected"
        assert all_opened(rejected)


def test_mutual_tls_with_openssl(capsys, here) -> None:
    ca, shown = str(here.folder / "ca.pem"), ["--cert", here.client, "--key", here.client_key]
    with openssl(here, "-Verify", "1", "-CAfile", ca) as (_, where):
        story = explained(capsys, here, where, *shown)
        assert kinds(story) == {"1-RTT", "mutual TLS"}
        assert {one["shown_by"] for one in story["chain"]} == {"server", "client"}
        refused = explained(capsys, here, where, code=1)
        assert refused["outcome"]["text"] == "the server ended the connection with the alert certificate_required"


def ask(program: Program) -> None:
    """For a certificate, once the handshake is complete: before that, `c` asks within it."""
    program.wait_for(rb"CIPHER is")
    program.write(b"c\n")


def test_authentication_after_the_handshake_with_openssl(capsys, here) -> None:
    ca, shown = str(here.folder / "ca.pem"), ["--cert", here.client, "--key", here.client_key]
    with openssl(here, "-CAfile", ca) as (program, where):
        Thread(target=ask, args=(program,), daemon=True).start()
        story = explained(capsys, here, where, *shown, "--post-handshake-auth")
    assert "post-handshake authentication" in kinds(story)
    macs = [node for node in story["schedule"] if node["kind"] == "mac"]
    assert any(node["id"].startswith("post_handshake_finished") for node in macs)
    assert all(node["meaning"].endswith("It is what the message holds.") for node in macs)


def test_a_key_update_with_openssl(capsys, here) -> None:
    with openssl(here) as (_, where):
        story = explained(capsys, here, where, "--key-update")
    assert kinds(story) == {"1-RTT", "KeyUpdate"}
    assert all_opened(story)


def test_a_stapled_status_of_openssl(capsys, here) -> None:
    now = datetime.now(UTC)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=here.leaf,
        issuer=here.authority.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now - timedelta(hours=1),
        next_update=now + timedelta(days=1),
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, here.authority.certificate)
    status = here.folder / "status.der"
    status.write_bytes(builder.sign(here.authority.private_key, hashes.SHA256()).public_bytes(Encoding.DER))
    with openssl(here, "-status_file", str(status)) as (_, where):
        assert kinds(explained(capsys, here, where)) == {"1-RTT", "OCSP stapling"}


def test_a_hybrid_key_exchange_with_openssl_4(capsys, here) -> None:
    """In this process, from pyOpenSSL's wheel: the system's OpenSSL 3.0 has no ML-KEM."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(here.server)
    context.use_privatekey_file(here.server_key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                connection = SSL.Connection(context, sock)
                connection.set_accept_state()
                connection.do_handshake()
                connection.shutdown()

        server = Thread(target=serve)
        server.start()
        story = explained(capsys, here, f"localhost:{listener.getsockname()[1]}", "--group", "X25519MLKEM768")
        server.join()
    assert "post-quantum key exchange" in kinds(story)
    assert all_opened(story)
    assert len(bytes.fromhex(next(node["value"] for node in story["schedule"] if node["id"] == "ecdhe"))) == 64


def test_an_alert_of_openssl(capsys, here) -> None:
    with openssl(here, "-groups", "P-521") as (_, where):
        story = explained(capsys, here, where, "--group", "x25519", code=1)
    assert story["outcome"]["kind"] == "alert"
    assert "alert handshake_failure" in kinds(story)


def test_a_full_handshake_with_gnutls(capsys, here) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    command = ["gnutls-serv", "--echo", "--port", str(port), "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3"]
    command += ["--x509certfile", here.server, "--x509keyfile", here.server_key, "--disable-client-cert"]
    try:
        with Program(command) as program:
            program.wait_for(rb"listening on IPv4 .*done")
            story = explained(capsys, here, f"localhost:{port}")
    except PeerMissing:
        pytest.skip("gnutls-cli is not installed")
    assert kinds(story) == {"1-RTT"}
    assert all_opened(story)
    assert all_known(story)


def test_nginx(capsys, here) -> None:
    try:
        with nginx._nginx(Trial(True, group=NamedGroup.secp384r1)) as (_, (host, port)):
            where, there = f"{host}:{port}", ["--sni", HOST, "--cafile", str(root_file()), "--http", "/file"]
            story = explained(capsys, here, where, *there, "--group", "x25519", "--group", "secp384r1")
    except PeerMissing:
        pytest.skip("nginx is not installed")
    assert "HelloRetryRequest" in kinds(story)
    assert all_opened(story)
    assert all_known(story)
    answer = next(one for one in story["steps"] if one["name"] == "application data" and not one["to_server"])
    assert bytes.fromhex(answer["bytes"]).startswith(b"HTTP/1.1 200 OK")


def visited(here: Here, visit: str, *options: str):
    """The Story of what this shell command and `tls13 explain --listen` said to each other."""
    command = [sys.executable, "-m", "tls13", "explain", "--listen", "0", "--json", *options]
    command += ["--cert", str(here.folder / "server.pem"), "--key", str(here.folder / "server_key.pem")]
    listening = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = next(line for line in listening.stderr if "listening" in line)
    line = visit.format(port=line.split(";")[0].rpartition(":")[2], ca=here.folder / "ca.pem")
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert "You have been explained" in done.stdout, done.stderr
    return json.loads(listening.communicate(timeout=30)[0])


def test_curl_comes_to_us(here) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    story = visited(here, "curl -s --cacert {ca} https://localhost:{port}/")
    assert kinds(story) == {"1-RTT"}
    assert story["negotiated"]["server_name"] == "localhost"
    assert all_opened(story)
    assert all_known(story)


def test_openssl_comes_to_us_and_returns_a_cookie(here) -> None:
    client = "openssl s_client -connect localhost:{port} -CAfile {ca} -quiet -groups X25519:P-384"
    story = visited(here, "echo 'GET / HTTP/1.1' | " + client, "--group", "secp384r1")
    assert kinds(story) == {"HelloRetryRequest"}
    retry = next(one for one in story["steps"] if one["name"] == "HelloRetryRequest")
    assert "cookie" in dict(retry["summary"])
    assert all_opened(story)
    assert all_known(story)


def test_a_capture_of_curl_and_its_key_log(here, tmp_path) -> None:
    """What a learner has: Wireshark's file and SSLKEYLOGFILE. The bytes are those that curl and OpenSSL exchanged."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    log, file = tmp_path / "keys", tmp_path / "curl.pcapng"
    served = [sys.executable, "-m", "tls13", "serve", "--port", "0", "--cert", here.server, "--key", here.server_key]
    with Program([*served, "--pcapng", str(file)]) as server:
        port = server.wait_for(rb"listening on [^;\n]*:(\d+)")[1].decode()
        curl = ["curl", "-s", "-m", "2", "--cacert", str(here.folder / "ca.pem"), f"https://localhost:{port}/"]
        subprocess.run(curl, env={"SSLKEYLOGFILE": str(log)}, check=False, timeout=30)
    story = tell(read_capture(file.read_bytes(), log.read_text())[0])
    assert any(one.name == "application data" for one in story.steps)
    assert check_python(story) > 10
