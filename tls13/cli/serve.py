"""tls13 serve: an echo, or the files of a directory, for many clients at once."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import ServerConfig
from ..errors import ConfigurationError, ConnectFailed, TLSError, TruncatedStream
from ..explain.trace import printable
from ..io import aio
from ..io.keylog import KeyLogFile
from ..lab.authority import Authority
from ..trust.identity import Identity
from ..trust.names import certificate_names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NAMES_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
GOODBYE_SECONDS = 2.0


def serve(options: argparse.Namespace) -> int:
    """Runs until Ctrl-C or SIGTERM; returns 0 then."""
    if bool(options.cert) != bool(options.key):
        raise ConfigurationError("--cert and --key go together")
    if options.www is not None and not Path(options.www).is_dir():
        raise ConfigurationError(f"--www {options.www} is not a directory")
    with contextlib.ExitStack() as stack:
        key_log = stack.enter_context(KeyLogFile(options.keylog)) if options.keylog else None
        alpn = options.alpn or (["http/1.1"] if options.www is not None else [])
        settings: dict[str, Any] = {"alpn_protocols": alpn, "key_log": key_log}
        configs: MadeConfig | ReloadedConfig
        if options.cert:
            configs = ReloadedConfig(options.cert, options.key, settings)
        else:
            configs = MadeConfig(options.host, options.ca_out, settings)
        asyncio.run(_serve(options, configs))
    return 0


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
            try:
                self._password = getpass.getpass(f"password of {self._key}: ").encode()
            except EOFError:
                raise ConfigurationError(f"{self._key} is encrypted, and no password was given") from None
        return self._password


class Visitors:
    """The clients that are connected. When the server ends, each is told so by a close_notify (section 6.1)."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._present: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._present[task] = writer
        try:
            await self._talk(reader, writer)
        except (TruncatedStream, ConnectionError):
            pass  # gone without a word, as browsers go
        except (TLSError, OSError) as error:
            _say_error(error, writer.get_extra_info("peername"))
        finally:
            writer.close()
            del self._present[task]

    async def goodbye(self) -> None:
        for writer in self._present.values():
            writer.close()
        if self._present:
            await asyncio.wait(self._present, timeout=GOODBYE_SECONDS)


async def _serve(options: argparse.Namespace, configs: MadeConfig | ReloadedConfig) -> None:
    visitors = Visitors(_echo if options.www is None else _www(Path(options.www).resolve()))
    server = await _listen(options, configs, visitors)
    configs.announce()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    for sock in server.sockets:
        host, port = sock.getsockname()[:2]
        say(f"listening on {f'[{host}]' if ':' in host else host}:{port}; Ctrl-C ends it")
    await stop.wait()
    server.close()
    await visitors.goodbye()
    say("bye")


async def _listen(
    options: argparse.Namespace, configs: MadeConfig | ReloadedConfig, visitors: Visitors
) -> asyncio.Server:
    try:
        return await aio.start_server(visitors, options.host, options.port, configs, on_error=_say_error)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        where = f"{options.host}, port {options.port}"
        raise ConnectFailed(
            error.errno, f"cannot listen on {where}: {reason}; --host and --port choose another"
        ) from error


def _say_error(error: BaseException, peer: Any) -> None:
    who = f"{peer[0]}, port {peer[1]}" if isinstance(peer, tuple) else "a client"
    say(f"{who}: {error}")


def say(text: str) -> None:
    """One line on stderr, at once. Clients chose some of it, and must not steer the terminal."""
    print(f"tls13 serve: {printable(text)}", file=sys.stderr, flush=True)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()


def _www(root: Path) -> Talk:
    from .www import respond

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await respond(root, reader, writer):
            await writer.drain()

    return talk
