"""smtplib, imaplib and ftplib, with servers that know just enough of these protocols; and aiosmtpd, a real one.

A `Fetch` here sends or gets one message (or file), and gives it back.
"""

from __future__ import annotations

import asyncio
import ftplib
import imaplib
import io
import smtplib
import socket
import socketserver
import ssl
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .desk import Desk, same
from .fetching import Fetcher
from .registry import client, server
from .serving import in_thread
from .web import GREETING, HOST, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TIMEOUT = 20.0
MAIL = b"".join(b"line %06d of a message that is long\r\n" % number for number in range(20_000))


# --- the clients ----------------------------------------------------------------------------------------------------


def by_smtplib(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    mail = smtplib.SMTP(HOST, port, timeout=timeout)
    try:
        mail.starttls(context=context)
        mail.sendmail("from@example.com", ["to@example.com"], MAIL if data is None else data)
        mail.quit()
    finally:
        mail.close()
    return MAIL if data is None else data


def by_smtp_ssl(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    mail = smtplib.SMTP_SSL(HOST, port, timeout=timeout, context=context)
    try:
        mail.ehlo_or_helo_if_needed()
        mail.quit()
    finally:
        mail.close()
    return GREETING


def by_imaplib(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    return _first_mail(imaplib.IMAP4_SSL(HOST, port, ssl_context=context, timeout=timeout))


def by_imaplib_starttls(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    box = imaplib.IMAP4(HOST, port, timeout=timeout)
    try:
        box.starttls(ssl_context=context)
    except BaseException:
        box.shutdown()
        raise
    return _first_mail(box)


def _first_mail(box: imaplib.IMAP4) -> bytes:
    try:
        box.login("user", "password")
        box.select()
        _, found = box.fetch("1", "(RFC822)")
    except BaseException:
        box.shutdown()
        raise
    box.logout()
    return found[0][1] if isinstance(found[0], tuple) else b""


def by_ftplib(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    """Stores a file, and retrieves it: a connection for each, over TLS too, and unwrapped at its end."""
    ftp = ftplib.FTP_TLS(context=context, timeout=timeout)
    received = bytearray()
    try:
        ftp.connect(HOST, port)
        ftp.login("user", "password")
        ftp.prot_p()
        ftp.storbinary("STOR file", io.BytesIO(MAIL))
        ftp.retrbinary("RETR file", received.extend)
        ftp.quit()
    finally:
        ftp.close()
    return bytes(received)


SMTP_GREETING, IMAP_GREETING = b"220 smtp.example here\r\n", b"* OK here\r\n"

FETCHERS = (
    Fetcher(
        "smtplib (STARTTLS)",
        by_smtplib,
        plain=(SMTP_GREETING, b"250-smtp.example\r\n250 STARTTLS\r\n", b"220 go\r\n"),
    ),
    Fetcher("smtplib (SMTP_SSL)", by_smtp_ssl, greeting=SMTP_GREETING),
    Fetcher("imaplib", by_imaplib, greeting=IMAP_GREETING),
    Fetcher(
        "imaplib (STARTTLS)",
        by_imaplib_starttls,
        plain=(IMAP_GREETING, b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK it is\r\n", b"{tag} OK go\r\n"),
    ),
    Fetcher("ftplib", by_ftplib, plain=(b"220 ftp.example here\r\n", b"234 go\r\n")),
)


# --- servers that are no programs -----------------------------------------------------------------------------------


class Lines(socketserver.StreamRequestHandler):
    """A protocol of lines."""

    greeting = b""
    implicit = False
    server: Peer

    def setup(self) -> None:
        self.plain = self.request
        if self.implicit:
            self.request = self.server.context.wrap_socket(self.plain, server_side=True)
        super().setup()

    def handle(self) -> None:
        self.wfile.write(self.greeting)
        while line := self.rfile.readline():
            words = line.decode().split()
            answer = self.answer(words)
            self.wfile.write(answer)
            if "STARTTLS" in words or words[0] == "AUTH":
                super().finish()
                self.request = self.server.context.wrap_socket(self.plain, server_side=True)
                super().setup()
            if "LOGOUT" in words or words[0] == "QUIT":
                return

    def answer(self, words: list[str]) -> bytes:
        raise NotImplementedError

    def finish(self) -> None:
        super().finish()
        self.request.close()


class Peer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    context: ssl.SSLContext


class Imap(Lines):
    greeting = IMAP_GREETING

    def answer(self, words: list[str]) -> bytes:
        match words[1]:
            case "CAPABILITY":
                before = b"* CAPABILITY IMAP4rev1 STARTTLS\r\n"
            case "SELECT":
                before = b"* 1 EXISTS\r\n"
            case "FETCH":
                before = b"* 1 FETCH (RFC822 {%d}\r\n%b)\r\n" % (len(MAIL), MAIL)
            case "LOGOUT":
                before = b"* BYE\r\n"
            case _:
                before = b""
        return before + words[0].encode() + b" OK done\r\n"


class ImapOverTLS(Imap):
    implicit = True


class SmtpOverTLS(Lines):
    greeting = SMTP_GREETING
    implicit = True

    def answer(self, words: list[str]) -> bytes:
        return b"221 bye\r\n" if words[0] == "QUIT" else b"250 smtp.example\r\n"


class Ftp(Lines):
    greeting = b"220 ftp.example here\r\n"
    file = b""

    def answer(self, words: list[str]) -> bytes:
        match words[0]:
            case "AUTH":
                return b"234 go\r\n"
            case "PASV":
                self.listener = socket.create_server(("127.0.0.1", 0))
                port = self.listener.getsockname()[1]
                return b"227 here (127,0,0,1,%d,%d)\r\n" % divmod(port, 256)
            case "STOR" | "RETR":
                self.wfile.write(b"150 wait\r\n")
                self.transfer(words[0])
                return b"226 done\r\n"
            case "QUIT":
                return b"221 bye\r\n"
            case _:
                return b"230 yes\r\n" if words[0] in ("USER", "PASS") else b"200 yes\r\n"

    def transfer(self, direction: str) -> None:
        with self.listener, self.listener.accept()[0] as plain:
            tls = self.server.context.wrap_socket(plain, server_side=True)
            if direction == "RETR":
                tls.sendall(self.file)
            else:
                while data := tls.recv(2**16):
                    self.file += data
            tls.unwrap().close()


def peer(handler: type[Lines], context: ssl.SSLContext) -> AbstractContextManager[int]:
    listening = Peer(("127.0.0.1", 0), handler)
    listening.context = context
    return running(listening)


class Mailbox:
    """aiosmtpd's handler: keeps what came."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, smtp: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 it came"


def aiosmtpd(context: ssl.SSLContext, mailbox: Mailbox) -> AbstractContextManager[int]:
    from aiosmtpd.smtp import SMTP

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def serve() -> None:
            loop = asyncio.get_running_loop()

            def protocol() -> asyncio.BaseProtocol:
                made: asyncio.BaseProtocol = SMTP(mailbox, tls_context=context, require_starttls=True, loop=loop)
                return made

            async with await loop.create_server(protocol, "127.0.0.1", 0) as listening:
                started(listening.sockets[0].getsockname()[1])
                await ending()

        asyncio.run(serve())

    return in_thread(main)


# --- the trials -----------------------------------------------------------------------------------------------------


@client("smtplib (STARTTLS)", "a message of 800 kB", "aiosmtpd")
def smtplib_sends(desk: Desk) -> None:
    mailbox = Mailbox()
    with aiosmtpd(desk.peer_server(), mailbox) as port:
        by_smtplib(desk.client(), port, TIMEOUT)
    same("what arrived", mailbox.mails, [MAIL])


@client("smtplib (SMTP_SSL)", "EHLO and QUIT")
def smtp_ssl(desk: Desk) -> None:
    with peer(SmtpOverTLS, desk.peer_server()) as port:
        by_smtp_ssl(desk.client(), port, TIMEOUT)


@client("imaplib", "a message of 800 kB")
def imaplib_fetches(desk: Desk) -> None:
    with peer(ImapOverTLS, desk.peer_server()) as port:
        same("what was fetched", by_imaplib(desk.client(), port, TIMEOUT), MAIL)


@client("imaplib (STARTTLS)", "a message of 800 kB")
def imaplib_starttls(desk: Desk) -> None:
    with peer(Imap, desk.peer_server()) as port:
        same("what was fetched", by_imaplib_starttls(desk.client(), port, TIMEOUT), MAIL)


@client("ftplib", "a file of 800 kB up and down")
def ftplib_stores(desk: Desk) -> None:
    with peer(Ftp, desk.peer_server()) as port:
        same("what was retrieved", by_ftplib(desk.client(), port, TIMEOUT), MAIL)


@server("aiosmtpd", "STARTTLS, and a message of 800 kB", "aiosmtpd")
def aiosmtpd_receives(desk: Desk) -> None:
    mailbox = Mailbox()
    with aiosmtpd(desk.server(), mailbox) as port:
        by_smtplib(desk.peer_client(), port, TIMEOUT)
    same("what arrived", mailbox.mails, [MAIL])
