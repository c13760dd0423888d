"""NSS: our client against `selfserv`, `tstclnt` against our server.

NSS knows neither CCM nor x448 nor EdDSA. Its certificates live in a database, one for each scheme here. It does not
say which group was used; it was told only one.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from tls13 import TLSSocket

from .confinement import PORT, confine
from .files import NSS_LEAF, database_for, file_with
from .gnutls import receive
from .program import PATIENCE, Program
from .trial import HOST, PeerMissing, Trial, same

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITES = {
    "TLS_AES_128_GCM_SHA256": "128-bit AES-GCM",
    "TLS_AES_256_GCM_SHA384": "256-bit AES-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "256-bit CHACHA20POLY1305",
}
"""What NSS knows, and what it calls it."""
GROUPS = {"x25519": "x25519", "secp256r1": "P256", "secp384r1": "P384", "secp521r1": "P521"}

REQUEST = b"GET "
"""`selfserv` answers a request for a file that is not there with the request."""
END = b"\r\n\r\n"


@cache
def version() -> str:
    """Raises PeerMissing if there is no NSS."""
    if shutil.which("selfserv") is None or shutil.which("tstclnt") is None:
        raise PeerMissing("selfserv and tstclnt are not installed")
    if shutil.which("dpkg-query") is None:
        return "NSS"  # the programs themselves do not say
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libnss3-tools"], capture_output=True, text=True)
    return f"NSS {done.stdout.split(':')[-1].split('-')[0]}".strip()


def knows(trial: Trial) -> bool:
    """Whether NSS can do what the trial asks."""
    schemes = ("ecdsa_", "rsa_pss_")
    return trial.suite.name in SUITES and trial.group.name in GROUPS and trial.scheme.name.startswith(schemes)


def meet(trial: Trial) -> None:
    """Handshake, data both ways, close_notify both ways. Raises Disagreement, or what we raise."""
    version()
    with (with_selfserv if trial.we_are_client else with_tstclnt)(trial) as (program, sock):
        with TLSSocket(sock, trial.connection()) as tls:
            tls.do_handshake()
            trial.check(tls.session)
            (ask_selfserv if trial.we_are_client else talk_to_tstclnt)(trial, tls, program)
            tls.shutdown(socket.SHUT_WR)
            same("data after our close_notify", tls.recv(), b"")
        said = program.wait_for(rb"SSL version 3\.4 using (.*) with 128-bit AEAD MAC")[1].decode()
        same("cipher suite, says the peer", said, SUITES[trial.suite.name])


def ask_selfserv(trial: Trial, tls: TLSSocket, program: Program) -> None:
    """One request, which it repeats in its answer."""
    request = REQUEST + trial.payload(from_us=True) + END
    tls.sendall(request)
    answer = receive(tls, 2**16)  # to the end: it closes first
    same("the answer's end", answer.partition(END)[2], request + b"EOF" + END + b"\r\n")


def talk_to_tstclnt(trial: Trial, tls: TLSSocket, program: Program) -> None:
    """It sends its file, and writes down what it receives, until our close_notify."""
    same("the data that we received", receive(tls, trial.size), trial.payload(from_us=False))
    tls.sendall(trial.payload(from_us=True))
    program.wait_for(re.escape(trial.payload(from_us=True)))


@contextmanager
def with_selfserv(trial: Trial, *options: str) -> Iterator[tuple[Program, socket.socket]]:
    leaf = "-e" if trial.scheme.name.startswith("ecdsa") else "-n"
    command = ["selfserv", "-p", str(PORT), leaf, NSS_LEAF, *_common_options(trial), *options]
    with confine(command) as (program, connect):
        yield program, connect()


@contextmanager
def with_tstclnt(trial: Trial, *options: str) -> Iterator[tuple[Program, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        command = ["tstclnt", "-h", "127.0.0.1", "-p", str(listener.getsockname()[1]), "-a", HOST]
        if trial.scheme.name.startswith("rsa_pss_rsae"):
            command += ["-o"]  # its chain verifier wants RSA keys to be for key encipherment, which TLS 1.3 has not
        command += ["-A", str(file_with(trial.payload(from_us=False)))]  # at a pipe's end it does not end, but spins
        with Program([*command, *_common_options(trial), *options]) as program:
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            yield program, sock


def _common_options(trial: Trial) -> list[str]:
    groups = [trial.group] if trial.we_are_client else trial.client_groups
    options = ["-v", "-V", "tls1.3:tls1.3", "-d", database_for(trial.scheme), "-c", f":{trial.suite:04X}"]
    return [*options, "-I", ",".join(GROUPS[group.name] for group in groups), "-J", trial.scheme.name]
