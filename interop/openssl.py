"""The `openssl` program: our client against `openssl s_server`, `openssl s_client` against our server.

Another process, a real TCP connection, and OpenSSL's own account of what it saw: with -trace it writes down every
message that it sends and receives, and we read the suite, the group, the signature scheme, the KeyUpdates and the
close_notify of its side from there.
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tls13 import TLSSocket
from tls13.errors import OperationTimeout

from .files import files_for, root_file
from .program import PATIENCE, Program
from .trial import HOST, Disagreement, PeerMissing, Trial, same

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def version() -> str:
    """Raises PeerMissing if there is no `openssl`."""
    try:
        done = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise PeerMissing("openssl is not installed") from None
    return " ".join(done.stdout.split()[:2])


def meet(trial: Trial) -> None:
    """Handshake, data both ways at the same time, close_notify both ways. Raises Disagreement, or what we raise."""
    with _met(trial) as (program, tls, trace):
        trial.check(tls.session)
        program.write(trial.payload(from_us=False))
        sender = threading.Thread(target=tls.sendall, args=(trial.payload(from_us=True),), daemon=True)
        sender.start()
        received = _receive(tls, trial.size)
        sender.join(PATIENCE)
        same("the data that we received", received, trial.payload(from_us=False))
        _close(tls)
        if trial.payload(from_us=True) not in (output := program.wait()):
            raise Disagreement(f"the peer did not get our data: {output[-300:]!r}")
        Account.read(trace).check(trial)


def meet_key_updates(trial: Trial) -> None:
    """KeyUpdate, section 4.7.3, typed into the program: `K` asks for an answer, `k` does not; and data after each."""
    with _met(trial) as (program, tls, trace):
        for number, letter in enumerate((b"K", b"k", b"K")):
            program.write(letter + b"\n")
            # Only then the data: what it reads together with the letter, the program throws away.
            _wait_for_key_update(tls, number + 1)
            program.write(b"from the peer %d\n" % number)
            same("the data after a KeyUpdate", _receive(tls, 16), b"from the peer %d\n" % number)
            tls.sendall(b"from us %d\n" % number)
            program.wait_for(b"from us %d\n" % number)
        _close(tls)
        program.wait()
        account = Account.read(trace)
    account.check(trial)
    same("KeyUpdates that the peer sent", account.key_updates_sent, [1, 0, 1])
    same("KeyUpdates that the peer received", account.key_updates_received, [0, 0])


def _wait_for_key_update(tls: TLSSocket, number: int) -> None:
    """Read, though there is no data yet, until this many KeyUpdates have come."""
    tls.settimeout(0.01)
    deadline = time.monotonic() + PATIENCE
    while tls.connection.key_updates[1] < number:
        if time.monotonic() > deadline:
            raise Disagreement(f"KeyUpdate number {number} never came")
        with suppress(OperationTimeout):
            same("data before any was sent", tls.recv(), b"")
    tls.settimeout(PATIENCE)


def _receive(tls: TLSSocket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size and (data := tls.recv()):
        received += data
    return bytes(received)


def _close(tls: TLSSocket) -> None:
    """Our close_notify, and theirs: recv raises TruncatedStream if the stream ends without it."""
    tls.shutdown(socket.SHUT_WR)
    same("data after our close_notify", tls.recv(), b"")
    tls.close()  # the program waits for that, up to half a second


@contextmanager
def _met(trial: Trial) -> Iterator[tuple[Program, TLSSocket, Path]]:
    """The program, our side with its handshake complete, and the file where the program writes its account."""
    version()
    with tempfile.NamedTemporaryFile(prefix="tls13-interop-") as file:
        trace = Path(file.name)
        meeting = _with_s_server(trial, trace) if trial.we_are_client else _with_s_client(trial, trace)
        with meeting as (program, sock):
            sock.settimeout(PATIENCE)
            tls = TLSSocket(sock, trial.connection())
            try:
                tls.do_handshake()
                yield program, tls, trace
            finally:
                tls.close()


@contextmanager
def _with_s_server(trial: Trial, trace: Path) -> Iterator[tuple[Program, socket.socket]]:
    files = files_for(trial.scheme)
    with Program(
        [
            *("openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1"),
            *("-cert", str(files.chain), "-cert_chain", str(files.chain), "-key", str(files.key)),
            *("-groups", trial.group.name, *_common_options(trial, trace)),
        ]
    ) as program:
        port = int(program.wait_for(rb"ACCEPT 127\.0\.0\.1:(\d+)\n")[1])
        yield program, socket.create_connection(("127.0.0.1", port), PATIENCE)


@contextmanager
def _with_s_client(trial: Trial, trace: Path) -> Iterator[tuple[Program, socket.socket]]:
    groups = ":".join(group.name for group in trial.client_groups)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        with Program(
            [
                *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", HOST),
                *("-verify_return_error", "-verify_hostname", HOST, "-CAfile", str(root_file())),
                *("-groups", groups, *_common_options(trial, trace)),
            ]
        ) as program:
            sock, _ = listener.accept()
            yield program, sock


def _common_options(trial: Trial, trace: Path) -> list[str]:
    options = ["-tls1_3", "-ciphersuites", trial.suite.name, "-sigalgs", trial.scheme.name]
    options += ["-trace", "-msgfile", str(trace)]
    options += ["-cipher", "DEFAULT:@SECLEVEL=0"]  # CCM_8's tag is too short for OpenSSL's usual level
    if trial.fragment:
        options += ["-max_send_frag", str(max(512, trial.fragment))]
    return options


@dataclass(frozen=True)
class Account:
    """What the program wrote down. Numbers are code points."""

    hellos: list[tuple[int, int]]
    """Cipher suite and group of each ServerHello and HelloRetryRequest."""
    schemes: list[int]
    key_updates_sent: list[int]
    """The request_update of each."""
    key_updates_received: list[int]
    closed: set[str]
    """Who sent close_notify, as the program sees it: "Sent" and "Received"."""

    @classmethod
    def read(cls, trace: Path) -> Account:
        records = re.split(r"^(Sent|Received) (?:TLS )?Record\n", trace.read_text("latin-1"), flags=re.MULTILINE)[1:]
        pairs = list(zip(records[::2], records[1::2], strict=True))
        text = "".join(body for _, body in pairs)
        hellos = re.findall(
            r"ServerHello, .*?cipher_suite \{(0x\w\w), (0x\w\w)\}.*?NamedGroup: .*?\((\d+)\)", text, re.S
        )
        return cls(
            hellos=[(256 * int(high, 16) + int(low, 16), int(group)) for high, low, group in hellos],
            schemes=[int(code, 16) for code in re.findall(r"CertificateVerify, .*?\((0x\w+)\)", text, re.S)],
            key_updates_sent=_key_updates(pairs, "Sent"),
            key_updates_received=_key_updates(pairs, "Received"),
            closed={direction for direction, body in pairs if re.search(r"description=close notify", body)},
        )

    def check(self, trial: Trial) -> None:
        """Raises Disagreement unless the program saw what the trial asked."""
        same("hellos, says the peer", self.hellos, [(trial.suite, trial.group)] * (1 + trial.retry))
        same("signature schemes, says the peer", self.schemes, [trial.scheme])
        same("close_notify, says the peer", self.closed, {"Sent", "Received"})


def _key_updates(records: list[tuple[str, str]], wanted: str) -> list[int]:
    return [
        int(code)
        for direction, body in records
        if direction == wanted
        for code in re.findall(r"KeyUpdate, .*?\((\d)\)", body, re.S)
    ]
