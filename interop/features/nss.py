"""The features of NSS: `selfserv` for our client, `tstclnt` for our server.

What is not here, the programs cannot be told, or do not do: this `selfserv` takes no external PSK, not even that of
its own `tstclnt`; neither program begins a KeyUpdate, but both answer ours; Debian's NSS is built without key logs.
"""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import tls13
from certs.bench import workshop
from tls13 import NamedGroup, ReplayGuard, SealedTickets, SessionCache
from tls13.trust.delegated import DELEGATION_USAGE, issue

from .. import nss
from ..confinement import PORT, confine
from ..files import NSS_CLIENT, NSS_LEAF, database_for, file_with
from ..program import PATIENCE, Program
from ..trial import HOST, Disagreement, Trial, same
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
    Line,
    ask_for_certificate,
    client,
    client_identity,
    client_line,
    exported,
    external_psk,
    listening,
    meeting,
    server,
    server_line,
    stapling_identity,
    trust,
)
from .registry import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ..confinement import Connect

peer = Peer("nss")

EXPORT = ("-x", f"{LABEL}:{LENGTH}")
TLS_1_3 = ("-v", "-V", "tls1.3:tls1.3")


@contextmanager
def selfserv(*options: str, env: dict[str, str] | None = None) -> Iterator[tuple[Program, Connect]]:
    """The program, and what connects to it."""
    nss.version()
    command = ["selfserv", "-p", str(PORT), "-e", NSS_LEAF, "-d", database_for(CLIENT.scheme), *TLS_1_3, *options]
    with confine(command, env=env) as (program, connect):
        yield program, connect


@contextmanager
def tstclnt(listener: socket.socket, *options: str, env: dict[str, str] | None = None) -> Iterator[Program]:
    """The program, which has begun to connect, and will send FROM_PEER."""
    nss.version()
    command = ["tstclnt", "-h", "127.0.0.1", "-p", str(listener.getsockname()[1]), "-a", HOST, *TLS_1_3]
    command += ["-d", database_for(SERVER.scheme), "-A", str(file_with(FROM_PEER))]
    with Program([*command, *options], env=None if env is None else {**os.environ, **env}) as program:
        yield program


def connected(
    ours: Trial, *options: str, env: dict[str, str] | None = None, **changes: object
) -> AbstractContextManager[tuple[Program, Line]]:
    """A connection of which there is nothing special."""
    serving = partial(selfserv, *options, env=env)
    return meeting(ours, serving, lambda listener: tstclnt(listener, *options, env=env), **changes)


def finish(line: Line, program: Program, *, we_are_client: bool, request: bytes = FROM_US) -> None:
    """Data and close_notify, both ways."""
    if we_are_client:
        line.send(get(request))
        answered(line, get(request))
    else:
        line.receive(FROM_PEER)
        line.send(request)
        line.close()
        program.wait_for(re.escape(request))


def get(request: bytes) -> bytes:
    """What `selfserv` answers."""
    return b"GET " + request.strip() + b"\r\n\r\n"


def answered(line: Line, request: bytes) -> None:
    """`selfserv` repeats what it was asked, and closes."""
    line.until(tls13.PeerClosed)
    same("the answer's end", bytes(line.data).partition(b"\r\n\r\n")[2], request + b"EOF\r\n\r\n\r\n")
    line.connection.close()
    line.flush()


# --- resumption, early data -----------------------------------------------------------------------------------------


def resume_with_selfserv(*, retry: bool) -> None:
    ours = client(sessions=SessionCache())
    if retry:
        ours = ours.replace(groups=[NamedGroup.x25519, NamedGroup.secp256r1], key_shares=[NamedGroup.x25519])
    with selfserv("-u", *(("-I", "P256") if retry else ())) as (program, connect):
        for resumed in (False, True):
            with client_line(connect(), ours) as line:
                session = line.handshake()
                same("resumed, says our side", session.resumed, resumed)
                same("HelloRetryRequest, says our side", session.hello_retry_request, retry)
                finish(line, program, we_are_client=True)
        program.wait_for(b"1 stateless resumes")


