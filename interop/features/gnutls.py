"""The features of GnuTLS: `gnutls-serv` for our client, `gnutls-cli` for our server."""

from __future__ import annotations

import os
import re
from base64 import encodebytes
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import tls13
from tls13 import NamedGroup, PskKeyExchangeMode, ReplayGuard, SealedTickets, SessionCache
from tls13.trust.raw_keys import RawPublicKey

from .. import gnutls
from ..confinement import PORT, confine
from ..files import client_files, file_with, files_for, root_file, scratch
from ..program import Program
from ..trial import HOST, Trial, issued_for, same
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

    from ..confinement import Connect

peer = Peer("gnutls")

PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
EXPORT = ("--keymatexport", LABEL, "--keymatexportsize", str(LENGTH))
MODES = {PskKeyExchangeMode.psk_dhe_ke: ":+ECDHE-PSK", PskKeyExchangeMode.psk_ke: ":+PSK:-ECDHE-PSK:-DHE-PSK"}


@contextmanager
def serv(
    *options: str, priority: str = PRIORITY, env: dict[str, str] | None = None
) -> Iterator[tuple[Program, Connect]]:
    """The program, and what connects to it. It sends each line back."""
    gnutls.version()
    files = files_for(CLIENT.scheme)
    command = ["gnutls-serv", "--echo", "--port", str(PORT), "--priority", priority]
    if not {"--pskpasswd", "--rawpkfile"} & set(options):
        command += ["--x509certfile", str(files.chain), "--x509keyfile", str(files.key)]
    if "--x509cafile" not in options:
        command += ["--disable-client-cert"]
    with confine([*command, *options], env=env) as (program, connect):
        yield program, connect


@contextmanager
def cli(
    listener: socket.socket, *options: str, priority: str = PRIORITY, env: dict[str, str] | None = None
) -> Iterator[Program]:
    """The program, which has begun to connect."""
    gnutls.version()
    command = ["gnutls-cli", "--priority", priority, "--port", str(listener.getsockname()[1]), "--sni-hostname", HOST]
    if "--pskusername" not in options:
        command += ["--x509cafile", str(root_file()), "--verify-hostname", HOST]
    with Program([*command, *options, "127.0.0.1"], env=None if env is None else {**os.environ, **env}) as program:
        yield program


def connected(
    ours: Trial, *options: str, env: dict[str, str] | None = None, **changes: object
) -> AbstractContextManager[tuple[Program, Line]]:
    """A connection of which there is nothing special."""
    serving = partial(serv, *options, env=env)
    return meeting(ours, serving, lambda listener: cli(listener, *options, env=env), **changes)


def talk(line: Line, program: Program, *, we_are_client: bool) -> None:
    """Data both ways."""
    line.send(FROM_US)
    program.wait_for(re.escape(FROM_US.strip()))
    if not we_are_client:
        program.write(FROM_PEER)
    line.receive(FROM_US if we_are_client else FROM_PEER)


def finish(line: Line, program: Program, *, we_are_client: bool) -> None:
    """Data and close_notify, both ways. `gnutls-cli` has to close first."""
    talk(line, program, we_are_client=we_are_client)
    if not we_are_client:
        program.end_input()
        line.until(tls13.PeerClosed)
    line.close()


# --- resumption, early data -----------------------------------------------------------------------------------------


def resume_with_serv(*options: str, retry: bool = False, early: str | None = None) -> None:
    """`early`: what is to become of early data; None: send none."""
    ours = client(sessions=SessionCache())
    priority = PRIORITY
    if retry:
        ours = ours.replace(groups=[NamedGroup.x25519, NamedGroup.secp256r1], key_shares=[NamedGroup.x25519])
        priority += ":-GROUP-ALL:+GROUP-SECP256R1"
    with serv(*options, priority=priority) as (program, connect):
        with client_line(connect(), ours) as line:
            line.handshake()
            stored(line)
            finish(line, program, we_are_client=True)
        with client_line(connect(), ours, early_data=EARLY if early else None) as line:
            session = line.handshake()
            same("resumed, says our side", session.resumed, True)
            same("HelloRetryRequest, says our side", session.hello_retry_request, retry)
            same("early data, says our side", session.early_data, early)
            if early == "accepted":
                line.until(tls13.EarlyDataAccepted)  # it takes the data, and never speaks of it
            finish(line, program, we_are_client=True)
        program.wait_for(rb"This is a resumed session")


peer.server("resumption")(resume_with_serv)
peer.server("resumption after HelloRetryRequest")(partial(resume_with_serv, retry=True))
peer.server("0-RTT accepted")(partial(resume_with_serv, "--earlydata", "--maxearlydata", "16384", early="accepted"))


