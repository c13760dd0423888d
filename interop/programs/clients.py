"""Trials of programs that are clients, when all goes well. The peers run on the standard `ssl`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from . import serving, web
from .desk import Desk, Unexpected, same
from .fetching import FETCHERS, Fetcher, requests_session, url
from .registry import Trial, add, client

if TYPE_CHECKING:
    import ssl

TIMEOUT = 30.0


def _peer(fetcher: Fetcher, desk: Desk, *, demands_certificate: bool = False) -> AbstractContextManager[int]:
    if fetcher.http2:
        return serving.hypercorn(desk.peer_server(alpn=["h2"], demands_certificate=demands_certificate))
    return web.peer(desk.peer_server(demands_certificate=demands_certificate))


def _small_and_large(fetcher: Fetcher, desk: Desk) -> None:
    context = desk.client()
    with _peer(fetcher, desk) as port:
        same("what was there", fetcher.fetch(context, port, TIMEOUT), web.GREETING)
        same("what was posted", fetcher.fetch(context, port, TIMEOUT, web.LARGE), web.LARGE)


def _certificate(fetcher: Fetcher, desk: Desk) -> None:
    context = desk.client(certificate=True)
    with _peer(fetcher, desk, demands_certificate=True) as port:
        same("what was there", fetcher.fetch(context, port, TIMEOUT), web.GREETING)


for _one in FETCHERS:
    add(Trial(_one.program, "client", "GET, and POST of 1 MiB", partial(_small_and_large, _one), _one.needs))
    add(Trial(_one.program, "client", "shows its certificate", partial(_certificate, _one), _one.needs))


@client("urllib3", "a pool of 10 reused over 100 requests", "urllib3")
def urllib3_pool(desk: Desk) -> None:
    import urllib3

    context = desk.client()
    with web.peer(desk.peer_server()) as port:
        pool = urllib3.HTTPSConnectionPool(web.HOST, port, maxsize=10, block=True, ssl_context=context)

        def fetch(number: int) -> bytes:
            return pool.request("POST", "/", body=b"%d" % number, timeout=TIMEOUT).data

        with ThreadPoolExecutor(10) as threads:
            same("the answers", list(threads.map(fetch, range(100))), [b"%d" % number for number in range(100)])
        pool.close()
    if (handshakes := desk.handshakes()) > 10:
        raise Unexpected(f"{handshakes} handshakes for a pool of 10")


@client("requests", "a session keeps its connection", "requests")
def requests_keeps(desk: Desk) -> None:
    with web.peer(desk.peer_server()) as port, requests_session(desk.client()) as session:
        for _ in range(20):
            same("what was there", session.get(url(port), timeout=TIMEOUT).content, web.GREETING)
    same("handshakes", desk.handshakes(), 1)


@client("httpx (HTTP/2)", "30 requests at once on one connection", "httpx", "h2", "hypercorn")
def httpx_streams(desk: Desk) -> None:
    import asyncio

    import httpx

    async def fetch(context: ssl.SSLContext, port: int) -> list[bytes]:
        async with httpx.AsyncClient(verify=context, timeout=TIMEOUT, trust_env=False, http2=True) as session:
            await session.get(url(port))
            answers = await asyncio.gather(*(session.post(url(port), content=web.LARGE[:n]) for n in SIZES))
            return [answer.content for answer in answers]

    with serving.hypercorn(desk.peer_server(alpn=["h2"])) as port:
        same("the answers", asyncio.run(fetch(desk.client(), port)), [web.LARGE[:size] for size in SIZES])
    same("handshakes", desk.handshakes(), 1)


SIZES = range(0, 30 * 5000, 5000)