def resume_with_tstclnt(*options: str, retry: bool = False, early: str | None = None) -> None:
    ours = server(tickets=SealedTickets())
    if retry:
        ours = ours.replace(groups=[NamedGroup.secp384r1])
    if early:
        ours = ours.replace(max_early_data=2**14, replay_guard=ReplayGuard())
    with listening() as listener, tstclnt(listener, "-u", "-L", "2", *options) as program:
        for resumed in (False, True):
            if resumed and early == "rejected":
                ours = ours.replace(max_early_data=0)
            sock, _ = listener.accept()
            if resumed and early:
                wait_for_early_data(sock)
            with server_line(sock, ours) as line:
                session = line.handshake()
                same("resumed, says our side", session.resumed, resumed)
                same("HelloRetryRequest, says our side", session.hello_retry_request, retry)
                same("early data, says our side", session.early_data, early if resumed else None)
                line.data[:0] = line.early
                finish(line, program, we_are_client=False)
                same("the early data", bytes(line.early), FROM_PEER if resumed and early == "accepted" else b"")
        same("resumptions, says the peer", program.wait().count(b"1 stateless resumes"), 1)


def wait_for_early_data(sock: socket.socket) -> None:
    """`tstclnt` sends as early data what it has read from its file before our answer is there: so give it time."""
    deadline = time.monotonic() + PATIENCE
    seen = b""
    while b"\x17\x03\x03" not in seen[517:]:  # a record of application data, behind a ClientHello of 512 bytes
        if time.monotonic() > deadline:
            raise Disagreement(f"no early data came in {PATIENCE:g} seconds, only {len(seen)} bytes")
        time.sleep(0.005)
        seen = sock.recv(2**16, socket.MSG_PEEK)


for name, retry in (("resumption", False), ("resumption after HelloRetryRequest", True)):
    peer.server(name)(partial(resume_with_selfserv, retry=retry))
    peer.client(name)(partial(resume_with_tstclnt, retry=retry))
peer.client("0-RTT accepted")(partial(resume_with_tstclnt, "-Z", early="accepted"))
peer.client("0-RTT rejected")(partial(resume_with_tstclnt, "-Z", early="rejected"))


BEGUN = get(EARLY)[:-2]
"""Not a whole request: `selfserv` answers that at once, and goes without waiting for the handshake's end."""


def send_early_data(line: Line, program: Program) -> str | None:
    """One connection; returns what became of its early data, and sends it again if it was rejected."""
    outcome = line.handshake().early_data
    if outcome == "accepted":
        line.until(tls13.EarlyDataAccepted)
        line.send(get(EARLY)[len(BEGUN) :])
        answered(line, get(EARLY))
    else:
        finish(line, program, we_are_client=True, request=EARLY)
    return outcome


@peer.server("0-RTT rejected")
def _() -> None:
    """For its first ten seconds it rejects all early data, as section 8 wants it."""
    config = client(sessions=SessionCache())
    with selfserv("-u", "-Z") as (program, connect):
        for wanted in (None, "rejected"):
            with client_line(connect(), config, early_data=BEGUN) as line:
                same("early data, says our side", send_early_data(line, program), wanted)
        same("resumed, says our side", line.handshake().resumed, True)


@peer.server("0-RTT accepted")
def _() -> None:
    """It rejects early data for its first ten seconds: try until it does not."""
    config = client(sessions=SessionCache())
    deadline = time.monotonic() + PATIENCE
    with selfserv("-u", "-Z") as (program, connect):
        outcome = None
        while outcome != "accepted":
            if time.monotonic() > deadline:
                raise Disagreement(f"early data was never accepted: {outcome}")
            with client_line(connect(), config, early_data=BEGUN) as line:
                outcome = send_early_data(line, program)
            if outcome == "rejected":
                time.sleep(1)


# --- who they are ---------------------------------------------------------------------------------------------------


@peer.client("external PSK")
def _() -> None:
    options = ("-z", f"0x{PSK_KEY.hex()}:{PSK_IDENTITY}")
    with connected(SERVER, *options, psks=[external_psk()]) as (program, line):
        same("PSK, says our side", line.handshake().psk_identity, PSK_IDENTITY.encode())
        finish(line, program, we_are_client=False)


