"""What the tests of the RFC's rules share: pairs whose two sides show certificates, and scripts."""

from __future__ import annotations

from typing import NamedTuple

import tls13
from tests.conftest import HOST, PairMaker
from tls13.crypto.signatures import sign
from tls13.lab.authority import CLIENT_AUTH, SERVER_AUTH, Authority, Issued
from tls13.wire.messages import ClientHello, decode_handshake

USAGES = {"server": SERVER_AUTH, "client": CLIENT_AUTH}
"""extendedKeyUsage, by who signs."""


class Presented:
    """An identity that shows whatever it is told to, where tls13.Identity would refuse to."""

    def __init__(self, good: tls13.Identity, der_chain, key, schemes=None) -> None:
        self.good, self.der_chain, self.key = good, tuple(der_chain), key
        self.signature_schemes = good.signature_schemes if schemes is None else schemes

    def __getattr__(self, name):
        return getattr(self.good, name)

    def sign(self, scheme, content) -> bytes:
        return sign(self.key, scheme, content)

    def matches(self, server_name) -> bool:
        return True

    def issued_by(self, authorities) -> bool:
        return True


class Both(NamedTuple):
    """Makes pairs whose two sides show certificates; `signer` breaks a rule, the other one is to notice."""

    quick_pair: PairMaker
    client: tls13.ClientConfig
    server: tls13.ServerConfig
    client_issued: Issued

    @classmethod
    def of(cls, quick_pair: PairMaker, authority: Authority, trust: tls13.TrustStore) -> Both:
        shown = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])
        return cls(
            quick_pair,
            quick_pair.client_config.replace(identities=shown.identity),
            quick_pair.server_config.replace(client_trust=trust),
            shown,
        )

    def showing(self, signer: str, identity, *, trust=None, clock=None) -> Both:
        """The same, but for what one side shows, and whom the other trusts."""
        client, server = self.client, self.server
        if clock is not None:
            client, server = client.replace(clock=clock), server.replace(clock=clock)
        if signer == "server":
            return self._replace(
                client=client.replace(**({"trust": trust} if trust else {})),
                server=server.replace(identity=identity),
            )
        return self._replace(
            client=client.replace(identities=identity),
            server=server.replace(**({"client_trust": trust} if trust else {}), certificate_authorities=[]),
        )

    def pair(self, signer: str = "", script=None, other_script=None, host=HOST):
        scripts = {"server_script": None, "client_script": None}
        if signer:
            scripts[f"{signer}_script"] = script
            scripts["client_script" if signer == "server" else "server_script"] = other_script
        return self.quick_pair(client=self.client, server=self.server, host=host, **scripts)

    def refused(self, signer: str, offence, script=None, other_script=None, *, host=HOST, told: bool = True):
        made = self.pair(signer, script, other_script, host)
        if signer == "server":
            return made.expect_refusal_by_client(offence, told=told)
        return made.expect_refusal_by_server(offence, told=told)


def edit(kind, change):
    """A script that changes the messages of one type."""
    return lambda message: change(message) if type(message) is kind else message


def first_hello(change):
    """A script that changes the first ClientHello only."""
    seen = []

    def script(message):
        if isinstance(message, ClientHello):
            seen.append(message)
            return change(message) if len(seen) == 1 else message
        return message

    return script


def hello_of(stream: bytes) -> ClientHello:
    """The ClientHello that a stream begins with, in one record."""
    hello = decode_handshake(stream[5:])
    assert isinstance(hello, ClientHello)
    hello.judge()
    return hello
