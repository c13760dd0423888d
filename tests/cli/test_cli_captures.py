"""`--pcapng` on every command, and what is said of the layer beneath."""

from __future__ import annotations

import json
import stat
import sys

import pytest

from tls13.cli import main
from tls13.explain.pcap import read_capture

SECRETS = {
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
}


@pytest.fixture(scope="module")
def www(serve, tmp_path_factory):
    directory = tmp_path_factory.mktemp("captures")
    (directory / "www").mkdir()
    (directory / "www" / "hello.txt").write_text("hello")
    with serve(directory, "--www", str(directory / "www")) as served:
        yield served


def sizes(capture) -> tuple[int, int]:
    up, down = (sum(len(one.data) for one in capture.segments if one.to_server is way) for way in (True, False))
    return up, down


def test_connect_writes_its_connection_down(www, tmp_path, capsys):
    path, log = tmp_path / "capture.pcapng", tmp_path / "keys"
    arguments = [www.where, "--cafile", str(www.ca), "--http", "/hello.txt", "--json", "--keylog", str(log)]
    assert main(["connect", *arguments, "--pcapng", str(path)]) == 0
    facts = json.loads(capsys.readouterr().out)
    (capture,) = read_capture(path.read_bytes(), None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sizes(capture) == (facts["bytes"]["sent"], facts["bytes"]["received"])
    assert (capture.client, capture.server) == (facts["network"]["client"], f"127.0.0.1:{www.port}")
    assert set(capture.secrets) == SECRETS
    assert capture.secrets == read_capture(path.read_bytes(), log.read_text())[0].secrets
    assert capture.notes == []


def test_serve_writes_every_connection_down(serve, tmp_path, capsys):
    path = tmp_path / "served.pcapng"
    with serve(tmp_path, "--www", str(tmp_path), "--pcapng", str(path)) as served:
        facts = []
        for _ in range(3):
            main(["connect", served.where, "--cafile", str(served.ca), "--http", "/ca.pem", "--json"])
            facts.append(json.loads(capsys.readouterr().out))
        assert len(read_capture(path.read_bytes(), None)) == 3  # while it runs
    found = read_capture(path.read_bytes(), None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(set(one.secrets) == SECRETS for one in found)
    for capture, one in zip(found, facts, strict=True):
        up, down = sizes(capture)
        assert up == one["bytes"]["sent"]
        assert down - one["bytes"]["received"] in (0, 24)  # the client may not have waited for the close_notify
    assert [one.client for one in found] == [one["network"]["client"] for one in facts]


def test_the_demo_writes_itself_down(tmp_path, capsys):
    path = tmp_path / "demo.pcapng"
    assert main(["demo", "--pcapng", str(path)]) == 0
    capsys.readouterr()
    (capture,) = read_capture(path.read_bytes(), None)
    assert set(capture.secrets) == SECRETS


def test_a_handshake_that_fails_is_written_down_to_its_alert(www, tmp_path, capsys):
    path = tmp_path / "capture.pcapng"
    assert main(["connect", www.where, "--pcapng", str(path)]) == 1
    capsys.readouterr()
    (capture,) = read_capture(path.read_bytes(), None)
    assert set(capture.secrets) == {label for label in SECRETS if "HANDSHAKE" in label}
    assert capture.segments[-1].to_server
    assert len(capture.segments[-1].data) == 5 + 1 + 2 + 16  # a record with the alert


def test_a_capture_that_cannot_be_written_is_found_before_anything_is_sent(capsys):
    assert main(["connect", "localhost:1", "--pcapng", "/no/such/directory/x"]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_three_times_and_the_layer_beneath(www, host, capsys):
    """--json: the name lookup is not TCP's; an address needs none."""
    main(["connect", f"{host}:{www.port}", "--cafile", str(www.ca), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["times_ms"]) == ["dns", "tcp", "tls"]
    assert (facts["times_ms"]["dns"] is None) == (host == "127.0.0.1")
    assert facts["network"]["times_ms"] == facts["times_ms"]
    assert {what for what, _ in facts["network"]["verdicts"]} >= {"Nagle"}
    if sys.platform == "linux":
        assert facts["network"]["tcp_info"]["least_rtt"] < 1000
        assert {what for what, _ in facts["network"]["verdicts"]} >= {"delayed ACK", "slow start", "loss"}


def test_trace_tells_of_the_layer_beneath(www, capsys):
    main(["connect", www.where, "--cafile", str(www.ca), "--http", "/hello.txt", "--trace"])
    told = capsys.readouterr().err
    assert "the layer beneath" in told
    assert "TLS handshake" in told
    assert "Nagle" in told
    main(["connect", www.where, "--cafile", str(www.ca), "--http", "/hello.txt"])
    assert "the layer beneath" not in capsys.readouterr().err
