"""The features of the `openssl` program: `s_server` for our client, `s_client` for our server."""

from __future__ import annotations

import re
import socket
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import tls13
from tls13 import NamedGroup, PskKeyExchangeMode, ReplayGuard, SealedTickets, SessionCache

from .. import openssl
from ..files import client_files, file_with, files_for, root_file, scratch
from ..program import Program
from ..trial import HOST, Trial, same
from .ours import (
    CLIENT,
    EARLY,
    FROM_PEER,
    FROM_US,
    LABEL,
    LENGTH,
    PSK_IDENTITY,
    PSK_KEY,
    SERVER,
    KeyLog,
    Line,
    ask_for_certificate,
    client,
    client_identity,
    client_line,
    exported,
    external_psk,
    listening,
    ocsp_response,
    server,
    server_line,
    stapling_identity,
    stored,
    trust,
)
from .registry import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Accept = Callable[[], socket.socket]

peer = Peer("openssl")

PSK = ("-psk", PSK_KEY.hex(), "-psk_identity", PSK_IDENTITY)
EXPORT = ("-keymatexport", LABEL, "-keymatexportlen", str(LENGTH))


@contextmanager
def s_server(*options: str) -> Iterator[tuple[Program, Callable[[], socket.socket]]]:
    """The program, and what connects to it. With `-nocert` among the options it shows no certificate."""
    openssl.version()
    files = files_for(CLIENT.scheme)
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-groups", "X25519:P-256"]
    if "-nocert" not in options:
        command += ["-cert", str(files.chain), "-cert_chain", str(files.chain), "-key", str(files.key)]
    with Program([*command, *options]) as program:
        port = int(program.wait_for(rb"ACCEPT 127\.0\.0\.1:(\d+)\n")[1])
        yield program, lambda: connect(port)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


@contextmanager
def s_client(listener: socket.socket, *options: str) -> Iterator[tuple[Program, socket.socket]]:
    openssl.version()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", "-tls1_3"]
    command += ["-servername", HOST, "-groups", "X25519:P-256"]
    if "-psk" not in options:
        command += ["-verify_return_error", "-verify_hostname", HOST, "-CAfile", str(root_file())]
    with Program([*command, *options]) as program:
        sock, _ = listener.accept()
        with sock:
            yield program, sock


def talk(line: Line, program: Program) -> None:
    """Data both ways."""
    line.send(FROM_US)
    program.wait_for(re.escape(FROM_US))
    program.write(FROM_PEER)
    line.receive(FROM_PEER)


# --- resumption -----------------------------------------------------------------------------------------------------


def resume_with_s_server(**first: object) -> None:
    sessions = SessionCache()
    with s_server() as (program, connect):
        with client_line(connect(), client(sessions=sessions, **first)) as line:
            line.handshake()
            line.until(tls13.TicketReceived, number=2)
            line.close()
        with client_line(connect(), client(sessions=sessions, **first)) as line:
            session = line.handshake()
            same("resumed, says our side", session.resumed, True)
            same("HelloRetryRequest, says our side", session.hello_retry_request, "groups" in first)
            talk(line, program)
            line.close()
        program.wait_for(b"Reused session-id")


peer.server("resumption")(resume_with_s_server)


@peer.server("resumption after HelloRetryRequest")
def _() -> None:
    groups = [NamedGroup.x448, NamedGroup.secp256r1]
    resume_with_s_server(groups=groups, key_shares=groups[:1])


def resume_with_s_client(*, retry: bool) -> None:
    config = server(groups=[NamedGroup.secp256r1]) if retry else server()
    with scratch() as here, listening() as listener:
        file = str(here / "session")
        get_session(listener, config, file)
        with s_client(listener, "-sess_in", file) as (program, sock), server_line(sock, config) as line:
            session = line.handshake()
            same("resumed, says our side", session.resumed, True)
            same("HelloRetryRequest, says our side", session.hello_retry_request, retry)
            talk(line, program)
            line.close()
            program.wait_for(b"Reused, TLSv1.3")


def get_session(listener: socket.socket, config: tls13.ServerConfig, file: str) -> None:
    """A full handshake with s_client, which writes what it needs to resume to the file."""
    with s_client(listener, "-sess_out", file) as (program, sock):
        with server_line(sock, config) as line:
            same("resumed, says our side", line.handshake().resumed, False)
            talk(line, program)
            line.close()
        program.wait()


