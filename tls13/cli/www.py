"""The files of a directory over HTTP/1.1: GET and HEAD, and nothing outside the directory."""

from __future__ import annotations

import asyncio
import html
import mimetypes
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

IDLE_SECONDS = 30.0
MAX_HEADER_LINES = 100
FILE_UNIT = 2**16

Answer = tuple[HTTPStatus, str, bytes | Path]


async def respond(root: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; whether another may follow on this connection."""
    request = await _read_request(reader)
    if request is None:
        return False
    method, target, keep_alive = request
    status, content_type, body = _answer(root, method, target)
    length = body.stat().st_size if isinstance(body, Path) else len(body)
    writer.write(
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n"
        f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n".encode("latin-1")
    )
    if method != "HEAD":
        await _send_body(body, writer)
    return keep_alive


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bool] | None:
    """Method, target, and whether the connection stays open; None for no request, or one that cannot be read."""
    async with asyncio.timeout(IDLE_SECONDS):
        try:
            line = (await reader.readline()).decode("latin-1").split()
            headers = {}
            for _ in range(MAX_HEADER_LINES):
                name, _, value = (await reader.readline()).decode("latin-1").partition(":")
                if not name.strip():
                    break
                headers[name.strip().lower()] = value.strip().lower()
        except ValueError:  # a line beyond the reader's limit
            return None
    if len(line) != 3:
        return None
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    keep_alive = line[2] == "HTTP/1.1" and headers.get("connection") != "close" and not has_body
    return line[0], line[1], keep_alive


def _answer(root: Path, method: str, target: str) -> Answer:
    if method not in ("GET", "HEAD"):
        return _page(HTTPStatus.METHOD_NOT_ALLOWED)
    wanted = (root / unquote(urlsplit(target).path).lstrip("/")).resolve() if "\0" not in unquote(target) else None
    if wanted is None or not wanted.is_relative_to(root):
        return _page(HTTPStatus.NOT_FOUND)
    if wanted.is_dir():
        index = wanted / "index.html"
        if not index.is_file():
            return HTTPStatus.OK, "text/html; charset=utf-8", _listing(root, wanted)
        wanted = index
    if not wanted.is_file():
        return _page(HTTPStatus.NOT_FOUND)
    return HTTPStatus.OK, mimetypes.guess_type(wanted.name)[0] or "application/octet-stream", wanted


def _page(status: HTTPStatus) -> Answer:
    return status, "text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode()


def _listing(root: Path, directory: Path) -> bytes:
    title = "/" + directory.relative_to(root).as_posix().removeprefix(".")
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in directory.iterdir())
    items = "".join(f'<li><a href="{quote(name)}">{html.escape(name)}</a></li>\n' for name in names)
    return (
        f"<!doctype html><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>\n<ul>\n{items}</ul>".encode()
    )


async def _send_body(body: bytes | Path, writer: asyncio.StreamWriter) -> None:
    if isinstance(body, bytes):
        writer.write(body)
        return
    with body.open("rb") as file:
        while data := file.read(FILE_UNIT):
            writer.write(data)
            await writer.drain()
