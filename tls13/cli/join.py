"""stdin to the server, the server to stdout, both at once."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

from ..errors import TLSError

if TYPE_CHECKING:
    from ..io.sockets import TLSSocket


def join(tls: TLSSocket) -> None:
    """Returns when the server has closed its side. The end of stdin closes ours, and we go on reading."""
    tls.settimeout(None)
    writer = threading.Thread(target=_send_stdin, args=(tls,), daemon=True)
    writer.start()
    while data := tls.recv():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _send_stdin(tls: TLSSocket) -> None:
    try:
        while data := os.read(sys.stdin.fileno(), 2**16):
            tls.sendall(data)
        tls.shutdown(socket.SHUT_WR)
    except (OSError, TLSError, ValueError):
        return  # the reading side finds out the same, and says it
