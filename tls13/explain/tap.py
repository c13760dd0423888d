"""Listening to the bytes of a live connection, in both directions, without being in their way."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from ..connection import ClientConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connection import Connection
    from .pcapng import PcapngWriter

    Seen = Callable[[bool, bytes], None]
    """Told whether we sent it, and the bytes."""


def tap(connection: Connection, seen: Seen) -> None:
    """From here on `seen` is told of all bytes that this connection receives and gives away to be sent.

    Only this object is changed: a connection that nobody listens to has nothing to ask about.
    """
    receive, send = connection.receive_data, connection.data_to_send

    def receive_data(data: bytes | bytearray | memoryview) -> None:
        seen(False, bytes(data))
        receive(data)

    def data_to_send() -> bytes:
        data = send()
        if data:
            seen(True, data)
        return data

    connection.receive_data = receive_data  # type: ignore[method-assign]  # in this one object, which is the point
    connection.data_to_send = data_to_send  # type: ignore[method-assign]  # the same


def record(connection: Connection, writer: PcapngWriter, here: str, there: str) -> Callable[[], None]:
    """Write this connection down. here, there: its ends, as `name` gives them. Call what is returned at its end."""
    is_client = isinstance(connection, ClientConnection)
    written = writer.connection(here, there) if is_client else writer.connection(there, here)
    began = time.perf_counter()
    tap(connection, lambda sent, data: written.segment(sent is is_client, time.perf_counter() - began, data))
    return lambda: written.end(time.perf_counter() - began)


def record_socket(connection: Connection, writer: PcapngWriter, sock: socket.socket) -> Callable[[], None]:
    """As record, with the addresses of a connected socket."""
    return record(connection, writer, name(sock.getsockname()), name(sock.getpeername()))


def name(address: object) -> str:
    """An address of the socket module's, as Capture has it: 192.0.2.1:443, [2001:db8::1]:443; "" for another kind."""
    if not isinstance(address, tuple):
        return ""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
