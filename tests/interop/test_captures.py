"""Wireshark's programs judge our captures, and make others for us to read.

What we write, tshark opens and decrypts without being told any key, and finds nothing to complain about. What
dumpcap, editcap and openssl make, we read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tls13
from interop import wireshark
from interop.program import Program
from interop.trial import HOST, Trial
from tls13 import AlertDescription, NamedGroup
from tls13.explain.capture import Capture, Segment
from tls13.explain.pcap import read_capture
from tls13.explain.pcapng import write_pcapng
from tls13.lab.authority import Authority
from tls13.wire.registry import HandshakeType

pytestmark = pytest.mark.interop

FROM_CLIENT, FROM_SERVER = b"what the client says", bytes(range(256)) * 300
IN_MEMORY = ("", "")
ENDS = [IN_MEMORY, ("192.0.2.77:50000", "198.51.100.1:12345"), ("[2001:db8::1]:50000", "[2001:db8::2]:443")]
OTHERS = tls13.TrustStore.from_certificates([Authority.create(now=datetime.now(UTC)).certificate])
ORDINARY = ("(Chat/", "connection closing]")
"""Expert information on every SYN and FIN there is."""


def run(*command: object) -> str:
    try:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("tshark is not installed")
    assert done.returncode == 0, done.stderr
    return done.stdout


def fields(path: Path, name: str) -> list[str]:
    """Every value of a field of tshark's, which is told of no key log."""
    command = ["tshark", "-r", path, "-o", "tls.keylog_file:", "-T", "fields", "-e", name, "-E", "aggregator=,"]
    return [value for line in run(*command).splitlines() for value in line.split(",") if value]


def messages(path: Path) -> list[str]:
    return [HandshakeType(int(code)).name for code in fields(path, "tls.handshake.type")]


def complaints(path: Path) -> list[str]:
    """Of any layer: lengths, checksums, sequence numbers, records that do not open."""
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    told = run("tshark", "-r", path, *checks, "-Y", "_ws.expert || _ws.malformed", "-V").splitlines()
    told = [line.strip() for line in told if "Expert Info" in line or "Malformed" in line]
    return [line for line in told if not any(one in line for one in ORDINARY)]


class Recording:
    """A connection between two of ours, with what it takes to write it down."""

    def __init__(self, *, client=(), server=(), trial: Trial | None = None, **more) -> None:
        trial = trial or Trial(True)
        self.log: list[str] = []
        config = trial.client_config().replace(**dict(client), key_log=self.log.append)
        self.client = tls13.ClientConnection(config, server_hostname=HOST, port=443, **more)
        self.server = tls13.ServerConnection(trial.server_config().replace(**dict(server)))
        self.tap = wireshark.Tap(self.client, self.server)
        self.tap.carry()

    def talk(self) -> None:
        for side, data in ((self.client, FROM_CLIENT), (self.server, FROM_SERVER)):
            side.send_data(data)
            self.tap.carry()

    def close(self) -> None:
        for side in (self.client, self.server):
            side.close()
            self.tap.carry()

    def write(self, path: Path, ends: tuple[str, str] = IN_MEMORY) -> Path:
        segments = [Segment(way, number / 1000, data) for number, (way, data) in enumerate(self.tap.segments)]
        secrets: dict[str, list[bytes]] = {}
        for label, _, secret in map(str.split, self.log):
            secrets.setdefault(label, []).append(bytes.fromhex(secret))
        with path.open("wb") as file:
            write_pcapng(Capture(segments, secrets, "", *ends, [], None, []), file, began=1_790_000_000)
        return path


@pytest.mark.parametrize("ends", ENDS, ids=["in memory", "IPv4", "IPv6"])
def test_wireshark_decrypts_it_by_itself_and_has_nothing_to_complain_about(tmp_path, ends):
    made = Recording()
    made.talk()
    made.client.update_keys(request_peer=True)
    made.talk()
    made.server.update_keys()
    made.talk()
    made.close()
    path = made.write(tmp_path / "ours.pcapng", ends)
    assert [one for one in messages(path) if one != "new_session_ticket"] == [
        "client_hello",
        "server_hello",
        "encrypted_extensions",
        "certificate",
        "certificate_verify",
        "finished",
        "finished",
        *["key_update"] * 3,
    ]
    assert fields(path, "tls.alert_message.desc") == [str(int(AlertDescription.close_notify))] * 2
    assert followed(path) == {True: FROM_CLIENT * 3, False: FROM_SERVER * 3}
    assert complaints(path) == []


def followed(path: Path) -> dict[bool, bytes]:
    """tshark's "follow": its lines for node 1 begin with a tab. Ports of clients are the highest ones."""
    head, text = re.split(
        r"^Node 1: .*\n", run("tshark", "-r", path, "-q", "-z", "follow,tls,raw,0"), flags=re.MULTILINE
    )
    node_0_is_client = int(head.rstrip().rpartition(":")[2]) >= 49152
    data = {True: b"", False: b""}
    for line in text.splitlines():
        if not line.startswith("="):
            data[line.startswith("\t") != node_0_is_client] += bytes.fromhex(line.strip())
    return data