peer.client("resumption")(partial(resume_with_s_client, retry=False))
peer.client("resumption after HelloRetryRequest")(partial(resume_with_s_client, retry=True))


# --- early data -----------------------------------------------------------------------------------------------------

EARLY_SERVER = ("-early_data", "-max_early_data", "16384")


@peer.server("0-RTT accepted")
def _() -> None:
    config = client(sessions=SessionCache())
    with s_server(*EARLY_SERVER) as (program, connect):
        session = get_ticket(program, connect, config)
        with client_line(connect(), config, session=session, early_data=EARLY) as line:
            same("early data, says our side", line.handshake().early_data, "accepted")
            line.until(tls13.EarlyDataAccepted)
            program.wait_for(re.escape(EARLY))
            talk(line, program)
            line.close()


@peer.server("0-RTT rejected")
def _() -> None:
    config = client(sessions=SessionCache())
    with s_server(*EARLY_SERVER) as (program, connect):
        session = get_ticket(program, connect, config)
    with (  # another server cannot open the ticket, and skips the early data
        s_server(*EARLY_SERVER) as (program, connect),
        client_line(connect(), config, session=session, early_data=EARLY) as line,
    ):
        same("early data, says our side", line.handshake().early_data, "rejected")
        same("resumed, says our side", line.handshake().resumed, False)
        line.until(tls13.EarlyDataRejected)
        talk(line, program)
        same("the peer has seen the early data", EARLY in program.output, False)
        line.close()


def get_ticket(
    program: Program, connect: Callable[[], socket.socket], config: tls13.ClientConfig
) -> tls13.StoredSession:
    with client_line(connect(), config) as line:
        line.handshake()
        session = stored(line)
        talk(line, program)
        line.close()
    return session


def accept_early_data(outcome: str) -> None:
    config = server(max_early_data=2**14, replay_guard=ReplayGuard(), tickets=SealedTickets())
    with scratch() as here, listening() as listener:
        file = str(here / "session")
        get_session(listener, config, file)
        if outcome == "rejected":
            config = config.replace(max_early_data=0)
        options = ("-sess_in", file, "-early_data", str(file_with(EARLY)))
        with s_client(listener, *options) as (program, sock), server_line(sock, config) as line:
            session = line.handshake()
            same("resumed, says our side", session.resumed, True)
            same("early data, says our side", session.early_data, outcome)
            same("the early data", bytes(line.early), EARLY if outcome == "accepted" else b"")
            talk(line, program)
            line.close()
            program.wait_for(f"Early data was {outcome}".encode())


peer.client("0-RTT accepted")(partial(accept_early_data, "accepted"))
peer.client("0-RTT rejected")(partial(accept_early_data, "rejected"))


# --- external PSKs --------------------------------------------------------------------------------------------------


def psk_with_s_server(modes: list[PskKeyExchangeMode], *options: str) -> None:
    config = client(psks=[external_psk()], require_psk=True, psk_key_exchange_modes=modes)
    with (
        s_server("-nocert", *PSK, *options) as (program, connect),
        client_line(connect(), config) as line,
    ):
        session = line.handshake()
        same("PSK, says our side", session.psk_identity, PSK_IDENTITY.encode())
        same("group, says our side", session.group, NamedGroup.x25519 if not options else None)
        talk(line, program)
        line.close()


peer.server("external PSK")(partial(psk_with_s_server, [PskKeyExchangeMode.psk_dhe_ke]))
peer.server("psk_ke")(partial(psk_with_s_server, [PskKeyExchangeMode.psk_ke], "-allow_no_dhe_kex"))


def psk_with_s_client(modes: list[PskKeyExchangeMode], *options: str) -> None:
    config = tls13.ServerConfig(None, psks=[external_psk()], psk_key_exchange_modes=modes)
    with (
        listening() as listener,
        s_client(listener, *PSK, *options) as (program, sock),
        server_line(sock, config) as line,
    ):
        session = line.handshake()
        same("PSK, says our side", session.psk_identity, PSK_IDENTITY.encode())
        same("group, says our side", session.group, NamedGroup.x25519 if not options else None)
        talk(line, program)
        line.close()


