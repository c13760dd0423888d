"""What the command line writes down of connections: a key log (--keylog), and a capture (--pcapng).

Both are as secret as the connections: files that only their owner can read.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..io.keylog import KeyLogFile
from ..io.protocol import TLSProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ..connection import Connection
    from ..explain.pcapng import PcapngFile


class Written:
    """Raises ConfigurationError if a file cannot be written. lock: one that several processes share, where they write
    into the same files."""

    def __init__(
        self, key_log: str | None, capture: str | None, lock: contextlib.AbstractContextManager[object] | None = None
    ) -> None:
        self._files = contextlib.ExitStack()
        self._capture: PcapngFile | None = None
        self._logs: list[Callable[[str], None]] = []
        with self._files:
            if key_log is not None:
                self._logs.append(self._files.enter_context(KeyLogFile(key_log)))
            if capture is not None:
                from ..explain.pcapng import PcapngFile

                self._capture = self._files.enter_context(PcapngFile(capture, lock=lock))
                self._logs.append(self._capture.key_log)
            self._files = self._files.pop_all()

    @property
    def key_log(self) -> Callable[[str], None] | None:
        """For a config."""
        return self._log if self._logs else None

    def _log(self, line: str) -> None:
        for log in self._logs:
            log(line)

    def record(self, connection: Connection, sock: socket.socket) -> Callable[[], None]:
        """From here on; call what is returned when the connection has ended."""
        if self._capture is None:
            return lambda: None
        from ..explain.tap import record_socket

        return record_socket(connection, self._capture, sock)

    @property
    def protocol(self) -> type[TLSProtocol]:
        """For tls13.aio.start_server."""
        if self._capture is None:
            return TLSProtocol
        from ..explain.recorded import recorded

        return recorded(self._capture)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.close()
