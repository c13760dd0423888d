"""tls13 serve: an echo, or the files of a directory, for many clients at once."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import ServerConfig
from ..errors import ConfigurationError, TLSError
from ..io import aio
from ..lab.authority import Authority
from ..trust.identity import Identity
from .keylog import KeyLogFile

if TYPE_CHECKING:
    import argparse

NAMES_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


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
        Path(ca_file).write_bytes(authority.certificate_pem)
        names = dict.fromkeys([*NAMES_OF_THIS_MACHINE, *([host] if host not in ("0.0.0.0", "::", "") else [])])
        self._config = ServerConfig(authority.issue(list(names)).identity, **settings)
        say(f"made a certificate for {', '.join(names)}; let the client trust {ca_file}")

    def __call__(self) -> ServerConfig:
        return self._config


class ReloadedConfig:
    """A certificate and key in files, read again when one of them changes. A broken new pair changes nothing."""

    def __init__(self, certificate: str, key: str, settings: dict[str, Any]) -> None:
        self._certificate, self._key, self._settings = certificate, key, settings
        self._password: bytes | None = None
        self._seen = self._state()
        self._config = self._load()

    def __call__(self) -> ServerConfig:
        try:
            state = self._state()
            if state != self._seen:
                self._seen = state
                self._config = self._load()
                say(f"took up the changed certificate in {self._certificate}")
        except (ConfigurationError, OSError) as error:
            say(f"the changed certificate is not taken up: {error}")
        return self._config

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        found = (os.stat(path) for path in (self._certificate, self._key))
        return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in found)

    def _load(self) -> ServerConfig:
        identity = Identity.from_files(self._certificate, self._key, self._ask)
        return ServerConfig(identity, **self._settings)

    def _ask(self) -> bytes:
        """Asked once; a renewed key is expected to have the same password."""
        if self._password is None:
            self._password = getpass.getpass(f"password of {self._key}: ").encode()
        return self._password


async def _serve(options: argparse.Namespace, configs: MadeConfig | ReloadedConfig) -> None:
    handler = _echo if options.www is None else _www(Path(options.www).resolve())
    server = await aio.start_server(handler, options.host, options.port, configs, on_error=_say_error)
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
    say("bye")


def _say_error(error: BaseException, peer: Any) -> None:
    who = f"{peer[0]}, port {peer[1]}" if isinstance(peer, tuple) else "a client"
    say(f"{who}: {error}")


def say(text: str) -> None:
    """One line on stderr, at once."""
    print(f"tls13 serve: {text}", file=sys.stderr, flush=True)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(TLSError, ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    await _finish(writer)


def _www(root: Path) -> Any:
    from .www import respond

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TLSError, ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            while await respond(root, reader, writer):
                await writer.drain()
        await _finish(writer)

    return handler


async def _finish(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(TLSError, ConnectionError):
        writer.close()
        await writer.wait_closed()
