"""What a trial works with: contexts of the library that is on trial, contexts of the peer's, and their certificates.

That the context was really used is seen in its key log: every handshake leaves one line of a kind there, whichever
library made it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import tls13
from tls13.lab.authority import CLIENT_AUTH, Authority, Issued

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MakeContext = Callable[..., ssl.SSLContext]
"""Called as ssl.create_default_context is."""

LIBRARIES: dict[str, MakeContext] = {"tls13": tls13.create_default_context, "ssl": ssl.create_default_context}

NAMES = ("localhost", "127.0.0.1")
DAY = timedelta(days=1)


class Unexpected(Exception):
    """A trial did not go as it should; the text says how."""


@dataclass(frozen=True)
class Desk:
    """`make`: the library on trial. `folder`: for this trial's files, empty at first."""

    make: MakeContext
    folder: Path
    authority: Authority = field(default_factory=lambda: Authority.create(now=datetime.now(UTC)))
    """Everybody trusts its root."""

    @property
    def with_standard(self) -> Desk:
        """The same desk, with the standard `ssl` on trial."""
        return replace(self, make=ssl.create_default_context)

    @property
    def root(self) -> Path:
        """The authority's root, as a PEM file."""
        path = self.folder / "root.pem"
        path.write_bytes(self.authority.certificate_pem)
        return path

    # --- contexts on trial, and the peer's -------------------------------------------------------------------------

    def client(self, *, certificate: bool = False, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """On trial: it verifies chain and host name. `certificate`: it has one to show."""
        return self._logged(self._client(self.make, certificate, alpn))

    def server(
        self, presents: str = "good", *, demands_certificate: bool = False, alpn: Sequence[str] = ()
    ) -> ssl.SSLContext:
        """On trial. `presents`: one of the kinds of certificate that `_issue` knows."""
        return self._logged(self._server(self.make, presents, demands_certificate, alpn))

    def peer_client(self, *, certificate: bool = False, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """As `client`, of the standard library."""
        return self._client(ssl.create_default_context, certificate, alpn)

    def peer_server(
        self, presents: str = "good", *, demands_certificate: bool = False, alpn: Sequence[str] = ()
    ) -> ssl.SSLContext:
        """As `server`, of the standard library. It speaks TLS 1.3 only."""
        context = self._server(ssl.create_default_context, presents, demands_certificate, alpn)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def _client(self, make: MakeContext, certificate: bool, alpn: Sequence[str]) -> ssl.SSLContext:
        context = make(ssl.Purpose.SERVER_AUTH, cafile=self.root)
        if certificate:
            context.load_cert_chain(*self.files("client"))
        if alpn:
            context.set_alpn_protocols(alpn)
        return context

    def _server(self, make: MakeContext, presents: str, demands: bool, alpn: Sequence[str]) -> ssl.SSLContext:
        context = make(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.files(presents))
        if demands:
            context.load_verify_locations(self.root)
            context.verify_mode = ssl.CERT_REQUIRED
        if alpn:
            context.set_alpn_protocols(alpn)
        return context

    # --- what was used ---------------------------------------------------------------------------------------------

    @property
    def _key_log(self) -> Path:
        return self.folder / "keys.log"

    def _logged(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.keylog_filename = str(self._key_log)
        return context

    def handshakes(self) -> int:
        """How many handshakes the contexts on trial have got to their keys."""
        return self._key_log.read_text().count("CLIENT_TRAFFIC_SECRET_0 ") if self._key_log.exists() else 0

    # --- certificates ----------------------------------------------------------------------------------------------

    def files(self, kind: str) -> tuple[Path, Path]:
        """A chain and its key, as PEM files."""
        chain, key = self.folder / f"{kind}.pem", self.folder / f"{kind}.key"
        if not chain.exists():
            issued = self._issue(kind)
            chain.write_bytes(issued.pem_chain)
            key.write_bytes(issued.pem_key)
        return chain, key

    def _issue(self, kind: str) -> Issued:
        match kind:
            case "good":
                return self.authority.intermediate().issue(NAMES)
            case "client":
                return self.authority.issue((), common_name="a client", usages=(CLIENT_AUTH,))
            case "another host's":
                return self.authority.issue(("another.example",))
            case "expired":
                return self._expired()
            case "of an unknown CA":
                return Authority.create(now=datetime.now(UTC), common_name="nobody's root").issue(NAMES)
            case _:
                raise ValueError(f"no certificate is {kind!r}")

    def _expired(self) -> Issued:
        fresh = self.authority.issue(NAMES)
        draft = self.authority.draft(NAMES, fresh.private_key.public_key())
        now = self.authority.now
        certificate = self.authority.sign(replace(draft, not_before=now - 30 * DAY, not_after=now - DAY))
        return Issued(certificate, fresh.private_key, (certificate,))


def same(what: str, found: object, wanted: object) -> None:
    """Raises Unexpected unless they are equal."""
    if found != wanted:
        raise Unexpected(f"{what}: {_short(found)} and not {_short(wanted)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:140]} ... {text[-140:]}"