@peer.server("0-RTT rejected")
def _() -> None:
    options = ("--earlydata", "--maxearlydata", "16384")
    ours = client(sessions=SessionCache())
    with serv(*options) as (program, connect), client_line(connect(), ours) as line:
        line.handshake()
        session = stored(line)
        finish(line, program, we_are_client=True)
    with (  # another server cannot open the ticket
        serv(*options) as (program, connect),
        client_line(connect(), ours, session=session, early_data=EARLY) as line,
    ):
        same("early data, says our side", line.handshake().early_data, "rejected")
        line.until(tls13.EarlyDataRejected)
        finish(line, program, we_are_client=True)
        same("the peer has seen the early data", EARLY.strip() in program.output, False)


def resume_with_cli(*, retry: bool = False, early: str | None = None) -> None:
    first = server(tickets=SealedTickets())
    if retry:
        first = first.replace(groups=[NamedGroup.secp384r1])
    if early:
        first = first.replace(max_early_data=2**14, replay_guard=ReplayGuard())
    options = ["--resume", "--waitresumption", *(("--earlydata", str(file_with(EARLY))) if early else ())]
    with listening() as listener, cli(listener, *options) as program:
        sock, _ = listener.accept()
        with server_line(sock, first) as line:
            same("resumed, says our side", line.handshake().resumed, False)
            line.until(tls13.PeerClosed)
        sock, _ = listener.accept()
        with server_line(sock, first.replace(max_early_data=0) if early == "rejected" else first) as line:
            session = line.handshake()
            same("resumed, says our side", session.resumed, True)
            same("HelloRetryRequest, says our side", session.hello_retry_request, retry)
            same("early data, says our side", session.early_data, early)
            same("the early data", bytes(line.early), EARLY if early == "accepted" else b"")
            finish(line, program, we_are_client=False)
            program.wait_for(b"This is a resumed session")


peer.client("resumption")(resume_with_cli)
peer.client("resumption after HelloRetryRequest")(partial(resume_with_cli, retry=True))
peer.client("0-RTT accepted")(partial(resume_with_cli, early="accepted"))
peer.client("0-RTT rejected")(partial(resume_with_cli, early="rejected"))


# --- external PSKs --------------------------------------------------------------------------------------------------


def psk_with_serv(mode: PskKeyExchangeMode) -> None:
    passwords = file_with(f"{PSK_IDENTITY}:{PSK_KEY.hex()}\n".encode())
    config = client(psks=[external_psk()], require_psk=True, psk_key_exchange_modes=[mode])
    with (
        serv("--pskpasswd", str(passwords), priority=PRIORITY + MODES[mode]) as (program, connect),
        client_line(connect(), config) as line,
    ):
        check_psk(line, mode)
        finish(line, program, we_are_client=True)
        program.wait_for(b"PSK authentication. Connected as 'tls13'")


def psk_with_cli(mode: PskKeyExchangeMode) -> None:
    options = ("--pskusername", PSK_IDENTITY, "--pskkey", PSK_KEY.hex())
    config = tls13.ServerConfig(None, psks=[external_psk()], psk_key_exchange_modes=[mode])
    with listening() as listener, cli(listener, *options, priority=PRIORITY + MODES[mode]) as program:
        with server_line(listener.accept()[0], config) as line:
            check_psk(line, mode)
            finish(line, program, we_are_client=False)
        program.wait_for(b"PSK authentication. Connected as 'tls13'")


def check_psk(line: Line, mode: PskKeyExchangeMode) -> None:
    session = line.handshake()
    same("PSK, says our side", session.psk_identity, PSK_IDENTITY.encode())
    same("a key exchange, says our side", session.group is not None, mode == PskKeyExchangeMode.psk_dhe_ke)


for name, mode in (("external PSK", PskKeyExchangeMode.psk_dhe_ke), ("psk_ke", PskKeyExchangeMode.psk_ke)):
    peer.server(name)(partial(psk_with_serv, mode))
    peer.client(name)(partial(psk_with_cli, mode))


# --- raw public keys ------------------------------------------------------------------------------------------------

RAW = f"{PRIORITY}:-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509"


@peer.server("raw public key")
def _() -> None:
    key = issued_for(CLIENT.scheme)
    public = RawPublicKey(key.private_key)
    pem = b"-----BEGIN PUBLIC KEY-----\n" + encodebytes(public.spki) + b"-----END PUBLIC KEY-----\n"
    options = ("--rawpkkeyfile", str(file_with(key.pem_key)), "--rawpkfile", str(file_with(pem)))
    config = tls13.ClientConfig(server_raw_keys=[public.spki])
    with serv(*options, priority=RAW) as (program, connect), client_line(connect(), config) as line:
        same("the server's key", line.handshake().raw_public_key, public.spki)
        finish(line, program, we_are_client=True)


