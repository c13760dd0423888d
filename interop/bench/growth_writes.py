"""Throughput of writes from 1 byte to 1 GiB, and what they cost in memory."""

from __future__ import annotations

import mmap
import multiprocessing
import socket
import time
from pathlib import Path

import tls13

from ..trial import HOST
from .stacks import READ, configs
from .tcp import PATIENCE, SETTING

SIZES = (1, 16, 2**8, 2**12, 2**14, 2**16, 2**18, 2**20, 2**24, 2**28, 2**30)


def write_sizes(largest: int) -> list[dict[str, float | str]]:
    """A child reads; the CPU time is the writer's. The data is pages that nobody has written: they take no memory."""
    configs(SETTING)
    table: list[dict[str, float | str]] = []
    data = mmap.mmap(-1, largest, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _ = data[
        :: mmap.PAGESIZE
    ]  # each page is looked at before the clock runs: all of them are the kernel's page of zeros
    for size in (size for size in SIZES if size <= largest):
        total = max(size, min(2**26, size * 100_000))
        table.append(_write(memoryview(data)[:size], total // size))
    return table


def _write(piece: memoryview, count: int) -> dict[str, float | str]:
    size = len(piece)
    ours, theirs = socket.socketpair()
    child = multiprocessing.get_context("fork").Process(target=_read, args=(theirs, size * count))
    child.start()
    theirs.close()
    with tls13.wrap_socket(ours, configs(SETTING)[0], server_hostname=HOST) as tls:
        before = _forget_peak()
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            tls.sendall(piece)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        grown = _kib("VmHWM") - before
        tls.recv(1)
    child.join(PATIENCE)
    return {
        "bytes a write": f"{size:,}",
        "us a write (CPU)": cpu / count * 1e6,
        "MiB/s": size * count / seconds / 2**20,
        "MiB per CPU second": size * count / cpu / 2**20,
        "memory, KiB more": grown,
    }


def _read(sock: socket.socket, left: int) -> None:
    with tls13.wrap_socket(sock, configs(SETTING)[1]) as tls:
        buffer = bytearray(READ)
        while left > 0:
            left -= tls.recv_into(buffer)
        tls.sendall(b"!")


def _forget_peak() -> float:
    """The peak of resident memory begins anew; KiB now, without the pages of the file."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kib("VmRSS")


def _kib(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith(field)))