@peer.server("client certificate")
def _() -> None:
    with connected(CLIENT, "-r", "-r", identities=client_identity()) as (program, line):
        finish(line, program, we_are_client=True)
        program.wait_for(b"Subject: CN=client.example\n(.*\n)*.*Certificate Validated")


@peer.server("post-handshake authentication")
def _() -> None:
    """It asks once it has a request, before or after its answer to that."""
    options, identities = ("-E", "-r", "-r", "-r", "-r"), client_identity()
    with connected(CLIENT, *options, identities=identities, post_handshake_auth=True) as (program, line):
        same("a client certificate in the handshake", line.handshake().client_scheme, None)
        finish(line, program, we_are_client=True)
        program.wait_for(b"Subject: CN=client.example\n(.*\n)*.*Certificate Validated")


@peer.client("client certificate")
def _() -> None:
    with connected(SERVER, "-n", NSS_CLIENT, client_trust=trust()) as (program, line):
        same("the client's certificate", line.handshake().peer_certificates, client_identity().chain)
        finish(line, program, we_are_client=False)


@peer.client("post-handshake authentication")
def _() -> None:
    later = tls13.ClientAuth.LATER
    with connected(SERVER, "-E", "-n", NSS_CLIENT, client_trust=trust(), client_auth=later) as (program, line):
        same("certificates in the handshake", line.handshake().peer_certificates, ())
        same("the client's certificate", ask_for_certificate(line), client_identity().chain)
        finish(line, program, we_are_client=False)


@peer.client("OCSP stapling")
def _() -> None:
    with connected(SERVER, "-T", identity=stapling_identity()) as (program, line):
        finish(line, program, we_are_client=False)
        program.wait_for(b"Received 1 Cert Status items")


@peer.client("delegated credential")
def _() -> None:
    """RFC 9345: our certificate lends its name to another key."""
    key = ec.generate_private_key(ec.SECP256R1())
    owner = delegating()
    credential = issue(owner, key.public_key(), until=workshop().now + timedelta(days=3))
    identity = tls13.Identity(owner.chain, key, delegated_credential=credential)
    with connected(SERVER, "-B", identity=identity) as (program, line):
        finish(line, program, we_are_client=False)
        same("received a credential, says the peer", b"Delegated Credential" in program.wait(), True)


def delegating() -> tls13.Identity:
    """A certificate that may do so."""
    intermediate = workshop().intermediate
    key = ec.generate_private_key(ec.SECP256R1())
    draft = intermediate.draft((HOST,), key.public_key())
    leaf = intermediate.sign(draft.with_extension(x509.UnrecognizedExtension(DELEGATION_USAGE, b"\x05\x00")))
    return tls13.Identity((leaf, *intermediate.chain), key)


# --- keys, records --------------------------------------------------------------------------------------------------


def rekey(ours: Trial) -> None:
    with connected(ours) as (program, line):
        line.connection.update_keys(request_peer=True)
        finish(line, program, we_are_client=ours.we_are_client)
        same("KeyUpdates", line.connection.key_updates, (1, 1))


def export(ours: Trial) -> None:
    with connected(ours, *EXPORT) as (program, line):
        secret = exported(line).hex(":").encode()
        finish(line, program, we_are_client=ours.we_are_client)
        said = program.wait_for(rb"Keying Material:\s+([0-9a-f:\s]{%d,})\n" % len(secret))
        same("keying material", b"".join(said[1].split()), secret)


def limit_records(ours: Trial) -> None:
    """NSS sends no record that is longer than we allow (RFC 8449)."""
    with connected(ours, record_size_limit=64) as (program, line):
        finish(line, program, we_are_client=ours.we_are_client, request=b"\xe2\x86\x92" * 300)


for name, meet in (
    ("KeyUpdate", rekey),
    ("exporter", export),
    ("record_size_limit", limit_records),
):
    peer.server(name)(partial(meet, CLIENT))
    peer.client(name)(partial(meet, SERVER))
