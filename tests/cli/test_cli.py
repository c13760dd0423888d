"""The command line, as a person or a script meets it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tls13.cli import main
from tls13.lab.authority import Authority

TLS13 = [sys.executable, "-m", "tls13"]


def run(*arguments: str, stdin: str = "", timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TLS13, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("www")
    (directory / "hello.txt").write_text("hello\n")
    (directory / "page").mkdir()
    (directory / "page" / "index.html").write_text("<p>index</p>")
    (directory / "large.bin").write_bytes(bytes(range(256)) * 4096)
    return directory


@pytest.fixture(scope="module")
def www(files, tmp_path_factory, serve):
    with serve(tmp_path_factory.mktemp("ca"), "--www", str(files)) as served:
        yield served


def test_demo_tells_the_whole_handshake() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = ["ClientHello", "ServerHello", "EncryptedExtensions", "CertificateVerify", "Finished"]
    positions = [done.stdout.index(name) for name in told]
    assert positions == sorted(positions)
    assert "section 4.2.2" in done.stdout
    assert "chain verified" in done.stdout
    assert "\x1b[" not in done.stdout


def test_json_is_one_object_with_the_facts(www) -> None:
    done = run("connect", www.where, "--cafile", str(www.ca), "--json", "--http", "/hello.txt")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert facts["version"] == "TLSv1.3"
    assert facts["cipher_suite"] == "TLS_AES_128_GCM_SHA256"
    assert facts["group"] == "X25519MLKEM768"
    assert facts["signature_scheme"] == "ecdsa_secp256r1_sha256"
    assert facts["alpn"] == "http/1.1"
    assert facts["verified"] is True
    assert next(one["subject"] for one in facts["peer_chain"]) == "CN=localhost"
    assert set(facts["times_ms"]) == {"dns", "tcp", "tls"}
    assert facts["http"]["status"] == 200
    assert "error" not in facts


def test_json_of_a_failure_has_the_error(www) -> None:
    done = run("connect", www.where, "--json")
    assert done.returncode == 1
    facts = json.loads(done.stdout)
    assert facts["verified"] is False
    assert facts["error"]["type"] in ("UnknownIssuer", "SelfSigned")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/hello.txt", 200, b"hello\n"),
        ("/page/", 200, b"<p>index</p>"),
        ("/large.bin", 200, bytes(range(256)) * 4096),
        ("/missing", 404, b"404 Not Found\n"),
        ("/../../../../etc/passwd", 404, b"404 Not Found\n"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, b"404 Not Found\n"),
    ],
)
def test_www(path, status, body, www) -> None:
    done = subprocess.run(
        [*TLS13, "connect", www.where, "--cafile", str(www.ca), "--http", path], capture_output=True, timeout=30
    )
    assert done.returncode == 0
    assert done.stdout == body
    assert f" {status} ".encode() in done.stderr


def test_the_options_choose_what_is_offered(www) -> None:
    done = run(
        "connect", www.where, "--cafile", str(www.ca), "--json", "--group", "secp384r1",
        "--suite", "TLS_CHACHA20_POLY1305_SHA256", "--alpn", "http/1.1",
    )  # fmt: skip
    facts = json.loads(done.stdout)
    assert (facts["group"], facts["cipher_suite"]) == ("secp384r1", "TLS_CHACHA20_POLY1305_SHA256")


def test_the_key_log_is_for_its_owner_only(www, tmp_path) -> None:
    path = tmp_path / "keys"
    assert run("connect", www.where, "--cafile", str(www.ca), "--json", "--keylog", str(path)).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert next(line.split()[0] for line in path.read_text().splitlines()) == "CLIENT_HANDSHAKE_TRAFFIC_SECRET"


def test_stdin_and_stdout_are_joined_and_the_end_of_stdin_half_closes(tmp_path, serve) -> None:
    with serve(tmp_path, "--echo") as served:
        done = run("connect", served.where, "--cafile", str(served.ca), stdin="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "one\ntwo\n"
    assert "verified        yes" in done.stderr
    assert served.process.returncode == 0
    assert served.said[-1].endswith("bye")


def fails(*arguments: str, code: int = 1) -> str:
    """The one line on stderr that a failure is."""
    done = run("connect", *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("tls13: ")
    return done.stderr


def test_each_failure_is_one_line_that_says_what_to_do(www, tmp_path) -> None:
    assert "issuer is not in the trust store" in fails(www.where)
    assert "it is for localhost" in fails(www.where, "--cafile", str(www.ca), "--sni", "other.example")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "nobody listens" in fails(f"localhost:{free.getsockname()[1]}")
    assert "unknown group" in fails(www.where, "--group", "nope", code=2)
    assert "not HOST" in fails("localhost:port", code=2)
    assert "no.such.file" in fails(www.where, "--cafile", "/no.such.file", code=2)
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    assert "holds no certificate" in fails(www.where, "--cafile", str(empty), code=2)


def test_a_server_that_does_not_speak_tls(tmp_path) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(2**16)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(2**16):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        said = fails(f"localhost:{listener.getsockname()[1]}")
        assert "does not speak TLS" in said
        assert "HTTP" in said
        thread.join()


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = fails(f"localhost:{silent.getsockname()[1]}", "--timeout", "0.2")
    assert "not complete after 0.2 seconds" in said


def write_pair(directory: Path, issued) -> tuple[str, str]:
    (directory / "cert.pem").write_bytes(issued.pem_chain)
    (directory / "key.pem").write_bytes(issued.pem_key)
    return str(directory / "cert.pem"), str(directory / "key.pem")


def test_an_expired_certificate(tmp_path, serve) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=4000)
    old = Authority.create(now=long_ago)
    certificate, key = write_pair(tmp_path, old.issue(["localhost"]))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.certificate_pem)
    with serve(tmp_path, "--cert", certificate, "--key", key) as served:
        assert "expired" in fails(served.where, "--cafile", str(trusted))
        done = run("connect", served.where, "--insecure", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["verified"] is False


def test_a_changed_certificate_is_taken_up(tmp_path, serve) -> None:
    authority = Authority.create(now=datetime.now(UTC))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.certificate_pem)
    certificate, key = write_pair(tmp_path, authority.issue(["localhost"]))

    def serial(served) -> str:
        facts = json.loads(run("connect", served.where, "--cafile", str(trusted), "--json").stdout)
        return facts["peer_chain"][0]["serial_number"]

    with serve(tmp_path, "--cert", certificate, "--key", key) as served:
        first = serial(served)
        (tmp_path / "cert.pem").write_text("half written")
        assert serial(served) == first
        write_pair(tmp_path, authority.issue(["localhost"]))
        assert serial(served) != first


def test_a_mistake_in_the_servers_files(tmp_path) -> None:
    authority = Authority.create(now=datetime.now(UTC))
    certificate, _ = write_pair(tmp_path, authority.issue(["localhost"]))
    other = tmp_path / "other"
    other.mkdir()
    _, key = write_pair(other, authority.issue(["localhost"]))
    done = run("serve", "--cert", certificate, "--key", key)
    assert done.returncode == 2
    assert "does not belong to the certificate" in done.stderr
    assert run("serve", "--cert", certificate).returncode == 2


def test_help_and_version(capsys) -> None:
    for arguments in (["--help"], ["--version"], ["connect", "--help"], ["serve", "--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert capsys.readouterr().out


def test_no_color_and_colours(monkeypatch) -> None:
    """Colours on a terminal only, and not where NO_COLOR is set."""
    import io

    from tls13.explain.terminal import Palette

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Palette(Terminal())("1", "x") == "\x1b[1mx\x1b[0m"
    assert Palette(io.StringIO())("1", "x") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Palette(Terminal())("1", "x") == "x"
    assert os.environ["NO_COLOR"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: command"),
        (["conect"], "invalid choice"),
        (["connect"], "required: HOST"),
        (["connect", "a..b"], "is not a host name"),
        (["connect", "x" * 70 + ".example"], "is not a host name"),
        (["connect", ""], "is not HOST"),
        (["connect", "[::1"], "is not HOST"),
        (["connect", "fe80::1:443000"], "is not an IPv6 address"),
        (["connect", "localhost:0"], "port from 1 to 65535"),
        (["connect", "localhost", "--sni", ""], "is not a host name"),
        (["connect", "localhost", "--timeout", "0"], "seconds above 0"),
        (["connect", "localhost", "--timeout", "nan"], "seconds above 0"),
        (["connect", "localhost", "--suite", "RC4"], "unknown cipher suite"),
        (["connect", "localhost", "--alpn", ""], "1 to 255 bytes"),
        (["connect", "localhost", "--http", "no-slash"], "starts with /"),
        (["connect", "localhost", "--keylog", "/no/such/directory/keys"], "cannot be written"),
        (["connect", "localhost", "--time", "3"], "unrecognized arguments"),
        (["serve", "--port", "70000"], "port from 0 to 65535"),
        (["serve", "--www", "/no/such/directory"], "not a directory"),
        (["serve", "--www", "/", "--echo"], "not allowed with"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, says, capsys) -> None:
    try:
        code = main(arguments)
    except SystemExit as leaving:
        code = leaving.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_the_json_object_always_has_the_same_keys(www, capsys) -> None:
    keys = []
    for arguments in ([www.where, "--cafile", str(www.ca)], [www.where], ["localhost:1"], ["localhost:no"]):
        main(["connect", *arguments, "--json"])
        facts = json.loads(capsys.readouterr().out)
        keys.append(set(facts) - {"error"})
    assert keys.count(keys[0]) == 4
    wanted = {"version", "cipher_suite", "group", "signature_scheme", "alpn", "peer_chain", "verified", "times_ms"}
    assert wanted <= keys[0]


def test_a_key_log_that_was_open_to_all_is_closed(www, tmp_path) -> None:
    path = tmp_path / "keys"
    path.write_text("# older\n")
    path.chmod(0o644)
    assert main(["connect", www.where, "--cafile", str(www.ca), "--json", "--keylog", str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("# older\nCLIENT_HANDSHAKE_TRAFFIC_SECRET ")


def test_a_reader_that_has_had_enough_is_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m tls13 demo | head -n 1", shell=True, capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("command", ["break --list", "explain --list", "demo", "--version"])
def test_standard_streams_that_the_caller_closed_are_no_traceback(command, closed, tmp_path) -> None:
    """`>&-` in a shell, and some daemons' way: Python has None there, and the next file opened would get the number."""
    redirections = " ".join(f"{stream}{'<' if stream == 0 else '>'}&-" for stream in closed)
    shell = f'exec "$0" -m tls13 {command} {redirections}'
    done = subprocess.run(["/bin/sh", "-c", shell, sys.executable], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert bool(done.stdout) == (1 not in closed)


def test_without_a_stdin_there_is_nothing_to_send(tmp_path, serve) -> None:
    with serve(tmp_path) as served:
        shell = f'exec "$0" -m tls13 connect {served.where} --cafile {served.ca} <&-'
        done = subprocess.run(["/bin/sh", "-c", shell, sys.executable], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (0, "", False), done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_the_demo_needs_only_ascii_and_100_columns(encoding) -> None:
    done = subprocess.run(
        [*TLS13, "demo"], capture_output=True, timeout=30, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 0
    assert max(len(line) for line in done.stdout.decode("ascii").splitlines()) <= 100


def test_the_demo_needs_no_network() -> None:
    """Not even the loopback interface: nothing is bound, connected or looked up."""
    code = (
        "import sys; used = []; sys.addaudithook(lambda event, _: used.append(event)); "
        "from tls13.cli import main; code = main(['demo']); "
        "sys.exit(code or sorted({'socket.bind', 'socket.connect', 'socket.getaddrinfo'}.intersection(used)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_does_not_load_what_it_does_not_need() -> None:
    code = "import sys, tls13.cli; tls13.cli.parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30).stdout.split()
    assert "tls13.config" in loaded
    assert not {"asyncio", "http.client", "tls13.io.sockets", "tls13.explain"} & set(loaded)


def test_trace_is_on_stderr_and_leaves_stdout_alone(www) -> None:
    done = run("connect", www.where, "--cafile", str(www.ca), "--json", "--trace")
    assert json.loads(done.stdout)["verified"] is True
    assert "ClientHello" in done.stderr


def test_what_the_peer_chose_in_a_failure_cannot_steer_a_terminal() -> None:
    from tls13.cli.advice import sentence
    from tls13.errors import WrongHost

    said = sentence(WrongHost("it is for \x1b]0;owned\x07\x1b[2J\u202e.example\n"))
    assert "owned" in said
    assert said.isprintable()