def test_hello_retry_request(tmp_path):
    made = Recording(trial=Trial(True, group=NamedGroup.secp384r1, retry=True))
    made.talk()
    path = made.write(tmp_path / "ours.pcapng")
    assert messages(path)[:4] == ["client_hello", "server_hello"] * 2
    assert followed(path) == {True: FROM_CLIENT, False: FROM_SERVER}
    assert complaints(path) == []


def test_resumption_and_early_data(tmp_path):
    client = {"sessions": tls13.SessionCache()}
    server = {"tickets": tls13.SealedTickets(), "max_early_data": 1000, "replay_guard": tls13.ReplayGuard()}
    Recording(client=client, server=server)
    again = Recording(client=client, server=server, early_data=b"early")
    assert again.client.session.early_data == "accepted"
    again.talk()
    path = again.write(tmp_path / "ours.pcapng")
    assert "end_of_early_data" in messages(path)
    assert "certificate" not in messages(path)
    assert followed(path) == {True: b"early" + FROM_CLIENT, False: FROM_SERVER}
    assert complaints(path) == []


def test_a_handshake_that_failed(tmp_path):
    """Its handshake secrets open the server's flight and the client's alert."""
    log: list[str] = []
    nobody = Trial(True).client_config().replace(trust=OTHERS, key_log=log.append)
    client = tls13.ClientConnection(nobody, server_hostname=HOST)
    server = tls13.ServerConnection(Trial(True).server_config())
    made = Recording.__new__(Recording)
    made.log, made.tap = log, wireshark.Tap(client, server)
    with pytest.raises(tls13.CertificateError):
        made.tap.carry()
    made.tap.segments.append((True, client.data_to_send()))
    path = made.write(tmp_path / "ours.pcapng")
    assert messages(path)[-1] == "finished"
    assert fields(path, "tls.alert_message.desc") == [str(int(AlertDescription.unknown_ca))]
    assert complaints(path) == []


# --- captures of others -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pcap", "nsecpcap", "pcapng"])
def test_editcap_s_formats(tmp_path, form):
    """Written by Wireshark itself, from a file of ours."""
    made = Recording()
    made.talk()
    path = tmp_path / f"theirs.{form}"
    run("editcap", "-F", form, made.write(tmp_path / "ours.pcapng"), path)
    (capture,) = read_capture(path.read_bytes(), "\n".join(made.log))
    assert [b"".join(one.data for one in capture.segments if one.to_server is way) for way in (True, False)] == [
        b"".join(data for from_client, data in made.tap.segments if from_client is way) for way in (True, False)
    ]
    assert {label: secret.hex() for label, (secret,) in capture.secrets.items()} == {
        label: secret for label, _, secret in map(str.split, made.log)
    }
    assert capture.notes == []


# --- curl, this kernel's packets, and `tls13 serve --pcapng` ----------------------------------------------------------


class Wire:
    """All frames of the loopback interface, as the kernel hands them out: each twice, as sent and as received."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        except (AttributeError, PermissionError):
            pytest.skip("this system does not let us capture packets")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self._socket.bind(("lo", 0))
        self._socket.setblocking(False)

    def pcap(self) -> bytes:
        """What has come so far; on loopback a packet is there as soon as it is sent."""
        file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 2**18, 1)
        with self._socket, contextlib.suppress(BlockingIOError):
            while True:
                frame = self._socket.recv(2**18)
                file += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
        return file


def test_curl_s_connection_in_this_kernel_s_packets_and_in_the_server_s_capture(tmp_path):
    """Two ways to the same bytes: Ethernet frames with curl's key log, and what `serve --pcapng` made up."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    ours, keys, ca = tmp_path / "served.pcapng", tmp_path / "keys", tmp_path / "ca.pem"
    (tmp_path / "file").write_bytes(FROM_SERVER)
    command = [sys.executable, "-m", "tls13", "serve", "--port", "0", "--ca-out", ca, "--www", tmp_path]
    with Program([*map(str, command), "--pcapng", str(ours)]) as server:
        port = int(server.wait_for(rb"listening on .*:(\d+)")[1])
        wire = Wire()
        url = f"https://localhost:{port}/file"
        environment = {**os.environ, "SSLKEYLOGFILE": str(keys)}
        subprocess.run(["curl", "-sS", "--cacert", ca, "-o", tmp_path / "got", url], check=True, env=environment)
        frames = wire.pcap()
    assert (tmp_path / "got").read_bytes() == FROM_SERVER
    (theirs,) = read_capture(frames, keys.read_text(), port=port)
    (made_up,) = read_capture(ours.read_bytes(), None)
    assert theirs.notes == []
    assert theirs.secrets == {label: made_up.secrets[label] for label in theirs.secrets}
    assert (theirs.client, theirs.server) == (made_up.client, made_up.server)
    for to_server in (True, False):
        one, other = (
            b"".join(one.data for one in capture.segments if one.to_server is to_server)
            for capture in (theirs, made_up)
        )
        assert one.startswith(other) or other.startswith(one)
        assert abs(len(one) - len(other)) <= 24  # curl may have gone before the server's close_notify
    assert messages(ours)[:2] == ["client_hello", "server_hello"]
    assert "finished" in messages(ours)
    assert complaints(ours) == []
    assert followed(ours)[False].endswith(FROM_SERVER)
