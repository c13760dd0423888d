"""The live side of `tls13 explain`: to visit a server, or to wait for a visitor, and to keep all that is said."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from ..config import ServerConfig
from ..errors import OperationTimeout, TLSError
from ..explain.network import observe, open_tcp
from ..explain.recorder import Recorder
from ..explain.tap import name
from ..io.opening import wrap_socket
from ..trust.identity import Identity
from ..trust.names import ServerName
from ..trust.store import TrustStore
from ..wire.registry import PskKeyExchangeMode
from .advice import sentence
from .connect import Memory, make_config, split_host, wait
from .secrets import ClientCertificate, ask_password
from .serve import MadeConfig

if TYPE_CHECKING:
    import argparse

    from ..explain.capture import Capture
    from ..io.sockets import TLSSocket

TICKET_SECONDS = 0.5
"""How long a ticket is waited for that nobody asked to be kept."""
GREETING = b"You have been explained.\n"
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(GREETING)


def visit(options: argparse.Namespace, target: str) -> tuple[Capture, int]:
    """Connect, look, and close. A handshake that fails is explained as well."""
    host, port = split_host(target)
    wanted = ServerName.parse(host if options.sni is None else options.sni)
    own = ClientCertificate(options.cert, options.key) if options.cert and options.key else None
    recorder = Recorder(f"tls13 explain {target}", is_client=True)
    config = make_config(options, None, own).replace(key_share_source=recorder.key_share)
    if not config.psk_key_exchange_modes:
        config = config.replace(psk_key_exchange_modes=[PskKeyExchangeMode.psk_dhe_ke])  # so that tickets are seen
    memory = Memory(options)
    if memory.session is not None:
        recorder.keep_psk(memory.session.psk)
    if options.psk is not None:
        recorder.keep_psk(bytes.fromhex(options.psk))
    with contextlib.ExitStack() as stack:
        sock, times = open_tcp(host if host.isascii() else str(wanted), port, options.timeout)
        stack.enter_context(sock)
        sock.settimeout(options.timeout)
        recorder.client, recorder.server = name(sock.getsockname()), name(sock.getpeername())
        memory.used(wanted)
        tls = wrap_socket(
            sock, config, server_hostname=str(wanted), do_handshake_on_connect=False, port=port,
            session=memory.session, early_data=memory.early_data, tracer=recorder,
        )  # fmt: skip
        stack.enter_context(tls)
        recorder.listen(tls.connection)
        code = 0
        try:
            began = time.perf_counter()
            tls.do_handshake(options.timeout)
            times = times._replace(tls=round((time.perf_counter() - began) * 1000, 3))
            flights = tls.bytes_sent, tls.bytes_received
            recorder.network = observe(sock, times, flights, retried=_retried(tls)).to_json()
            _talk(options, tls, wanted, port)
            wait(options, tls, own)
            _linger(tls)
            if sock.fileno() >= 0:
                recorder.network = observe(sock, times, flights, retried=_retried(tls)).to_json()
            memory.keep(tls)
        except (TLSError, OSError) as error:
            if not recorder.capture().segments:
                raise
            print(f"tls13: {sentence(error)}", file=sys.stderr)
            recorder.notes.append(sentence(error))
            code = 1
        tls.close()
    return recorder.capture(), code


def _retried(tls: TLSSocket) -> bool:
    return tls.session is not None and tls.session.hello_retry_request


def _linger(tls: TLSSocket) -> None:
    """What a server sends after its Finished is part of the picture: its tickets, or why it does not like us."""
    deadline = time.monotonic() + TICKET_SECONDS
    while tls.fileno() >= 0 and not tls.stored_sessions and time.monotonic() < deadline:
        tls.settimeout(TICKET_SECONDS / 10)
        try:
            if not tls.recv():
                return
        except OperationTimeout:
            continue


def _talk(options: argparse.Namespace, tls: TLSSocket, wanted: ServerName, port: int) -> None:
    if options.key_update:
        tls.update_keys(request_peer=True)
    if options.http is not None:
        from .http import check_target, fetch, host_header

        check_target(options.http)
        fetch(tls, host_header(wanted, port), options.http, None)


def wait_for_visitor(options: argparse.Namespace) -> tuple[Capture, int]:
    """Be a server for one connection: a browser's, curl's, anybody's."""
    config = _server_config(options)
    with socket.create_server(("127.0.0.1", options.listen)) as listener:
        port = listener.getsockname()[1]
        print(
            f"listening on 127.0.0.1:{port}; for example: curl -k https://localhost:{port}/",
            file=sys.stderr,
            flush=True,
        )
        sock, _ = listener.accept()
    recorder = Recorder(f"tls13 explain --listen {port}", is_client=False)
    recorder.client, recorder.server = name(sock.getpeername()), name(sock.getsockname())
    sock.settimeout(options.timeout)
    with sock, wrap_socket(sock, config, do_handshake_on_connect=False, tracer=recorder) as tls:
        recorder.listen(tls.connection)
        try:
            tls.do_handshake(options.timeout)
            _greet(tls)
        except (TLSError, OSError) as error:
            print(f"tls13: {sentence(error)}", file=sys.stderr)
            recorder.notes.append(sentence(error))
            return recorder.capture(), 1
    return recorder.capture(), 0


def _server_config(options: argparse.Namespace) -> ServerConfig:
    settings: dict[str, Any] = {"alpn_protocols": options.alpn, "strict_alpn": False}
    if options.group:
        settings["groups"] = options.group
    if options.suite:
        settings["cipher_suites"] = options.suite
    if options.client_ca is not None:
        settings["client_trust"] = TrustStore.from_file(options.client_ca)
    if options.cert and options.key:
        return ServerConfig(
            Identity.from_files(options.cert, options.key, lambda: ask_password(options.key)), **settings
        )
    made = MadeConfig("127.0.0.1", options.ca_out, settings)
    made.announce()
    return made()


def _greet(tls: TLSSocket) -> None:
    """Whatever is asked."""
    question = tls.recv()
    tls.sendall((HTTP if b" HTTP/1." in question else b"") + GREETING)
    tls.shutdown(socket.SHUT_WR)
    while tls.recv():
        pass
