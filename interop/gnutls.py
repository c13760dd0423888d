"""GnuTLS: our client against `gnutls-serv`, `gnutls-cli` against our server.

Both programs write down what they negotiated, which is their account of the meeting.
"""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from tls13 import TLSSocket

from .confinement import PORT, confine
from .files import files_for, root_file
from .program import PATIENCE, Program
from .trial import HOST, PeerMissing, Trial, same

if TYPE_CHECKING:
    from collections.abc import Iterator

CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "AES-128-GCM",
    "TLS_AES_256_GCM_SHA384": "AES-256-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "TLS_AES_128_CCM_SHA256": "AES-128-CCM",
    "TLS_AES_128_CCM_8_SHA256": "AES-128-CCM-8",
}
"""GnuTLS's names."""


@cache
def version() -> str:
    """Raises PeerMissing if there is no GnuTLS."""
    try:
        done = subprocess.run(["gnutls-cli", "--version"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise PeerMissing("gnutls-cli is not installed") from None
    return done.stdout.splitlines()[0]


def meet(trial: Trial) -> None:
    """Handshake, data both ways, close_notify both ways. Raises Disagreement, or what we raise."""
    version()
    with (with_serv if trial.we_are_client else with_cli)(trial) as (program, sock):
        with TLSSocket(sock, trial.connection()) as tls:
            tls.do_handshake()
            trial.check(tls.session)
            from_us, from_peer = trial.payload(from_us=True) + b"\n", trial.payload(from_us=False) + b"\n"
            tls.sendall(from_us)
            program.wait_for(re.escape(from_us))
            if not trial.we_are_client:
                program.write(from_peer)
            same("the data that we received", receive(tls, len(from_us)), from_us if trial.we_are_client else from_peer)
            say_goodbye(tls, program, we_are_client=trial.we_are_client)
        check_account(program, trial)


def receive(tls: TLSSocket, size: int) -> bytes:
    """This many bytes, or what there is before close_notify."""
    received = bytearray()
    while len(received) < size and (data := tls.recv()):
        received += data
    return bytes(received)


def say_goodbye(tls: TLSSocket, program: Program, *, we_are_client: bool) -> None:
    """close_notify both ways; recv raises TruncatedStream if the stream ends without theirs. A `gnutls-cli` that hears
    ours first ends without a word, so it goes first: at the end of its input."""
    if we_are_client:
        tls.shutdown(socket.SHUT_WR)
        same("data after our close_notify", tls.recv(), b"")
    else:
        program.end_input()
        same("data after the end of the peer's input", tls.recv(), b"")
        tls.shutdown(socket.SHUT_WR)
        program.wait()


def check_account(program: Program, trial: Trial) -> None:
    """What GnuTLS says the handshake came to. Raises Disagreement."""
    said = program.wait_for(rb"- Description: \(TLS1\.3[^()]*\)-\(([^()]+)\)-\(([^()]+)\)-\(([^()]+)\)")
    group, scheme, cipher = (part.decode().lower() for part in said.groups())
    same("group, says the peer", group.removeprefix("ecdhe-").removeprefix("dhe-"), trial.group.name.lower())
    same("signature scheme, says the peer", scheme, sign_name(trial).lower())
    same("cipher suite, says the peer", cipher, CIPHERS[trial.suite.name].lower())


def sign_name(trial: Trial) -> str:
    """Of the signature scheme."""
    name = trial.scheme.name.upper().replace("_", "-")
    return "EDDSA-" + name.capitalize() if name.startswith("ED") else name.replace("RSA-PSS-PSS", "RSA-PSS")


def priority(trial: Trial, *, more: str = "") -> str:
    """Allows what the trial asks for and nothing else."""
    groups = trial.client_groups if not trial.we_are_client else [trial.group]
    words = ["NORMAL", "-VERS-ALL", "+VERS-TLS1.3", "-CIPHER-ALL", f"+{CIPHERS[trial.suite.name]}", "-GROUP-ALL"]
    words += [f"+GROUP-{group.name.upper()}" for group in groups]
    words += ["-SIGN-ALL", f"+SIGN-{sign_name(trial)}"]
    return ":".join(words) + more


@contextmanager
def with_serv(trial: Trial, *options: str) -> Iterator[tuple[Program, socket.socket]]:
    files = files_for(trial.scheme)
    command = ["gnutls-serv", "--echo", "--port", str(PORT), "--priority", priority(trial), "--disable-client-cert"]
    command += ["--x509certfile", str(files.chain), "--x509keyfile", str(files.key), *options]
    with confine(command) as (program, connect):
        yield program, connect()


@contextmanager
def with_cli(trial: Trial, *options: str) -> Iterator[tuple[Program, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        command = ["gnutls-cli", "--single-key-share", "--priority", priority(trial), "--x509cafile", str(root_file())]
        command += ["--verify-hostname", HOST, "--sni-hostname", HOST, "--port", str(listener.getsockname()[1])]
        with Program([*command, *options, "127.0.0.1"]) as program:
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            yield program, sock