@peer.client("raw public key")
def _() -> None:
    """gnutls-cli has no option for whom to believe: it believes anybody, here, and says what it was shown."""
    config = tls13.ServerConfig(RawPublicKey(issued_for(SERVER.scheme).private_key))
    with (
        listening() as listener,
        cli(listener, "--insecure", priority=RAW) as program,
        server_line(listener.accept()[0], config) as line,
    ):
        line.handshake()
        finish(line, program, we_are_client=False)
        program.wait_for(rb"Got 1 Raw public-key")


# --- client certificates --------------------------------------------------------------------------------------------


def verifying() -> tuple[str, ...]:
    return ("--x509cafile", str(root_file()), "--verify-client-cert")


@peer.server("client certificate")
def _() -> None:
    with (
        serv("--require-client-cert", *verifying()) as (program, connect),
        client_line(connect(), client(identities=client_identity())) as line,
    ):
        line.handshake()
        finish(line, program, we_are_client=True)
        program.wait_for(b"The certificate is trusted")


@peer.server("post-handshake authentication")
def _() -> None:
    config = client(identities=client_identity(), post_handshake_auth=True)
    with serv(*verifying()) as (program, connect), client_line(connect(), config) as line:
        line.handshake()
        line.send(b"**REAUTH**\n")
        line.receive(b"Successfully executed command\n")  # it says nothing of what it has verified
        same("it complained", b"reauth:" in program.output, False)
        finish(line, program, we_are_client=True)


@peer.client("client certificate")
def _() -> None:
    with connected(SERVER, *client_files().as_gnutls, client_trust=trust()) as (program, line):
        same("the client's certificate", line.handshake().peer_certificates, client_identity().chain)
        finish(line, program, we_are_client=False)


@peer.client("post-handshake authentication")
def _() -> None:
    options = ("--post-handshake-auth", *client_files().as_gnutls)
    later = tls13.ClientAuth.LATER
    with connected(SERVER, *options, client_trust=trust(), client_auth=later) as (program, line):
        same("certificates in the handshake", line.handshake().peer_certificates, ())
        talk(line, program, we_are_client=False)
        same("the client's certificate", ask_for_certificate(line), client_identity().chain)
        finish(line, program, we_are_client=False)


@peer.server("OCSP stapling")
def _() -> None:
    with connected(CLIENT, "--ocsp-response", str(file_with(ocsp_response()))) as (program, line):
        same("the response, says our side", line.handshake().ocsp_response, ocsp_response())
        finish(line, program, we_are_client=True)


@peer.client("OCSP stapling")
def _() -> None:
    with scratch() as here:
        saved = here / "response"
        with connected(SERVER, "--save-ocsp", str(saved), identity=stapling_identity()) as (program, line):
            finish(line, program, we_are_client=False)
            program.wait()
        same("the response that the peer saved", saved.read_bytes(), ocsp_response())


# --- keys -----------------------------------------------------------------------------------------------------------


def rekey(ours: Trial) -> None:
    """We ask gnutls-serv for new keys, gnutls-cli and we each other."""
    with connected(ours, *(() if ours.we_are_client else ("--inline-commands",))) as (program, line):
        for number in (1, 2):
            line.connection.update_keys(request_peer=True)
            talk(line, program, we_are_client=ours.we_are_client)  # it answers when it has something to send
            same("KeyUpdates", line.connection.key_updates, (number, number))
        if not ours.we_are_client:
            program.write(b"^rekey^\n")
            line.until_true(lambda: line.connection.key_updates == (3, 3), "a KeyUpdate of the peer, and our answer")
        finish(line, program, we_are_client=ours.we_are_client)


def export(ours: Trial) -> None:
    with connected(ours, *EXPORT) as (program, line):
        theirs = program.wait_for(rb"- Key material: ([0-9a-f]{%d})\n" % (2 * LENGTH))[1].decode()
        same("keying material", exported(line).hex(), theirs)
        finish(line, program, we_are_client=ours.we_are_client)


def log_keys(ours: Trial) -> None:
    key_log = KeyLog()
    with scratch() as here:
        env = {"SSLKEYLOGFILE": str(here / "keys")}
        with connected(ours, env=env, key_log=key_log) as (program, line):
            finish(line, program, we_are_client=ours.we_are_client)
        key_log.compare((here / "keys").read_text())


def limit_records(ours: Trial) -> None:
    """Each side accepts records of 600 bytes at most. gnutls-cli forgets what does not fit into one record."""
    with connected(ours, "--recordsize", "600", record_size_limit=600) as (program, line):
        talk(line, program, we_are_client=ours.we_are_client)
        long = b"\xe2\x86\x92" * 1000 + b"\n"
        line.send(long)
        program.wait_for(re.escape(long.strip()))
        if ours.we_are_client:
            line.receive(long)
        finish(line, program, we_are_client=ours.we_are_client)


for name, meet in (
    ("KeyUpdate", rekey),
    ("exporter", export),
    ("key log", log_keys),
    ("record_size_limit", limit_records),
):
    peer.server(name)(partial(meet, CLIENT))
    peer.client(name)(partial(meet, SERVER))
