"""OpenSSL 4.0, in this process: the OpenSSL inside `cryptography`'s wheel, spoken to through pyOpenSSL.

Nothing but memory lies between the two sides, so a meeting takes milliseconds, nothing depends on timing, and every
combination can be tried. This OpenSSL knows the post-quantum groups and ML-DSA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from OpenSSL import SSL
from OpenSSL._util import lib

from tls13 import ApplicationData

from .files import files_for, root_file
from .trial import HOST, Disagreement, PeerMissing, Trial, same

if TYPE_CHECKING:
    import tls13

PIECE = 2**16
"""Bytes of application data written at a time."""


def version() -> str:
    """Of the OpenSSL that we meet."""
    return SSL.SSLeay_version(0).decode()


def meet(trial: Trial) -> None:
    """Handshake, data both ways, close_notify both ways. Raises Disagreement, or what either side raises."""
    ours, theirs = trial.connection(), Peer(trial)
    wire = Wire(ours, theirs, trial.chunk)
    wire.carry()
    trial.check(ours.session)
    theirs.check()
    _send_all(wire, trial)
    same("the data that we received", b"".join(wire.received), trial.payload(from_us=False))
    same("the data that the peer received", b"".join(theirs.received), trial.payload(from_us=True))
    ours.close()
    theirs.close()
    wire.carry()
    if not (ours.peer_closed and theirs.peer_closed):
        raise Disagreement(f"close_notify has come: to us {ours.peer_closed}, to the peer {theirs.peer_closed}")


def _send_all(wire: Wire, trial: Trial) -> None:
    from_us, from_peer = trial.payload(from_us=True), trial.payload(from_us=False)
    for start in range(0, trial.size, PIECE):
        wire.ours.send_data(from_us[start : start + PIECE])
        wire.theirs.connection.sendall(from_peer[start : start + PIECE])
        wire.carry()


class Peer:
    """OpenSSL's side of a trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.connection = SSL.Connection(_context(trial), None)
        if trial.we_are_client:
            self.connection.set_accept_state()
        else:
            self.connection.set_tlsext_host_name(HOST.encode())
            self.connection.set_connect_state()
        self.complete = self.peer_closed = False
        self.received: list[bytes] = []

    def work(self) -> None:
        """Do what the bytes that have come make possible."""
        try:
            if not self.complete:
                self.connection.do_handshake()
                self.complete = True
            while not self.peer_closed:
                self.received.append(self.connection.recv(PIECE))
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.peer_closed = True

    def bytes_to_send(self) -> bytes:
        try:
            return self.connection.bio_read(2**20)
        except SSL.WantReadError:
            return b""

    def close(self) -> None:
        self.connection.shutdown()

    def check(self) -> None:
        """What OpenSSL says the handshake came to. It does not say which signature scheme: it was told only one."""
        if not self.complete:
            raise Disagreement("the peer's handshake is not complete")
        same("version, says the peer", self.connection.get_protocol_version_name(), "TLSv1.3")
        same("cipher suite, says the peer", self.connection.get_cipher_name(), self.trial.suite.name)
        group = (self.connection.get_group_name() or "").lower()
        same("group, says the peer", group, self.trial.group.name.lower())
        if self.trial.we_are_client:
            same("server_name, says the peer", self.connection.get_servername(), HOST.encode())


class Wire:
    """What lies between: carries bytes, in pieces of at most `chunk`, until neither side has any."""

    def __init__(self, ours: tls13.Connection, theirs: Peer, chunk: int | None) -> None:
        self.ours, self.theirs, self.chunk = ours, theirs, chunk
        self.received: list[bytes] = []

    def carry(self) -> None:
        while True:
            self.theirs.work()
            to_us, to_peer = self.theirs.bytes_to_send(), self.ours.data_to_send()
            if not to_us and not to_peer:
                return
            for piece in self._cut(to_us):
                self.ours.receive_data(piece)
                for event in self.ours.events():
                    if isinstance(event, ApplicationData):
                        self.received.append(event.data)
            for piece in self._cut(to_peer):
                self.theirs.connection.bio_write(piece)
                self.theirs.work()

    def _cut(self, data: bytes) -> list[bytes]:
        size = self.chunk or len(data) or 1
        return [data[start : start + size] for start in range(0, len(data), size)]


def _context(trial: Trial) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")  # CCM_8's tag is too short for OpenSSL's usual level
    context.set_tls13_ciphersuites(trial.suite.name.encode())
    groups = [trial.group] if trial.we_are_client else trial.client_groups
    # pyOpenSSL has no public way to choose groups and schemes but a configuration file for the whole process.
    names = ":".join(group.name for group in groups).encode()
    if not lib.SSL_CTX_set1_curves_list(context._context, names):
        raise PeerMissing(f"{version()} does not know {names.decode()}")
    if not lib.SSL_CTX_set1_sigalgs_list(context._context, trial.scheme.name.encode()):
        raise PeerMissing(f"{version()} does not know {trial.scheme.name}")
    if trial.we_are_client:
        files = files_for(trial.scheme)
        context.use_certificate_chain_file(str(files.chain))
        context.use_privatekey_file(str(files.key))
    else:
        context.load_verify_locations(str(root_file()))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    return context
