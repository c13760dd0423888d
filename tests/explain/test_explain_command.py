"""tls13 explain: every way in (a server, a visitor, a capture, a document, a demo) and every way out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tls13
from tests.cli.conftest import Served
from tls13.cli import main
from tls13.explain.demos import VARIANTS, demo
from tls13.explain.pcapng import write_pcapng

VECTORS = str(Path(__file__).parents[1] / "vectors" / "rfc8448.json")


def told(capsys, *arguments: str, code: int = 0):
    """The Story as the command prints it."""
    assert main(["explain", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("served"), "--early-data", "1000") as one:
        yield one


# --- ways in ----------------------------------------------------------------------------------------------------------


def test_the_variants_are_listed(capsys) -> None:
    assert main(["explain", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(VARIANTS)


def test_a_demo(capsys) -> None:
    story = told(capsys, "--demo", "hello-retry")
    assert "HelloRetryRequest" in story["variant"]
    assert told(capsys, "--demo")["variant"][0] == "1-RTT"


def test_a_trace_of_rfc_8448(capsys) -> None:
    story = told(capsys, "--vectors", VECTORS, "resumed_0rtt")
    assert story["negotiated"]["early_data"] == "accepted"


def test_a_server_and_the_layer_beneath(capsys, served) -> None:
    story = told(capsys, served.where, "--cafile", str(served.ca))
    assert story["outcome"]["kind"] == "completed"
    assert story["chain"][-1]["role"] == "trust anchor"
    assert all(one["protection"] is None or one["protection"]["opened"] for one in story["records"])
    assert all(node["value"] is not None for node in story["schedule"])
    shown = dict(next(one for one in story["lessons"] if one["id"] == "forward-secrecy")["shown"])
    opened = shown["with the client's ephemeral private key"].split()
    assert opened[0] == opened[2]
    assert story["network"]
    assert story["server"].endswith(f":{served.port}")


def test_a_session_is_resumed_with_early_data(capsys, served, tmp_path) -> None:
    session, early = str(tmp_path / "session"), tmp_path / "early"
    early.write_bytes(b"hello again")
    there = [served.where, "--cafile", str(served.ca), "--resume", session]
    assert "1-RTT" in told(capsys, *there)["variant"]
    second = told(capsys, *there, "--early-data", str(early))
    assert {"resumption", "0-RTT accepted"} <= set(second["variant"])
    assert next(one for one in second["schedule"] if one["id"] == "psk")["value"]
    assert next(one for one in second["steps"] if one["name"] == "early data")["bytes"] == b"hello again".hex()


def test_a_server_that_is_not_believed_is_explained_and_the_exit_code_says_so(capsys, served) -> None:
    assert main(["explain", served.where, "--json"]) == 1
    captured = capsys.readouterr()
    story = json.loads(captured.out)
    assert story["outcome"] == {"kind": "alert", "text": "the client ended the connection with the alert unknown_ca"}
    assert captured.err.startswith("tls13: ")
    assert captured.err.removeprefix("tls13: ").strip() in story["notes"]


def test_nobody_there(capsys) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert main(["explain", f"127.0.0.1:{unused.getsockname()[1]}"]) == 1
    assert "nobody listens" in capsys.readouterr().err


@pytest.mark.parametrize("variant", ["1-rtt", "key-update"])
def test_a_capture_file_with_its_secrets_inside(capsys, tmp_path, variant) -> None:
    capture, file = demo(variant), tmp_path / "one.pcapng"
    with file.open("wb") as out:
        write_pcapng(capture, out)
    story = told(capsys, str(file))
    assert story["outcome"]["kind"] == "completed"
    assert all(one["protection"] is None or one["protection"]["opened"] for one in story["records"])
    assert next(one for one in story["schedule"] if one["id"] == "ecdhe")["value"] is None


def test_a_stream_that_is_not_there(capsys, tmp_path) -> None:
    file = tmp_path / "one.pcapng"
    with file.open("wb") as out:
        write_pcapng(demo("1-rtt"), out)
    assert main(["explain", str(file), "--stream", "7"]) == 2
    assert "numbered from 1 to 1" in capsys.readouterr().err


def test_a_visitor() -> None:
    """Another program comes to us: here our own client, in a thread."""
    listening = subprocess.Popen(
        [sys.executable, "-m", "tls13", "explain", "--listen", "0", "--json", "--ca-out", os.devnull],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = next(line for line in listening.stderr if "listening" in line)
    port = int(line.split(";")[0].rpartition(":")[2])
    answers: list[bytes] = []

    def visit() -> None:
        config = tls13.ClientConfig(verify=tls13.INSECURE_NO_VERIFICATION)
        with tls13.connect(("127.0.0.1", port), config, server_hostname="localhost") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answers.append(tls.recv())

    visitor = threading.Thread(target=visit)
    visitor.start()
    out, _ = listening.communicate(timeout=20)
    visitor.join()
    story = json.loads(out)
    assert listening.returncode == 0
    assert answers[0].startswith(b"HTTP/1.1 200")
    assert next(one for one in story["schedule"] if one["id"] == "ecdhe")["value"]  # from the server's own tracer
    assert story["negotiated"]["server_name"] == "localhost"


# --- ways out ---------------------------------------------------------------------------------------------------------


def test_lines_for_a_terminal(capsys) -> None:
    assert main(["explain", "--demo", "0-rtt"]) == 0
    out = capsys.readouterr().out
    assert "--> early data" in out
    assert "the handshake is complete" in out
    secret = demo("0-rtt").secrets["CLIENT_TRAFFIC_SECRET_0"][0]
    assert secret.hex() not in out


@pytest.mark.requirement("D33")
def test_a_page_with_secrets_is_for_its_owner_only(capsys, tmp_path) -> None:
    file = tmp_path / "page.html"
    file.write_text("an old one")
    file.chmod(0o644)
    assert main(["explain", "--demo", "-o", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("<!DOCTYPE html>") or "<html" in file.read_text()
    assert "secrets" in capsys.readouterr().err


def test_a_redacted_page_can_be_shared(capsys, tmp_path) -> None:
    file = tmp_path / "page.html"
    assert main(["explain", "--demo", "-o", str(file), "--redact"]) == 0
    assert file.stat().st_mode & 0o077
    assert "secrets" not in capsys.readouterr().err


def test_two_side_by_side(capsys, tmp_path) -> None:
    assert main(["explain", "--diff", "1-rtt", f"{VECTORS}:hello_retry_request", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["variant"][0], second["variant"][0]) == ("1-RTT", "HelloRetryRequest")
    file = tmp_path / "page.html"
    assert main(["explain", "--diff", "1-rtt", "resumption", "-o", str(file)]) == 0
    assert file.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give one of"),
        (["example.com", "--demo"], "give one of"),
        (["--demo", "telepathy"], "there is no demo 'telepathy'"),
        (["--vectors", VECTORS, "nothing"], "tls13: there is no trace 'nothing' in this file; it has simple_1rtt, "),
        (["--vectors", __file__, "x"], "no file of traces"),
        (["--vectors", "/nowhere", "x"], "/nowhere"),
        (["--demo", "-o", "/nowhere/page.html"], "/nowhere/page.html"),
        ([__file__], "neither a pcap nor a pcapng"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, words) -> None:
    assert main(["explain", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
