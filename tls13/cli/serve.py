"""tls13 serve: an echo, or the files of a directory, for many clients at once.

With --workers N the same is done by N processes (workers.py) at one socket: a worker is this server without the words
at the beginning and at the end, which are its parent's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import ClientAuth, ServerConfig
from ..errors import ConfigurationError, TLSError, TruncatedStream, UsageError
from ..explain.terminal import printable
from ..io import aio
from ..lab.authority import Authority
from ..resumption.early_data import ReplayGuard
from ..resumption.stores import AsyncRedisStore
from ..resumption.tickets import SealedTickets, StoredTicketKeys, StoredTickets
from ..trust.identity import Identity
from ..trust.names import certificate_names, describe
from ..trust.store import TrustStore
from .listening import listening
from .secrets import ask_password, external_psk
from .written import Written

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Awaitable, Callable, Sequence

    from ..events import Tracer
    from ..resumption.tickets import Tickets
    from .shared_store import SharedStore

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
    """With the early data, if there was any."""

NAMES_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
GOODBYE_SECONDS = 2.0


def serve(options: argparse.Namespace) -> int:
    """Runs until Ctrl-C or SIGTERM; returns 0 then."""
    if bool(options.cert) != bool(options.key):
        raise ConfigurationError("--cert and --key go together")
    if options.www is not None and not Path(options.www).is_dir():
        raise ConfigurationError(f"--www {options.www} is not a directory")
    if options.workers == 1:
        _serve_alone(options)
    elif hasattr(os, "fork"):
        _serve_with_workers(options)
    else:
        raise ConfigurationError("--workers needs fork(), which this system does not have: one process has to do")
    return 0


def _serve_alone(options: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        written = stack.enter_context(Written(options.keylog, options.pcapng))
        configs = _configs(options, _settings(options, None), written)
        (sockets,) = stack.enter_context(listening(options))
        server = Server(options, configs, written, sockets, _tracer(options))

        def began() -> None:
            configs.announce()
            _say_where(sockets)

        asyncio.run(server.run(began))
    say("bye")


def _serve_with_workers(options: argparse.Namespace) -> None:
    from .shared_page import SharedPage, SharedVoices, Turns
    from .shared_store import SharedStore
    from .workers import Workers

    store = SharedStore()
    with contextlib.ExitStack() as stack:
        turns = stack.enter_context(contextlib.closing(Turns()))
        page = SharedPage(sys.stderr, turns)
        stack.enter_context(contextlib.redirect_stderr(page))
        written = stack.enter_context(Written(options.keylog, options.pcapng, turns))
        # Each worker may make its config anew, for a changed certificate; this is to be the same in all of them.
        configs = _configs(options, {"cookie_key": os.urandom(32), **_settings(options, store)}, written)
        shares = stack.enter_context(listening(options))

        def work(number: int, link: socket.socket) -> None:
            page.number = number
            tracer = SharedVoices(page, detail=options.verbose) if _is_told(options) else None
            server = Server(options, configs, written, shares[number - 1], tracer)
            for sock in (one for share in shares if share is not shares[number - 1] for one in share):
                sock.close()
            asyncio.run(server.run_as_worker(store, link))

        def began(processes: Sequence[int]) -> None:
            configs.announce()
            say(f"{len(processes)} workers: processes {', '.join(map(str, processes))}")
            _say_where(shares[0])

        Workers(options.workers, work, say).run(began, [sock for share in shares for sock in share])
        say("bye")


def _configs(options: argparse.Namespace, settings: dict[str, Any], written: Written) -> MadeConfig | ReloadedConfig:
    alpn = options.alpn or (["http/1.1"] if options.www is not None else [])
    settings = {"alpn_protocols": alpn, "key_log": written.key_log, **settings}
    if options.cert:
        return ReloadedConfig(options.cert, options.key, settings)
    return MadeConfig(options.host, options.ca_out, settings)


def _settings(options: argparse.Namespace, shared: SharedStore | None) -> dict[str, Any]:
    """What the options say of tickets, early data, PSKs and client certificates. Raises ConfigurationError.

    shared: where workers keep what they must know of each other."""
    if options.no_tickets and (options.ticket_store or options.early_data):
        raise ConfigurationError("--no-tickets excludes --ticket-store and --early-data")
    if options.client_auth is not None and options.client_ca is None:
        raise ConfigurationError("--client-auth needs --client-ca: whose certificates are to be trusted?")
    # Made once: a config that is made again for a changed certificate goes on opening the tickets of the one before.
    tickets: Tickets | None = None
    if not options.no_tickets:
        tickets = SealedTickets() if shared is None else SealedTickets(StoredTicketKeys(shared))
    # The keys of these tickets begin with this process, so nobody can replay what an earlier one has taken.
    guard = ReplayGuard(shared)
    if options.ticket_store:
        store = AsyncRedisStore(options.ticket_store)
        tickets, guard = StoredTickets(store), ReplayGuard(store)
    settings: dict[str, Any] = {"tickets": tickets, "max_early_data": options.early_data, "replay_guard": guard}
    psk = external_psk(options)
    if psk is not None:
        settings["psks"] = [psk]
    if options.client_ca is not None:
        settings["client_trust"] = TrustStore.from_file(options.client_ca)
        settings["client_auth"] = ClientAuth(options.client_auth or "required")
    return settings


class MadeConfig:
    """Without a certificate: one of our own making, and the CA's file for the client to trust."""

    def __init__(self, host: str, ca_file: str, settings: dict[str, Any]) -> None:
        authority = Authority.create(now=datetime.now(UTC), common_name="tls13 serve")
        self._ca_file, self._ca_pem = ca_file, authority.certificate_pem
        names = dict.fromkeys([*NAMES_OF_THIS_MACHINE, *([host] if host not in ("0.0.0.0", "::", "") else [])])
        self._config = ServerConfig(authority.issue(list(names)).identity, **settings)
        self._names = tuple(names)

    def announce(self) -> None:
        """Only once we listen: another server's CA may be in that file, and its clients go on needing it until then."""
        Path(self._ca_file).write_bytes(self._ca_pem)
        say(f"made a certificate for {', '.join(self._names)}; let the client trust {self._ca_file}")

    def __call__(self) -> ServerConfig:
        return self._config


