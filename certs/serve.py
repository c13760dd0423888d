"""python -m certs serve: every chain of the workshop behind one port, chosen by SNI. A badssl.com in a box.

Each case answers at its own host below `workshop.localhost`; any other name, and no name, gets the index. Many
resolvers send such names to the loopback address; for the others, clients have an option: `tls13 connect 127.0.0.1
--sni NAME`. Trust the file that it names, ask for a host, and see whether your client says what it should.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

import tls13
from certs.catalogue import DOMAIN, catalogue
from tls13 import aio
from tls13.crypto.signatures import schemes_for, sign
from tls13.wire.companions import CertificateStatus
from tls13.wire.registry import CertificateType

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from certs.bench import Exhibit, Workshop
    from certs.catalogue import Case
    from tls13.wire.extensions import ExtensionBody, OIDFilter
    from tls13.wire.registry import SignatureScheme

INDEX_HOST: Final = f"index.{DOMAIN}"


class Exhibited:
    """A chain as the catalogue has it, presented without a question: what tls13.Identity refuses is the point here."""

    def __init__(self, case: Case, exhibit: Exhibit) -> None:
        self.case = case
        self.exhibit = exhibit
        self.der_chain: tuple[bytes, ...] = exhibit.chain
        self.private_key: CertificateIssuerPrivateKeyTypes = exhibit.private_key
        self.signature_schemes: tuple[SignatureScheme, ...] = schemes_for(exhibit.private_key, self._leaf())

    def _leaf(self) -> x509.Certificate | None:
        """The leaf, where it can be read: an RSA key is restricted to PSS by its certificate alone."""
        try:
            return x509.load_der_x509_certificate(self.der_chain[0])
        except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning):  # the last: under -W error
            return None

    @property
    def can_be_served(self) -> bool:
        """Whether a handshake gets as far as the chain: some keys are only drawn on the certificate (8192 bits take
        minutes to make), and some TLS 1.3 cannot sign with."""
        leaf = self._leaf()
        try:
            fits = leaf is None or leaf.public_key() == self.private_key.public_key()
        except (ValueError, UnsupportedAlgorithm):
            fits = True  # the key cannot be read, and that is the defect
        refused = self.case.verdict.exception is not None
        return bool(self.signature_schemes) and (fits or refused)

    def sign(self, scheme: SignatureScheme, content: bytes) -> bytes:
        return sign(self.private_key, scheme, content)

    certificate_type = CertificateType.X509
    delegated_credential = None
    chain_signatures = ()

    @property
    def leaf_extensions(self) -> tuple[ExtensionBody, ...]:
        response = self.exhibit.ocsp_response
        return (CertificateStatus(response=response),) if response is not None else ()

    def matches(self, server_name: str) -> bool:
        return server_name.lower() == self.case.host

    def issued_by(self, authorities: Collection[bytes]) -> bool:
        return True

    def satisfies(self, filters: Sequence[OIDFilter]) -> bool:
        return True


@cache
def exhibits(workshop: Workshop) -> tuple[Exhibited, ...]:
    """The cases of a server that have a host name of their own and can be served, made once."""
    cases = [case for case in catalogue().values() if case.role == "server" and case.host.endswith(DOMAIN)]
    found = [Exhibited(case, case.exhibit(workshop)) for case in {case.host: case for case in cases}.values()]
    return tuple(one for one in found if one.can_be_served)


def server_config(workshop: Workshop) -> tls13.ServerConfig:
    """The index's certificate first, so that it answers where no case does; then every case."""
    index = workshop.intermediate.issue([INDEX_HOST, DOMAIN, "localhost", "127.0.0.1", "::1"])
    return tls13.ServerConfig([index.identity, *exhibits(workshop)])


def index_page(cases: Sequence[Case]) -> str:
    """What there is, and what a client should say of it."""
    lines = [f"{'host':64} {'verdict':24} alert"]
    for case in cases:
        verdict = case.verdict.exception or "accepted"
        lines.append(f"{case.host:64} {verdict:24} {case.verdict.alert or '-'}")
        lines.append(f"    {case.description} ({case.rfc})")
    return "\n".join(lines) + "\n"


def case_page(case: Case) -> str:
    """For a client that did accept the chain."""
    expected = case.verdict.exception
    verdict = f"should have been refused: {expected}, alert {case.verdict.alert}" if expected else "was to be accepted"
    return f"{case.name}: this chain {verdict}.\n{case.description}\n{case.rfc}\n"


async def _answer(cases: Sequence[Case], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(tls13.TLSError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
        name = (writer.get_extra_info("tls13_session").server_name or "").lower()
        case = next((one for one in cases if one.host == name), None)
        body = (case_page(case) if case is not None else index_page(cases)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
    with contextlib.suppress(tls13.TLSError, ConnectionError):
        writer.close()
        await writer.wait_closed()


async def _serve(workshop: Workshop, host: str, port: int, ca_file: Path) -> None:
    cases = [one.case for one in exhibits(workshop)]
    async with await aio.start_server(partial(_answer, cases), host, port, server_config(workshop)) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"{len(cases)} cases; let the client trust {ca_file}; Ctrl-C ends it", flush=True)
        print(f"the index: tls13 connect {host}:{port} --sni {INDEX_HOST} --cafile {ca_file} --http /", flush=True)
        await server.serve_forever()


def serve(workshop: Workshop, host: str, port: int, ca_file: Path) -> int:
    """Runs until Ctrl-C; writes the root that clients are to trust to `ca_file`. Raises OSError."""
    ca_file.write_bytes(workshop.root.certificate_pem)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(workshop, host, port, ca_file))
    return 0
