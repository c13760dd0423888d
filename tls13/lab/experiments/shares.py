"""The key exchange under attack: shares that are no shares, and the HelloRetryRequest that asks for another one."""

from __future__ import annotations

from typing import Final

from ...errors import (
    GroupAlreadyShared,
    GroupNotOffered,
    InvalidKeyShare,
    NoCommonGroup,
    RetryChangesNothing,
    SecondHelloRetryRequest,
)
from ...wire.extensions import (
    HRR,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    SelectedVersion,
)
from ...wire.messages import ClientHello, HelloRetryRequest, ServerHello
from ...wire.registry import CipherSuite, ExtensionType, NamedGroup, ProtocolVersion
from ..scripted import with_extension, without
from .bench import Bench, edit
from .model import Part, alerted, refused

PART: Final = Part("The key exchange")
AES: Final = CipherSuite.TLS_AES_128_GCM_SHA256


@PART(
    "group-not-offered",
    "The server answers with a group that nobody offered",
    what="The server's key share claims to be of ffdhe2048, which was not in the client's key shares.",
    should="The client compares the group with those of its own shares, and refuses.",
    why="The client has no private key in that group. To go on would mean to compute with numbers of the wrong kind.",
    section="RFC 9846, 4.3.8",
    prediction=refused("client", GroupNotOffered),
    openssl=alerted("client", "illegal_parameter"),
)
def group_not_offered(bench: Bench) -> None:
    other = KeyShareServerHello(server_share=KeyShareEntry(group=NamedGroup.ffdhe2048, key_exchange=bytes(256)))
    bench.connect(server_script=edit(ServerHello, lambda hello: with_extension(hello, other))).carry()


def _share(group: NamedGroup, public: bytes) -> KeyShareClientHello:
    return KeyShareClientHello(client_shares=(KeyShareEntry(group=group, key_exchange=public),))


@PART(
    "small-order-point",
    "A key share that makes the secret zero",
    what="The client's X25519 share is the point 0: whatever the server's private key is, the result is 32 zeros.",
    should="The server sees the zeros, and refuses.",
    why="A shared secret that everybody knows in advance protects nothing; two connections could be given one secret.",
    section="RFC 9846, 7.4.2; RFC 7748, 6.1",
    attack="small-subgroup attack",
    prediction=refused("server", InvalidKeyShare),
    openssl=alerted("server", "illegal_parameter"),
)
def small_order_point(bench: Bench) -> None:
    zero = _share(NamedGroup.x25519, bytes(32))
    bench.connect(client_script=edit(ClientHello, lambda hello: with_extension(hello, zero))).carry()


@PART(
    "invalid-curve",
    "A point that is not on the curve",
    what="The client's P-256 share is the point (1, 1), which lies on another, weaker curve.",
    should="The server checks the curve's equation, and refuses.",
    why="The formulas work on the wrong curve too, where each answer gives a little of the server's private key away.",
    section="RFC 9846, 4.3.8.2",
    attack="invalid curve attack (Jager, Schwenk, Somorovsky 2015)",
    prediction=refused("server", InvalidKeyShare),
    openssl=alerted("server", "illegal_parameter"),
)
def invalid_curve(bench: Bench) -> None:
    one = (1).to_bytes(32, "big")
    astray = _share(NamedGroup.secp256r1, b"\x04" + one + one)
    bench.connect(client_script=edit(ClientHello, lambda hello: with_extension(hello, astray))).carry()


# --- HelloRetryRequest ------------------------------------------------------------------------------------------------


def _retry(group: NamedGroup, hello: ServerHello) -> HelloRetryRequest:
    return HelloRetryRequest(
        legacy_session_id_echo=hello.legacy_session_id_echo,
        cipher_suite=AES,
        extensions=Extensions.of(
            HRR,
            SelectedVersion(selected_version=ProtocolVersion.TLS1_3),
            KeyShareHelloRetryRequest(selected_group=group),
        ),
    )


@PART(
    "retry-twice",
    "A server that always wants another ClientHello",
    what="The answer to the second ClientHello is one more HelloRetryRequest.",
    should="The client gives up: one retry, not two.",
    why="Without a limit a server, or somebody who plays one, could keep a client busy for ever.",
    section="RFC 9846, 4.2.4",
    prediction=refused("client", SecondHelloRetryRequest),
    openssl=alerted("client", "unexpected_message"),
)
def retry_twice(bench: Bench) -> None:
    again = edit(ServerHello, lambda hello: _retry(NamedGroup.secp384r1, hello))
    bench.connect(server=bench.server.replace(always_retry=True), server_script=again).carry()


@PART(
    "retry-same-share",
    "A HelloRetryRequest for what the client has sent already",
    what="It asks for an X25519 share, and that was in the first ClientHello.",
    should="The client refuses: it has nothing to add.",
    why="A retry that brings nothing is a mistake, or somebody who wants a second ClientHello to compare with the "
    "first.",
    section="RFC 9846, 4.3.8",
    prediction=refused("client", GroupAlreadyShared),
    openssl=alerted("client", "illegal_parameter"),
)
def retry_same_share(bench: Bench) -> None:
    bench.connect(server_script=edit(ServerHello, lambda hello: _retry(NamedGroup.x25519, hello))).carry()


@PART(
    "retry-for-nothing",
    "A HelloRetryRequest that asks for nothing",
    what="It has neither a group nor a cookie: the second ClientHello would be the first one again.",
    should="The client refuses instead of repeating itself.",
    why="As before: each retry must bring the handshake forward.",
    section="RFC 9846, 4.2.4",
    prediction=refused("client", RetryChangesNothing),
    openssl=alerted("client", "illegal_parameter"),
)
def retry_for_nothing(bench: Bench) -> None:
    script = edit(ServerHello, lambda hello: without(_retry(NamedGroup.x25519, hello), ExtensionType.key_share))
    bench.connect(server_script=script).carry()


@PART(
    "no-common-group",
    "Client and server have no group in common",
    what="The server allows P-521 only, the client does not.",
    should="The server says handshake_failure.",
    why="There is no fallback below the lowest that each side accepts: no connection is better than a weak one.",
    section="RFC 9846, 4.2.1",
    prediction=refused("server", NoCommonGroup),
    openssl=alerted("server", "handshake_failure"),
    openssl_options=("-groups", "P-521"),
)
def no_common_group(bench: Bench) -> None:
    bench.connect(server=bench.server.replace(groups=[NamedGroup.secp521r1])).carry()
