"""A matrix that cannot fail proves nothing: a trial notices what did not go as it asked."""

from __future__ import annotations

import dataclasses
import socket
import sys

import pytest

from interop import openssl, program, pyopenssl
from interop.confinement import PORT, confine
from interop.matrix import COMBINATIONS, Cell, Report
from interop.program import Program
from interop.trial import Disagreement, PeerMissing, Trial
from tls13 import CipherSuite, NamedGroup, SignatureScheme

ASKED = Trial(True)
SERVER = f"""
import socket
with socket.create_server(("", {PORT})) as listener:
    sock, _ = listener.accept()
    sock.sendall(b"inside")
    sock.close()
"""


@pytest.mark.parametrize(
    "other",
    [
        {"suite": CipherSuite.TLS_AES_256_GCM_SHA384},
        {"group": NamedGroup.x448},
        {"scheme": SignatureScheme.ed25519},
        {"retry": True},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_we_negotiated_is_compared_with_what_was_asked(other):
    wire = pyopenssl.Wire(ASKED.connection(), pyopenssl.Peer(ASKED), None)
    wire.carry()
    ASKED.check(wire.ours.session)
    with pytest.raises(Disagreement):
        dataclasses.replace(ASKED, **other).check(wire.ours.session)


def test_the_peers_account_is_compared_with_what_was_asked():
    account = openssl.Account([(0x1301, 29)], [0x0403], [], [], {"Sent", "Received"})
    account.check(ASKED)
    with pytest.raises(Disagreement, match="close_notify"):
        dataclasses.replace(account, closed={"Sent"}).check(ASKED)
    with pytest.raises(Disagreement, match="signature"):
        dataclasses.replace(account, schemes=[]).check(ASKED)
    with pytest.raises(Disagreement, match="hellos"):
        dataclasses.replace(account, hellos=[]).check(ASKED)


def test_a_failure_is_in_the_report_with_its_reason_and_a_missing_peer_is_not_a_success():
    def fail(trial):
        raise Disagreement("they spoke of different things")

    def miss(trial):
        raise PeerMissing("nobody is here")

    report = Report()
    report.run(Cell("one", COMBINATIONS, ASKED, fail))
    report.run(Cell("two", COMBINATIONS, ASKED, miss))
    assert "they spoke of different things" in report.failures[0]
    text = "\n".join(report.lines())
    assert "0 met, 1 failed, 1 left out" in text
    assert "nobody is here" in text


def test_a_program_that_ends_too_early_is_a_failure_and_one_that_is_not_there_is_missing():
    with Program([sys.executable, "-c", "print('something else')"]) as it:
        with pytest.raises(Disagreement, match="something else"):
            it.wait_for(b"ACCEPT")
        it.wait()
    with pytest.raises(PeerMissing):
        Program(["a-program-that-nobody-has"])


def test_a_program_is_reaped_whatever_happens_and_hears_all_that_it_was_told():
    with Program(
        [sys.executable, "-c", "import sys; print(len(sys.stdin.buffer.read(10**6)), flush=True); input()"]
    ) as it:
        it.write(bytes(10**6 - 1))
        it.write(b"x")
        it.wait_for(rb"1000000\n")
    assert it._process.returncode is not None


def test_a_program_that_never_stops_talking_is_ended(monkeypatch):
    """tstclnt, at the end of a pipe, filled ten gigabytes of memory with its polling once."""
    monkeypatch.setattr(program, "MOST_OUTPUT", 2**20)
    with Program(["yes"]) as it:
        output = it.wait()
    assert 2**20 < len(output) < 2**24


@pytest.mark.interop
def test_a_confined_program_is_reached_through_its_door_and_from_nowhere_else():
    try:
        with confine([sys.executable, "-c", SERVER]) as (it, connect):
            with connect() as sock:
                assert sock.recv(100) == b"inside"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", PORT), 5)
            it.wait()
    except PeerMissing as missing:
        pytest.skip(str(missing))
