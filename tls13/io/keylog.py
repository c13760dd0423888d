"""Writing a key log where the user asks for one: RFC 9850. Wireshark reads it, and then the connection.

    config = tls13.ClientConfig(key_log=tls13.KeyLogFile("keys.log"))
    config = tls13.ClientConfig(key_log=tls13.key_log_from_environment())       # SSLKEYLOGFILE, if it is set

Nothing looks at the environment unless it is asked to: whoever can set a variable could read everything.
"""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


def key_log_from_environment() -> KeyLogFile | None:
    """The key log that SSLKEYLOGFILE names (RFC 9850, section 4); None if it names none.

    Raises ConfigurationError if the file cannot be written.
    """
    path = os.environ.get("SSLKEYLOGFILE")
    return KeyLogFile(path) if path else None


class KeyLogFile:
    """Appends lines to a file that only its owner can read (0600): whoever has them can read the connection.

    Raises ConfigurationError if the file cannot be written.
    """

    def __init__(self, path: str) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a file that was there may be open to all
                os.fchmod(descriptor, 0o600)
        except OSError as error:
            raise ConfigurationError(f"the key log {path} cannot be written: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "a", encoding="ascii")
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
