"""Programs that fetch over HTTPS, each in the way in which it takes a context.

A `Fetch` gets what is at https://localhost:PORT/ (or posts `data` there), waits at most `timeout` seconds for any one
thing, and raises what its program raises.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .web import HOST, body_of, content_length, request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine


class Fetch(Protocol):
    def __call__(self, context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes: ...


@dataclass(frozen=True)
class Fetcher:
    """A program, and the packages that it needs."""

    program: str
    fetch: Fetch
    needs: tuple[str, ...] = ()
    http2: bool = False
    plain: tuple[bytes, ...] = ()
    """What its server says before TLS: at once, and then after each line of the client's."""
    greeting: bytes = b""
    """What its server says first over TLS."""


def url(port: int, scheme: str = "https") -> str:
    return f"{scheme}://{HOST}:{port}/"


def by_http_client(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    connection = http.client.HTTPSConnection(HOST, port, context=context, timeout=timeout)
    try:
        connection.request("GET" if data is None else "POST", "/", body=data)
        return connection.getresponse().read()
    finally:
        connection.close()


def by_urllib(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url(port), data=data, context=context, timeout=timeout) as answer:
        body: bytes = answer.read()
        return body


def by_urllib3(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import urllib3

    with urllib3.PoolManager(ssl_context=context, timeout=timeout, retries=False) as pool:
        return pool.request("GET" if data is None else "POST", url(port), body=data).data


def requests_session(context: ssl.SSLContext) -> Any:
    """requests takes a context through an adapter, in two places: the second is where its pools are told apart."""
    from requests import Session
    from requests.adapters import HTTPAdapter

    class ContextAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
            return super().init_poolmanager(*args, ssl_context=context, **kwargs)

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
            return host, {**pool, "ssl_context": context}

    session = Session()
    session.mount("https://", ContextAdapter())
    return session


def by_requests(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    with requests_session(context) as session:
        answer = session.request("GET" if data is None else "POST", url(port), data=data, timeout=timeout)
        content: bytes = answer.content
        return content


def by_httpx(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import httpx

    with httpx.Client(verify=context, timeout=timeout, trust_env=False) as client:
        return client.request("GET" if data is None else "POST", url(port), content=data).content


def by_httpx_http2(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import httpx

    with httpx.Client(verify=context, timeout=timeout, trust_env=False, http2=True) as client:
        answer = client.request("GET" if data is None else "POST", url(port), content=data)
        if answer.http_version != "HTTP/2":
            raise ValueError(f"they speak {answer.http_version}")
        return answer.content


async def _by_httpx(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    import httpx

    async with httpx.AsyncClient(verify=context, timeout=timeout, trust_env=False) as client:
        return (await client.request("GET" if data is None else "POST", url(port), content=data)).content


def by_httpx_asyncio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    return asyncio.run(_by_httpx(context, port, timeout, data))


def by_httpx_trio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import trio

    return trio.run(_by_httpx, context, port, timeout, data)


async def _by_aiohttp(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=timeout)
    async with (
        aiohttp.ClientSession(timeout=limits) as session,
        session.request("GET" if data is None else "POST", url(port), data=data, ssl=context) as answer,
    ):
        return await answer.read()


def by_aiohttp(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    return asyncio.run(_by_aiohttp(context, port, timeout, data))


async def _by_streams(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(HOST, port, ssl=context)
        try:
            # When the peer closes, uvloop loses what it has not yet passed on, with any context: so it is we who close.
            writer.write(request(data, "keep-alive"))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(content_length(head))
        finally:
            writer.close()


def by_asyncio_streams(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    return asyncio.run(_by_streams(context, port, timeout, data))


def by_uvloop(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import uvloop

    task: Coroutine[Any, Any, bytes] = _by_streams(context, port, timeout, data)
    return uvloop.run(task)


async def _by_trio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    import trio

    with trio.fail_after(timeout):
        stream = await trio.open_ssl_over_tcp_stream(HOST, port, ssl_context=context, https_compatible=True)
        answer = bytearray()
        async with stream:
            await stream.send_all(request(data))
            async for chunk in stream:
                answer += chunk
        return body_of(bytes(answer))


def by_trio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import trio

    return trio.run(_by_trio, context, port, timeout, data)


async def _by_anyio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    import anyio

    with anyio.fail_after(timeout):
        stream = await anyio.connect_tcp(HOST, port, ssl_context=context, tls_standard_compatible=False)
        answer = bytearray()
        async with stream:
            await stream.send(request(data))
            async for chunk in stream:
                answer += chunk
        return body_of(bytes(answer))


def by_anyio_asyncio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import anyio

    return anyio.run(_by_anyio, context, port, timeout, data)


def by_anyio_trio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    import anyio

    return anyio.run(_by_anyio, context, port, timeout, data, backend="trio")


FETCHERS = (
    Fetcher("http.client", by_http_client),
    Fetcher("urllib.request", by_urllib),
    Fetcher("urllib3", by_urllib3, ("urllib3",)),
    Fetcher("requests", by_requests, ("requests",)),
    Fetcher("httpx", by_httpx, ("httpx",)),
    Fetcher("httpx (asyncio)", by_httpx_asyncio, ("httpx",)),
    Fetcher("httpx (trio)", by_httpx_trio, ("httpx", "trio")),
    Fetcher("httpx (HTTP/2)", by_httpx_http2, ("httpx", "h2", "hypercorn"), http2=True),
    Fetcher("aiohttp", by_aiohttp, ("aiohttp",)),
    Fetcher("asyncio streams", by_asyncio_streams),
    Fetcher("asyncio on uvloop", by_uvloop, ("uvloop",)),
    Fetcher("trio SSLStream", by_trio, ("trio",)),
    Fetcher("anyio (asyncio)", by_anyio_asyncio, ("anyio",)),
    Fetcher("anyio (trio)", by_anyio_trio, ("anyio", "trio")),
)