class ReloadedConfig:
    """A certificate and key in files, read again when one of them changes. A broken new pair changes nothing."""

    def __init__(self, certificate: str, key: str, settings: dict[str, Any]) -> None:
        self._certificate, self._key, self._settings = certificate, key, settings
        self._password: bytes | None = None
        self._started = False
        self._seen = self._state()
        self._config = self._load()
        self._started = True

    def announce(self) -> None:
        say(f"the certificate is for {self._about}")

    def __call__(self) -> ServerConfig:
        try:
            state = self._state()
            if state != self._seen:
                self._seen = state
                self._config = self._load()
                say(f"took up the changed certificate in {self._certificate}, for {self._about}")
        except (ConfigurationError, OSError) as error:
            say(f"the changed certificate is not taken up: {error}")
        return self._config

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        found = (os.stat(path) for path in (self._certificate, self._key))
        return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in found)

    def _load(self) -> ServerConfig:
        identity = Identity.from_files(self._certificate, self._key, self._ask)
        leaf = identity.chain[0]
        self._about = f"{', '.join(certificate_names(leaf))}, until {leaf.not_valid_after_utc:%Y-%m-%d}"
        return ServerConfig(identity, **self._settings)

    def _ask(self) -> bytes:
        """Asked once, at the start; a renewed key is expected to have the same password."""
        if self._password is None and self._started:
            raise ConfigurationError(f"{self._key} is encrypted now; start again to give its password")
        if self._password is None:
            self._password = ask_password(self._key)
        return self._password


