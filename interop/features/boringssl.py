"""The features of BoringSSL: `bssl-tool server` for our client, `bssl-tool client` for our server.

Its client can greet as Chrome does: with GREASE (RFC 8701), its extensions in a new order each time, and an
encrypted_client_hello that nobody can open.

What is not here, the programs cannot be told, or do not do: neither sends a close_notify, neither begins a KeyUpdate
(both answer ours), the server asks for a client certificate without verifying it, and the client gives up when its
early data is rejected.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

import tls13
from tls13 import NamedGroup, ReplayGuard, SealedTickets, SessionCache

from ..confinement import PORT, confine
from ..files import client_files, file_with, files_for, root_file, scratch
from ..program import Program
from ..trial import HOST, PeerMissing, Trial, same
from .ours import (
    CLIENT,
    EARLY,
    FROM_PEER,
    FROM_US,
    SERVER,
    Line,
    client,
    client_identity,
    client_line,
    listening,
    meeting,
    ocsp_response,
    server,
    server_line,
    stapling_identity,
    stored,
    trust,
)
from .registry import Peer

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ..confinement import Connect

peer = Peer("boringssl")

AS_CHROME = ("-grease", "-permute-extensions", "-ech-grease", "-signed-certificate-timestamps", "-ocsp-stapling")


@cache
def version() -> str:
    """Raises PeerMissing if there is no BoringSSL."""
    if shutil.which("bssl-tool") is None:
        raise PeerMissing("bssl-tool (Debian's android-boringssl) is not installed")
    if shutil.which("dpkg-query") is None:
        return "BoringSSL"  # the program itself does not say
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "android-boringssl"], capture_output=True, text=True)
    return f"BoringSSL of Android {done.stdout.split('+')[0]}".strip()


@contextmanager
def bssl_server(*options: str) -> Iterator[tuple[Program, Connect]]:
    """The program, and what connects to it, one connection after the other."""
    version()
    files = files_for(CLIENT.scheme)
    command = ["bssl-tool", "server", "-accept", str(PORT), "-loop", "-key", str(files.key), "-cert", str(files.chain)]
    with confine([*command, *options]) as (program, connect):
        yield program, connect


@contextmanager
def bssl_client(listener: socket.socket, *options: str) -> Iterator[Program]:
    """The program, which has begun to connect, and verifies us."""
    version()
    command = ["bssl-tool", "client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", "-server-name", HOST]
    with Program([*command, "-root-certs", str(root_file()), *options]) as program:
        yield program


def connected(ours: Trial, *options: str, **changes: object) -> AbstractContextManager[tuple[Program, Line]]:
    """A connection of which there is nothing special."""
    serving = partial(bssl_server, *options)
    return meeting(ours, serving, lambda listener: bssl_client(listener, *options), **changes)


def talk(line: Line, program: Program) -> None:
    """Data both ways."""
    before = program.output.count(FROM_US)
    line.send(FROM_US)
    program.wait_for(b"(?s)" + b".*".join([re.escape(FROM_US)] * (before + 1)))
    program.write(FROM_PEER)
    line.receive(FROM_PEER)


# --- resumption, early data -----------------------------------------------------------------------------------------


def resume_with_server(*options: str, retry: bool = False, early: str | None = None) -> None:
    groups = [NamedGroup.x25519, NamedGroup.secp256r1]
    config = client(sessions=SessionCache(), groups=groups, key_shares=groups[:1])
    with bssl_server(*options) as (program, connect):
        with client_line(connect(), config) as line:
            line.handshake()
            talk(line, program)
            session = stored(line)
        early_data = EARLY if early else b""
        with client_line(connect(), config, session=session, early_data=early_data) as line:
            again = line.handshake()
            same("resumed, says our side", again.resumed, True)
            same("HelloRetryRequest, says our side", again.hello_retry_request, retry)
            same("early data, says our side", again.early_data, early)
            talk(line, program)
            same("the peer has seen the early data", EARLY in program.output, early == "accepted")
        program.wait_for(b"Resumed session: yes")


peer.server("resumption")(resume_with_server)
peer.server("resumption after HelloRetryRequest")(partial(resume_with_server, "-curves", "P-256", retry=True))
peer.server("0-RTT accepted")(partial(resume_with_server, "-early-data", early="accepted"))


@peer.server("0-RTT rejected")
def _() -> None:
    config = client(sessions=SessionCache())
    with bssl_server("-early-data") as (program, connect), client_line(connect(), config) as line:
        line.handshake()
        talk(line, program)
        session = stored(line)
    with (  # another server cannot open the ticket
        bssl_server("-early-data") as (program, connect),
        client_line(connect(), config, session=session, early_data=EARLY) as line,
    ):
        same("early data, says our side", line.handshake().early_data, "rejected")
        talk(line, program)
        same("the peer has seen the early data", EARLY in program.output, False)


def resume_with_client(*options: str, retry: bool = False, early: str | None = None) -> None:
    config = server(tickets=SealedTickets(), max_early_data=2**14, replay_guard=ReplayGuard())
    if retry:
        config = config.replace(groups=[NamedGroup.secp384r1])
    with scratch() as here, listening() as listener:
        get_session(listener, config, here / "session")
        send = ("-early-data", f"@{file_with(EARLY)}") if early else ()
        with bssl_client(listener, "-session-in", str(here / "session"), *send, *options) as program:
            with server_line(listener.accept()[0], config) as line:
                session = line.handshake()
                same("resumed, says our side", session.resumed, True)
                same("HelloRetryRequest, says our side", session.hello_retry_request, retry)
                same("early data, says our side", session.early_data, early)
                same("the early data", bytes(line.early), EARLY if early else b"")
                talk(line, program)
            program.wait_for(b"Resumed session: yes")
            if early:
                program.wait_for(b"Early data: yes")


def get_session(listener: socket.socket, config: tls13.ServerConfig, file: Path) -> None:
    """A full handshake with the program, which writes what it needs to resume to the file."""
    with (
        bssl_client(listener, "-session-out", str(file)) as program,
        server_line(listener.accept()[0], config) as line,
    ):
        same("resumed, says our side", line.handshake().resumed, False)
        talk(line, program)
        same("a session was saved", file.stat().st_size > 0, True)


peer.client("resumption")(resume_with_client)
peer.client("resumption after HelloRetryRequest")(partial(resume_with_client, retry=True))
peer.client("0-RTT accepted")(partial(resume_with_client, early="accepted"))


# --- what Chrome sends ----------------------------------------------------------------------------------------------


@peer.client("GREASE")
def _() -> None:
    """Through a HelloRetryRequest and a resumption too: the second ClientHello repeats what the first one greased."""
    resume_with_client(*AS_CHROME, retry=True)
    options = (*AS_CHROME, "-alpn-protos", "h2,http/1.1")
    with connected(SERVER, *options, alpn_protocols=["http/1.1"]) as (program, line):
        same("application protocol", line.handshake().alpn_protocol, b"http/1.1")
        talk(line, program)
        program.wait_for(b"ALPN protocol: http/1.1")


# --- certificates and keys ------------------------------------------------------------------------------------------


@peer.server("client certificate")
def _() -> None:
    with connected(CLIENT, "-require-any-client-cert", identities=client_identity()) as (program, line):
        talk(line, program)
        program.wait_for(b"Cert subject: CN = client.example")


@peer.client("client certificate")
def _() -> None:
    files = client_files()
    options = ("-cert", str(files.certificate), "-key", str(files.key))
    with connected(SERVER, *options, client_trust=trust()) as (program, line):
        same("the client's certificate", line.handshake().peer_certificates, client_identity().chain)
        talk(line, program)


@peer.server("OCSP stapling")
def _() -> None:
    with connected(CLIENT, "-ocsp-response", str(file_with(ocsp_response()))) as (program, line):
        same("the response, says our side", line.handshake().ocsp_response, ocsp_response())
        talk(line, program)


@peer.client("OCSP stapling")
def _() -> None:
    with connected(SERVER, "-ocsp-stapling", identity=stapling_identity(), ocsp_stapling=True) as (program, line):
        talk(line, program)
        program.wait_for(b"OCSP staple: yes")


def rekey(ours: Trial) -> None:
    with connected(ours) as (program, line):
        for number in (1, 2):
            line.connection.update_keys(request_peer=True)
            talk(line, program)
            same("KeyUpdates", line.connection.key_updates, (number, number))


peer.server("KeyUpdate")(partial(rekey, CLIENT))
peer.client("KeyUpdate")(partial(rekey, SERVER))
