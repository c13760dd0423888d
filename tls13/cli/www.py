"""The files of a directory over HTTP/1.1: GET and HEAD, and nothing outside the directory.

"Outside" is decided after `..`, percent-encoding and symbolic links have been resolved, by looking at where the path
leads and not at how it is written. A request that is not understood is answered and ends the connection: whoever
guesses where the next one begins can be made to guess wrong (request smuggling).
"""

from __future__ import annotations

import asyncio
import html
import io
import mimetypes
import os
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, unquote, urlsplit

IDLE_SECONDS = 30.0
MAX_HEADER_LINES = 100
FILE_UNIT = 2**16
METHODS = ("GET", "HEAD")


class Lines:
    """The lines of a stream that begins with early data."""

    def __init__(self, reader: asyncio.StreamReader, early_data: bytes = b"") -> None:
        self._reader, self._early_data = reader, early_data

    async def readline(self) -> bytes:
        line, end, self._early_data = self._early_data.partition(b"\n")
        return line + end if end else line + await self._reader.readline()


class BadRequest(Exception):
    """What came is not an HTTP/1.1 request that we are willing to read."""


class Request(NamedTuple):
    method: str
    target: str
    keep_alive: bool


class Answer(NamedTuple):
    status: HTTPStatus
    headers: dict[str, str]
    body: BinaryIO
    length: int
    """Of the body, in bytes."""


async def respond(root: Path, reader: Lines, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; whether another may follow on this connection. Raises what the streams raise."""
    try:
        request = await _read_request(reader)
    except BadRequest:
        request, answer = Request("GET", "", keep_alive=False), _page(HTTPStatus.BAD_REQUEST)
    else:
        if request is None:
            return False
        answer = _answer(root, request)
    with answer.body:
        headers = {
            **answer.headers,
            "Content-Length": str(answer.length),
            "Connection": "keep-alive" if request.keep_alive else "close",
        }
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))
        complete = request.method == "HEAD" or await _send_body(answer, writer)
    return request.keep_alive and complete


async def _read_request(reader: Lines) -> Request | None:
    """None when no further request comes. Raises BadRequest."""
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            line = await _read_line(reader)
            headers = await _read_headers(reader) if line else {}
    except TimeoutError:
        return None
    words = line.split()
    if not words:
        return None
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    keep_alive = words[2] == "HTTP/1.1" and headers.get("connection") != "close" and not has_body
    return Request(words[0], words[1], keep_alive)


async def _read_headers(reader: Lines) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADER_LINES):
        line = await _read_line(reader)
        if not line.strip():
            return headers
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():  # RFC 9112, section 5.1: no space before the colon, no folded lines
            raise BadRequest
        headers[name.lower()] = value.strip().lower()
    raise BadRequest


async def _read_line(reader: Lines) -> str:
    try:
        return (await reader.readline()).decode("latin-1")
    except ValueError:  # a line beyond the reader's limit
        raise BadRequest from None


def _answer(root: Path, request: Request) -> Answer:
    if request.method not in METHODS:
        return _page(HTTPStatus.METHOD_NOT_ALLOWED, Allow=", ".join(METHODS))
    try:
        path = urlsplit(request.target).path
        wanted = (root / unquote(path, errors="surrogateescape").lstrip("/")).resolve()
        if not wanted.is_relative_to(root):
            return _page(HTTPStatus.NOT_FOUND)
        if not wanted.is_dir():
            return _file(wanted)
        if not path.endswith("/"):  # or the relative links in it would lead to the wrong place
            return _page(HTTPStatus.MOVED_PERMANENTLY, Location=f"/{_quoted(wanted.relative_to(root).as_posix())}/")
        index = wanted / "index.html"
        return _file(index) if index.is_file() else _listing(root, wanted)
    except PermissionError:
        return _page(HTTPStatus.FORBIDDEN)
    except (OSError, ValueError):  # not there; or a NUL, a loop of links, a name that is too long
        return _page(HTTPStatus.NOT_FOUND)


def _file(path: Path) -> Answer:
    if not path.is_file():  # opening a pipe or a device could wait for ever
        return _page(HTTPStatus.NOT_FOUND)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    file = path.open("rb")
    return Answer(HTTPStatus.OK, {"Content-Type": kind}, file, os.fstat(file.fileno()).st_size)


def _page(status: HTTPStatus, **headers: str) -> Answer:
    return _text(status, "text/plain", f"{status.value} {status.phrase}\n", headers)


def _text(status: HTTPStatus, kind: str, text: str, headers: dict[str, str]) -> Answer:
    data = text.encode("utf-8", "replace")
    return Answer(status, {"Content-Type": f"{kind}; charset=utf-8", **headers}, io.BytesIO(data), len(data))


def _listing(root: Path, directory: Path) -> Answer:
    title = html.escape(f"/{directory.relative_to(root).as_posix()}/") if directory != root else "/"
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in directory.iterdir())
    if directory != root:
        names.insert(0, "../")
    items = "".join(f'<li><a href="{_quoted(name)}">{html.escape(name)}</a></li>\n' for name in names)
    page = f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n{items}</ul>\n"
    return _text(HTTPStatus.OK, "text/html", page, {})


def _quoted(path: str) -> str:
    """A file name is bytes, not always text."""
    return quote(os.fsencode(path))


async def _send_body(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    """Whether it was as long as announced: a file may change while it is sent."""
    left = answer.length
    while left and (data := answer.body.read(min(left, FILE_UNIT))):
        left -= len(data)
        writer.write(data)
        await writer.drain()
    return not left