peer.client("external PSK")(partial(psk_with_s_client, [PskKeyExchangeMode.psk_dhe_ke]))
peer.client("psk_ke")(partial(psk_with_s_client, [PskKeyExchangeMode.psk_ke], "-allow_no_dhe_kex"))


# --- client certificates --------------------------------------------------------------------------------------------

VERIFIED = rb"depth=0 .*\nverify return:1"


@peer.server("client certificate")
def _() -> None:
    config = client(identities=client_identity())
    options = ("-Verify", "3", "-verify_return_error", "-CAfile", str(root_file()))
    with s_server(*options) as (program, connect), client_line(connect(), config) as line:
        line.handshake()
        talk(line, program)
        program.wait_for(VERIFIED)
        line.close()


@peer.server("post-handshake authentication")
def _() -> None:
    config = client(identities=client_identity(), post_handshake_auth=True)
    with s_server("-CAfile", str(root_file())) as (program, connect), client_line(connect(), config) as line:
        line.handshake()
        talk(line, program)
        program.write(b"c\n")
        line.until_true(lambda: re.search(VERIFIED, program.output) is not None, "a verified client")
        talk(line, program)
        line.close()


@peer.client("client certificate")
def _() -> None:
    with (
        listening() as listener,
        s_client(listener, *client_files().as_openssl) as (program, sock),
        server_line(sock, server(client_trust=trust())) as line,
    ):
        session = line.handshake()
        same("the client's certificate", session.peer_certificates, client_identity().chain)
        talk(line, program)
        line.close()


@peer.client("post-handshake authentication")
def _() -> None:
    config = server(client_trust=trust(), client_auth=tls13.ClientAuth.LATER)
    with (
        listening() as listener,
        s_client(listener, "-enable_pha", *client_files().as_openssl) as (program, sock),
        server_line(sock, config) as line,
    ):
        same("certificates in the handshake", line.handshake().peer_certificates, ())
        talk(line, program)
        same("the client's certificate", ask_for_certificate(line), client_identity().chain)
        talk(line, program)
        line.close()


# --- keys -----------------------------------------------------------------------------------------------------------


peer.server("KeyUpdate")(partial(openssl.meet_key_updates, CLIENT))
peer.client("KeyUpdate")(partial(openssl.meet_key_updates, SERVER))


@contextmanager
def connected(ours: Trial, key_log: KeyLog | None, *options: str) -> Iterator[tuple[Program, Line]]:
    """A connection of which there is nothing special."""
    if ours.we_are_client:
        with s_server(*options) as (program, connect), client_line(connect(), client(key_log=key_log)) as line:
            yield program, line
    else:
        with (
            listening() as listener,
            s_client(listener, *options) as (program, sock),
            server_line(sock, server(key_log=key_log)) as line,
        ):
            yield program, line


def export(ours: Trial) -> None:
    with connected(ours, None, *EXPORT) as (program, line):
        line.handshake()
        talk(line, program)
        theirs = program.wait_for(rb"Keying material: ([0-9A-F]{%d})\n" % (2 * LENGTH))[1].decode()
        same("keying material", exported(line).hex().upper(), theirs)
        line.close()


peer.server("exporter")(partial(export, CLIENT))
peer.client("exporter")(partial(export, SERVER))


def log_keys(ours: Trial) -> None:
    key_log = KeyLog()
    with scratch() as here:
        file = here / "keys"
        with connected(ours, key_log, "-keylogfile", str(file)) as (program, line):
            line.handshake()
            talk(line, program)
            line.close()
        key_log.compare(file.read_text())


peer.server("key log")(partial(log_keys, CLIENT))
peer.client("key log")(partial(log_keys, SERVER))


# --- OCSP -----------------------------------------------------------------------------------------------------------


@peer.server("OCSP stapling")
def _() -> None:
    with connected(CLIENT, None, "-status_file", str(file_with(ocsp_response()))) as (program, line):
        same("the response, says our side", line.handshake().ocsp_response, ocsp_response())
        talk(line, program)
        line.close()


@peer.client("OCSP stapling")
def _() -> None:
    with (
        listening() as listener,
        s_client(listener, "-status") as (program, sock),
        server_line(sock, server(identity=stapling_identity(), ocsp_stapling=True)) as line,
    ):
        line.handshake()
        talk(line, program)
        program.wait_for(b"OCSP Response Status: successful(.*\n)*.*Cert Status: good")
        line.close()
