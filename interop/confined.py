"""A program that would listen everywhere, in a network of its own, with a door that only we have.

`gnutls-serv` and `selfserv` cannot be told to listen on loopback only, nor to choose a free port. So they run in a
new network namespace, where there is nothing but a loopback interface and every port is free. A socket belongs to the
namespace that it was made in, whoever holds it. So a doorkeeper inside connects to the program whenever we ask, and
hands the connected socket out to us, over a Unix socket that was there before.

This file is run as a script inside: python confined.py DESCRIPTOR COMMAND... Its process becomes the program, so that
a signal reaches that; the doorkeeper is a child, which ends when our end of the Unix socket is closed. It imports the
standard library only.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import time

PORT = 4433
"""Where confined programs are to listen."""

PATIENCE = 30.0
"""Seconds until a program listens at the latest. It takes milliseconds."""

SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def switch_loopback_on() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def keep_the_door(door: socket.socket) -> None:
    """One connected socket for each byte that comes, until nobody is there any more."""
    while door.recv(1):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with socket.create_connection(("127.0.0.1", PORT), PATIENCE) as sock:
                    socket.send_fds(door, [b"!"], [sock.fileno()])
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.01)


def main() -> None:
    descriptor, command = int(sys.argv[1]), sys.argv[2:]
    switch_loopback_on()
    if os.fork():
        os.close(descriptor)
        os.execvp(command[0], command)
    with socket.socket(fileno=descriptor) as door:
        os.dup2(descriptor, 0)  # whoever reads the program's output shall see its end, not ours
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        keep_the_door(door)
    os._exit(0)


if __name__ == "__main__":
    main()
