"""tls13 connect: be a client, say what was agreed, and then talk. What it says is in summary.py."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from ..config import INSECURE_NO_VERIFICATION, ClientConfig
from ..errors import (
    CertificateError,
    ConfigurationError,
    ConnectionReset,
    OperationTimeout,
    TLSError,
    TruncatedStream,
    UsageError,
)
from ..explain.network import observe, open_tcp
from ..io.opening import wrap_socket
from ..io.sockets import TLSSocket
from ..trust.names import ServerName
from ..trust.store import TrustStore
from .advice import sentence
from .secrets import ClientCertificate, SessionFile, external_psk, read_file
from .summary import Facts, describe_certificate, describe_session, print_end, print_network, print_summary, say
from .written import Written

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ..events import Tracer
    from ..explain.network import Network
    from ..resumption.sessions import StoredSession

FACTS = (
    "host", "port", "version", "cipher_suite", "group", "signature_scheme", "alpn", "hello_retry_request",
    "peer_chain", "verified", "resumed", "early_data", "client_certificate", "key_updates", "times_ms", "bytes",
    "network",
)  # fmt: skip
"""What --json always has, None while unknown; `exported`, `http` and `error` come where they apply."""

DEFAULT_PORT = "443"
LINGER_SECONDS = 2.0
"""How long a ticket, an answer to --key-update, or a request for our certificate is waited for at the end."""
LOOK_SECONDS = 0.05


def connect(options: argparse.Namespace) -> int:
    """Returns the exit code: 0 only if the handshake and the verification worked."""
    facts: Facts = dict.fromkeys(FACTS)
    facts.update(peer_chain=[], verified=False, times_ms={})
    try:
        with contextlib.ExitStack() as stack:
            _connect(options, facts, stack)
    except (TLSError, OSError) as error:
        if not options.json:
            raise
        facts["error"] = {"type": type(error).__name__, "message": sentence(error)}
        if isinstance(error, CertificateError) and error.chain:
            facts["peer_chain"] = [describe_certificate(certificate) for certificate in error.chain]
        print(json.dumps(facts))
        return 2 if isinstance(error, ConfigurationError) else 1
    if options.json:
        print(json.dumps(facts))
    return 0


def _connect(options: argparse.Namespace, facts: Facts, stack: contextlib.ExitStack) -> None:
    host, port = split_host(options.host)
    facts["host"], facts["port"] = host, port
    wanted = ServerName.parse(host if options.sni is None else options.sni)
    if options.http is not None:
        from .http import check_target

        check_target(options.http)
    exports = [split_export(text) for text in options.export]
    written = stack.enter_context(Written(options.keylog, options.pcapng))
    own = ClientCertificate(options.cert, options.key) if options.cert and options.key else None
    config = make_config(options, written.key_log, own)
    memory = Memory(options)

    beneath = Beneath(host if host.isascii() else str(wanted), port, options.timeout, facts["times_ms"])
    tls = open_tls(options, config, beneath, wanted, memory, written, stack)
    session = tls.session
    if session is None:
        raise UsageError("the handshake ended without a session")
    facts.update(describe_session(session))
    if exports:
        facts["exported"] = {label: tls.export_keying_material(label.encode(), b"", n).hex() for label, n in exports}
    if not options.json:
        print_summary(facts, session, wanted, early_data=memory.early_data is not None)
    try:
        if options.key_update:
            tls.update_keys(request_peer=True)
        talk(options, tls, wanted, facts, beneath)
        wait(options, tls, own)
    finally:
        facts["bytes"] = {"sent": tls.bytes_sent, "received": tls.bytes_received}
        facts["client_certificate"] = own.shown if own is not None else None
        facts["key_updates"] = dict(zip(("sent", "received"), tls.connection.key_updates, strict=True))
        beneath.look()
        facts["network"] = beneath.network.to_json() if beneath.network is not None else None
        memory.keep(tls)
    if not options.json:
        print_end(facts)
    if (options.trace or options.verbose) and not options.json and beneath.network is not None:
        print_network(beneath.network)


class Beneath:
    """The TCP connection under it: opened, timed, and asked for its numbers. `times_ms` is filled as time goes by."""

    def __init__(self, host: str, port: int, timeout: float, times_ms: dict[str, float | None]) -> None:
        self.sock, self._times = open_tcp(host, port, timeout)
        self.port = port
        self.network: Network | None = None
        """What was last seen of it."""
        self._times_ms = times_ms
        self._flights = (0, 0)
        self._retried = False
        self._connected = time.perf_counter()
        times_ms.update(dns=self._times.dns, tcp=self._times.tcp)

    def handshake_done(self, tls: TLSSocket) -> None:
        self._times = self._times._replace(tls=round((time.perf_counter() - self._connected) * 1000, 3))
        self._times_ms["tls"] = self._times.tls
        self._flights = (tls.bytes_sent, tls.bytes_received)
        self._retried = tls.session is not None and tls.session.hello_retry_request
        self.look()

    def look(self) -> None:
        """The kernel forgets a socket when it is closed, which http.client does as soon as it has all."""
        if self.sock.fileno() >= 0:
            self.network = observe(self.sock, self._times, self._flights, retried=self._retried)


class Memory:
    """What an earlier run has left for this one (--resume), and this one for the next."""

    def __init__(self, options: argparse.Namespace) -> None:
        if options.early_data is not None and options.resume is None:
            raise ConfigurationError("--early-data needs the ticket of an earlier connection: --resume FILE")
        self._file = SessionFile(options.resume) if options.resume is not None else None
        self.session: StoredSession | None = None
        if self._file is not None:
            self._file.check()
            self.session = self._file.load()
        self.early_data = read_file(options.early_data) if options.early_data is not None else None

    def used(self, wanted: ServerName) -> None:
        """A ticket is used once, however the connection ends (RFC 9846, appendix C.4)."""
        if self._file is not None and self.session is not None and self.session.server_name == wanted.text:
            self._file.remove()

    def keep(self, tls: TLSSocket) -> None:
        if self._file is not None and tls.stored_sessions:
            self._file.save(tls.stored_sessions[-1])


def open_tls(
    options: argparse.Namespace,
    config: ClientConfig,
    beneath: Beneath,
    wanted: ServerName,
    memory: Memory,
    written: Written,
    stack: contextlib.ExitStack,
) -> TLSSocket:
    """TLS over what is beneath."""
    sock = stack.enter_context(beneath.sock)
    sock.settimeout(options.timeout)
    memory.used(wanted)
    tls = wrap_socket(
        sock,
        config,
        server_hostname=str(wanted),
        do_handshake_on_connect=False,
        port=beneath.port,
        session=memory.session,
        early_data=memory.early_data,
        tracer=_tracer(options),
    )
    stack.callback(written.record(tls.connection, sock))  # after the close_notify
    stack.enter_context(tls)
    tls.do_handshake(options.timeout)
    beneath.handshake_done(tls)
    return tls


def _tracer(options: argparse.Namespace) -> Tracer | None:
    if not (options.trace or options.verbose):
        return None
    from ..explain.trace import Narrator

    return Narrator(sys.stderr, detail=options.verbose)


def talk(options: argparse.Namespace, tls: TLSSocket, wanted: ServerName, facts: Facts, beneath: Beneath) -> None:
    """Fetch, or join stdin and stdout, or (for --json alone) nothing."""
    if options.http is not None:
        if facts["alpn"] not in (None, "http/1.1"):
            raise ConfigurationError(f"the server chose {facts['alpn']}, and --http speaks http/1.1: leave --alpn out")
        from .http import fetch, host_header

        def sink(data: bytes) -> None:
            beneath.look()
            if not options.json:
                sys.stdout.buffer.write(data)

        fetched = fetch(tls, host_header(wanted, facts["port"]), options.http, sink)
        facts["http"] = fetched._asdict()
        if not options.json:
            sys.stdout.flush()
            say("http", f"{fetched.status} {fetched.reason}, {fetched.length} bytes")
    elif not options.json:
        from .join import join

        join(tls)


def wait(options: argparse.Namespace, tls: TLSSocket, own: ClientCertificate | None) -> None:
    """For what the server was asked for and has not sent yet: a ticket, its new keys, a request for our certificate."""

    def enough() -> bool:
        return (
            (options.resume is None or bool(tls.stored_sessions))
            and (not options.key_update or tls.connection.key_updates[1] > 0)
            and (not options.post_handshake_auth or own is None or own.shown is not None)
        )

    deadline = time.monotonic() + min(options.timeout, LINGER_SECONDS)
    if tls.fileno() >= 0:
        tls.settimeout(LOOK_SECONDS)
    while tls.fileno() >= 0 and not enough() and time.monotonic() < deadline:
        try:
            if not tls.recv():
                return
        except OperationTimeout:
            pass  # look again
        except (ConnectionReset, TruncatedStream):
            return


def split_host(text: str) -> tuple[str, int]:
    """HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address. Raises ConfigurationError."""
    host, port = text, DEFAULT_PORT
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port if bracket and not rest else ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536 and host):
        raise ConfigurationError(f"{text!r} is not HOST or HOST:PORT with a port from 1 to 65535")
    if ":" in host and not _is_ipv6(host):
        raise ConfigurationError(f"{text!r} is not an IPv6 address; with a port it is written [ADDRESS]:PORT")
    return host, int(port)


def split_export(text: str) -> tuple[str, int]:
    """LABEL:LENGTH. Raises ConfigurationError."""
    label, _, length = text.rpartition(":")
    if not (label and label.isascii() and length.isascii() and length.isdigit() and 0 < int(length) <= 255 * 32):
        raise ConfigurationError(f"--export {text!r} is not LABEL:LENGTH with a length from 1 to {255 * 32} bytes")
    return label, int(length)


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def make_config(
    options: argparse.Namespace, key_log: Callable[[str], None] | None, own: ClientCertificate | None
) -> ClientConfig:
    """What the options ask for. Raises ConfigurationError."""
    chosen: dict[str, Any] = {"alpn_protocols": options.alpn, "key_log": key_log}
    if options.http is not None and not options.alpn:
        chosen["alpn_protocols"] = ["http/1.1"]
    if options.group:
        chosen["groups"] = options.group
    if options.suite:
        chosen["cipher_suites"] = options.suite
    if options.cafile:
        chosen["trust"] = TrustStore.from_file(options.cafile)
    if options.insecure:
        chosen["verify"] = INSECURE_NO_VERIFICATION
    if bool(options.cert) != bool(options.key):
        raise ConfigurationError("--cert and --key go together")
    if own is not None:
        chosen["identities"] = own.identity
    chosen["post_handshake_auth"] = options.post_handshake_auth
    psk = external_psk(options)
    if psk is not None:
        chosen["psks"] = [psk]
    if psk is not None or options.resume is not None:
        chosen["psk_key_exchange_modes"] = ["psk_dhe_ke", "psk_ke"] if options.psk_ke else ["psk_dhe_ke"]
    config = ClientConfig(**chosen)
    if config.trust is not None:
        config.trust.load()  # now: reading it is no part of the handshake's time
    return config