class Visitors:
    """The clients that are connected. When the server ends, each is told so by a close_notify (section 6.1)."""

    def __init__(self, talk: Talk, options: argparse.Namespace) -> None:
        self._talk = talk
        self._asks_later = options.client_auth == "later"
        self._key_update = options.key_update
        self._present: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def __call__(self, reader: asyncio.StreamReader, writer: aio.TLSWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._present[task] = writer
        try:
            early_data = await _early_data(writer)
            await self._greet(writer)
            await self._talk(reader, writer, early_data)
        except (TruncatedStream, ConnectionError):
            pass  # gone without a word, as browsers go
        except (TLSError, OSError) as error:
            # Of a handshake that failed after its early data, start_server's hook has told.
            if writer.session is not None:
                _say_error(error, writer.get_extra_info("peername"))
        finally:
            writer.close()
            del self._present[task]
            # What ended the connection is known already. A future that nobody asks for it would say so at our end, by
            # a traceback, if the garbage collector met it before the protocol that it belongs to.
            with contextlib.suppress(TLSError, OSError):
                await writer.wait_closed()

    async def _greet(self, writer: aio.TLSWriter) -> None:
        """What the options want done with each client before anything else."""
        if self._key_update:
            writer.update_keys(request_peer=True)
        peer = writer.get_extra_info("peername")
        if self._asks_later:
            try:
                await writer.request_client_certificate()
            except UsageError as error:
                _say_error(error, peer)
        if writer.session is not None and writer.session.peer_certificates:
            say(f"{_name(peer)}: is {describe(writer.session.peer_certificates[0])}")

    async def goodbye(self) -> None:
        for writer in self._present.values():
            writer.close()
        if self._present:
            await asyncio.wait(self._present, timeout=GOODBYE_SECONDS)


async def _early_data(writer: aio.TLSWriter) -> bytes:
    """All of it, and not before the handshake is complete: then nobody else can have sent it (RFC 8470, section 3,
    leaves that to a server; it costs the round trip that early data would save)."""
    pieces = []
    while piece := await writer.recv_early_data():
        pieces.append(piece)
    if pieces:
        say(f"{_name(writer.get_extra_info('peername'))}: {sum(map(len, pieces))} bytes of early data")
    return b"".join(pieces)


class Server:
    """What listens and answers, in this process."""

    def __init__(
        self,
        options: argparse.Namespace,
        configs: MadeConfig | ReloadedConfig,
        written: Written,
        sockets: Sequence[socket.socket],
        tracer: Callable[[], Tracer] | None,
    ) -> None:
        self._options, self._configs, self._written = options, configs, written
        self._sockets, self._tracer = sockets, tracer
        self._visitors = Visitors(_echo if options.www is None else _www(Path(options.www).resolve()), options)
        self._servers: list[asyncio.Server] = []

    async def run(self, began: Callable[[], None]) -> None:
        """Until SIGINT or SIGTERM. `began` is called once they are looked after."""
        stop = _when_told(signal.SIGINT, signal.SIGTERM)
        await self._begin()
        began()
        await stop.wait()
        await self._end()

    async def run_as_worker(self, store: SharedStore, link: socket.socket) -> None:
        """Until SIGTERM, or the end of the link to the parent."""
        stop = _when_told(signal.SIGTERM)
        await store.open(link, stop.set)
        await self._begin()
        await stop.wait()
        await self._end()
        store.close()

    async def _begin(self) -> None:
        for sock in self._sockets:
            server = await aio.start_server(
                self._visitors,
                None,
                0,
                self._configs,
                on_error=_say_error,
                early_data=bool(self._options.early_data),
                protocol=self._written.protocol,
                tracer=self._tracer,
                sock=sock,
            )
            self._servers.append(server)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        await self._visitors.goodbye()


def _when_told(*signals: signal.Signals) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signals:
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    return stop


def _say_where(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        say(f"listening on {f'[{host}]' if ':' in host else host}:{port}; Ctrl-C ends it")


def _is_told(options: argparse.Namespace) -> bool:
    return bool(options.trace or options.verbose)


def _tracer(options: argparse.Namespace) -> Callable[[], Tracer] | None:
    if not _is_told(options):
        return None
    from ..explain.voices import Voices

    return Voices(sys.stderr, detail=options.verbose)


def _name(peer: Any) -> str:
    return f"{peer[0]}, port {peer[1]}" if isinstance(peer, tuple) else "a client"


def _say_error(error: BaseException, peer: Any) -> None:
    say(f"{_name(peer)}: {error}")


def say(text: str) -> None:
    """One line on stderr, at once. Clients chose some of it, and must not steer the terminal."""
    print(f"tls13 serve: {printable(text)}", file=sys.stderr, flush=True)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early_data: bytes) -> None:
    writer.write(early_data)
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()


def _www(root: Path) -> Talk:
    from .www import Lines, respond

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early_data: bytes) -> None:
        lines = Lines(reader, early_data)
        while await respond(root, lines, writer):
            await writer.drain()

    return talk
