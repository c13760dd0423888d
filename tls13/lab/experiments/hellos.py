"""What an attacker on the path, or a peer with bad intent, can do to the negotiation: make it weaker than it should be.

Every older version of TLS lost here at least once. TLS 1.3's answer has three parts: little is left to negotiate, all
of it goes into the keys, and each side refuses an answer to what it did not ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ...errors import (
    BadCompressionMethod,
    BadRecordMac,
    CipherSuiteNotOffered,
    Downgrade,
    DuplicateExtension,
    NoApplicationProtocol,
    ProtocolVersionError,
    SessionIdNotEchoed,
    UnexpectedRecordType,
    UnsupportedExtension,
    UsageError,
)
from ...wire.extensions import (
    ClientVersions,
    ExtensionBody,
    KeyShareClientHello,
    NamedGroupList,
)
from ...wire.messages import (
    DOWNGRADE_SENTINELS,
    ClientHello,
    EncryptedExtensions,
    ServerHello,
    decode_handshake,
)
from ...wire.registry import CipherSuite, ExtensionType, NamedGroup, ProtocolVersion
from ..scripted import with_extension, with_raw_extension, without
from .bench import as_it_is, edit
from .between import at
from .model import Part, alerted, goes_on, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .bench import Bench
    from .between import Record, Tamper

PART: Final = Part("The negotiation")
UNKNOWN: Final = 0x1234
"""An ExtensionType that nobody has registered."""
TLS_1_2_SUITE: Final = CipherSuite(0xC02B)
"""TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (RFC 5289)."""
B = TypeVar("B", bound=ExtensionBody)
AES: Final = CipherSuite.TLS_AES_128_GCM_SHA256


def rewrite(change: Callable[[ClientHello], ClientHello]) -> Tamper:
    """Take the ClientHello out of its record, change it, and put it back: nothing protects it."""

    def do(record: Record) -> Sequence[bytes]:
        hello = decode_handshake(record.raw[5:])
        if not isinstance(hello, ClientHello):
            return [record.raw]
        hello.judge()
        raw = change(hello).to_handshake()
        return [record.raw[:3] + len(raw).to_bytes(2, "big") + raw]

    return at("client", 0, do)


def body(hello: ClientHello, kind: type[B]) -> B:
    """That extension of it. Raises UsageError if it is not there: the experiment would change nothing."""
    hello.judge()
    found = hello.extensions.get(kind)
    if found is None:
        raise UsageError(f"this ClientHello has no {kind.__name__}")
    return found


# --- downgrades -------------------------------------------------------------------------------------------------------


@PART(
    "strip-version",
    "Somebody removes TLS 1.3 from the client's offer",
    what="On the way, supported_versions of the ClientHello is made to say TLS 1.2, and a cipher suite of "
    "TLS 1.2 is added.",
    should="A server that speaks nothing older refuses at once; one that does answers with TLS 1.2, and puts a mark "
    "into its Random that the client finds.",
    why="Clients once tried again with an older version whenever a handshake failed, and attackers made it fail.",
    section="RFC 9846, 4.2.3 and 4.3.1",
    attack="version downgrade, as in POODLE",
    prediction=refused("server", ProtocolVersionError),
    openssl=refused("client", Downgrade),
    openssl_plays="server",
)
def strip_version(bench: Bench) -> None:
    def older(hello: ClientHello) -> ClientHello:
        hello = hello.replace(cipher_suites=(*hello.cipher_suites, TLS_1_2_SUITE))
        return with_extension(hello, ClientVersions(versions=(ProtocolVersion.TLS1_2,)))

    bench.connect().carry(rewrite(older))


@PART(
    "downgrade-sentinel",
    "A server that would speak TLS 1.3 is made to answer with TLS 1.2",
    what="The ServerHello is one of TLS 1.2, and its Random ends with the eight bytes that such a server must set.",
    should="The client, who offered TLS 1.3, knows that somebody removed it.",
    why="In TLS 1.2 the Random is signed by the server: an attacker can take TLS 1.3 from the offer, but not the mark "
    "from the answer.",
    section="RFC 9846, 4.2.3",
    attack="version downgrade",
    prediction=refused("client", Downgrade),
    openssl=alerted("client", "illegal_parameter"),
)
def downgrade_sentinel(bench: Bench) -> None:
    def older(hello: ServerHello) -> ServerHello:
        marked = hello.replace(random=hello.random[:24] + DOWNGRADE_SENTINELS[0], cipher_suite=TLS_1_2_SUITE)
        return without(marked, ExtensionType.supported_versions, ExtensionType.key_share)

    bench.connect(server_script=edit(ServerHello, older)).carry()


@PART(
    "strip-post-quantum",
    "Somebody removes the post-quantum key share",
    what="X25519MLKEM768 is taken out of the ClientHello on the way; the server agrees to X25519, in good faith.",
    should="The client cannot read what follows: the server's keys belong to another ClientHello.",
    why="Who records today to decrypt with a quantum computer later would like the old groups. The downgrade needs no "
    "special check: the transcript is in the keys.",
    section="RFC 9846, 7.1; RFC 10024",
    attack="harvest now, decrypt later; key exchange downgrade, as in Logjam",
    prediction=refused("client", BadRecordMac),
    openssl=refused("client", BadRecordMac),
    openssl_plays="server",
)
def strip_post_quantum(bench: Bench) -> None:
    def weaker(hello: ClientHello) -> ClientHello:
        shares, groups = body(hello, KeyShareClientHello), body(hello, NamedGroupList)
        kept = tuple(one for one in shares.client_shares if one.group != NamedGroup.X25519MLKEM768)
        listed = tuple(one for one in groups.named_group_list if one != NamedGroup.X25519MLKEM768)
        return with_extension(
            with_extension(hello, shares.replace(client_shares=kept)), groups.replace(named_group_list=listed)
        )

    bench.connect().carry(rewrite(weaker))


@PART(
    "weaker-suite",
    "Somebody removes the strong cipher suites",
    what="Only TLS_CHACHA20_POLY1305_SHA256 is left in the ClientHello on the way. The server takes it.",
    should="The client cannot read what follows, although it would have agreed to this very suite.",
    why="No negotiated value can be changed by somebody in between, not even to another that both sides allow.",
    section="RFC 9846, appendix F.1.1",
    attack="cipher suite downgrade, as in FREAK",
    prediction=refused("client", BadRecordMac),
    openssl=alerted("client", "bad_record_mac"),
)
def weaker_suite(bench: Bench) -> None:
    one = (CipherSuite.TLS_CHACHA20_POLY1305_SHA256,)
    bench.connect(server_script=as_it_is).carry(rewrite(lambda hello: hello.replace(cipher_suites=one)))


# --- answers to what was not asked ------------------------------------------------------------------------------------


@PART(
    "suite-not-offered",
    "The server chooses a cipher suite that nobody offered",
    what="The ServerHello names TLS_AES_128_CCM_8_SHA256, which the client left out because of its short tag.",
    should="The client compares the choice with its own offer, and refuses.",
    why="A choice outside the offer is a mistake or an attack; to go along would make the server decide about the "
    "client's security.",
    section="RFC 9846, 4.2.3",
    prediction=refused("client", CipherSuiteNotOffered),
    openssl=alerted("client", "illegal_parameter"),
)
def suite_not_offered(bench: Bench) -> None:
    short = CipherSuite.TLS_AES_128_CCM_8_SHA256
    bench.connect(server_script=edit(ServerHello, lambda hello: hello.replace(cipher_suite=short))).carry()


@PART(
    "session-id",
    "The server does not echo the session id",
    what="legacy_session_id_echo is empty, where the client had sent 32 bytes.",
    should="The client refuses, although the field means nothing any more.",
    why="The field is an echo and nothing else; whoever gets it wrong answers somebody else's ClientHello.",
    section="RFC 9846, 4.2.3",
    prediction=refused("client", SessionIdNotEchoed),
    openssl=alerted("client", "illegal_parameter"),
)
def session_id(bench: Bench) -> None:
    script = edit(ServerHello, lambda hello: hello.replace(legacy_session_id_echo=b""))
    bench.connect(server_script=script).carry()


@PART(
    "unsolicited-extension",
    "The server answers an extension that nobody sent",
    what="EncryptedExtensions holds an extension of the unregistered type 0x1234.",
    should="The client refuses: an answer needs a question.",
    why="Extensions change what the rest means. A client that accepts what it did not ask for could be told anything.",
    section="RFC 9846, 4.3",
    prediction=refused("client", UnsupportedExtension),
    openssl=goes_on("OpenSSL 3.0 skips extensions that it does not know in every message, also in answers"),
    openssl_plays="client",
)
def unsolicited_extension(bench: Bench) -> None:
    script = edit(EncryptedExtensions, lambda message: with_raw_extension(message, UNKNOWN, b"surprise"))
    bench.connect(server_script=script).carry()


@PART(
    "unknown-things",
    "A client that asks for things that nobody knows",
    what="Its ClientHello names an unknown cipher suite, an unknown group and an unknown extension besides good ones.",
    should="The server ignores all three, and the handshake completes.",
    why="Only what is ignored today can be introduced tomorrow. Servers that choked on the new held TLS 1.3 back for "
    "years; GREASE (RFC 8701) keeps them in practice.",
    section="RFC 9846, 4.2.2 and 9.3",
    attack="version intolerance",
    prediction=goes_on(),
    openssl=goes_on(),
    openssl_plays="server",
)
def unknown_things(bench: Bench) -> None:
    def strange(hello: ClientHello) -> ClientHello:
        groups = body(hello, NamedGroupList)
        hello = with_extension(hello, groups.replace(named_group_list=(NamedGroup(UNKNOWN), *groups.named_group_list)))
        return with_raw_extension(
            hello.replace(cipher_suites=(CipherSuite(UNKNOWN), *hello.cipher_suites)), UNKNOWN, b"?", first=True
        )

    bench.connect(client_script=edit(ClientHello, strange)).carry()


@PART(
    "duplicate-extension",
    "The same extension twice",
    what="The ClientHello has supported_versions two times.",
    should="The server refuses the message, and does not ask which of the two is meant.",
    why="Two parsers that read such a message differently (the first counts, the last counts) can be played against "
    "each other.",
    section="RFC 9846, 4.3",
    prediction=refused("server", DuplicateExtension),
    openssl=alerted("server", "illegal_parameter"),
)
def duplicate_extension(bench: Bench) -> None:
    def doubled(hello: ClientHello) -> ClientHello:
        return with_raw_extension(hello, 43, hello.extensions.find(ExtensionType.supported_versions) or b"", first=True)

    bench.connect(client_script=edit(ClientHello, doubled)).carry()


@PART(
    "compression",
    "A client that offers to compress",
    what="legacy_compression_methods offers DEFLATE beside no compression.",
    should="The server refuses every list but the one with 'no compression' alone.",
    why="The length of compressed data says how much of a secret was guessed right. TLS 1.3 has no compression at all.",
    section="RFC 9846, 4.2.2",
    attack="CRIME",
    prediction=refused("server", BadCompressionMethod),
    openssl=alerted("server", "illegal_parameter"),
)
def compression(bench: Bench) -> None:
    script = edit(ClientHello, lambda hello: hello.replace(legacy_compression_methods=b"\x01\x00"))
    bench.connect(client_script=script).carry()


# --- nothing in common ------------------------------------------------------------------------------------------------


@PART(
    "cross-protocol",
    "A connection for one protocol is led to a server of another",
    what="A client that wants to speak HTTP (ALPN h2) is sent to a mail server, which speaks imap, and whose "
    "certificate is for the same name.",
    should="The server has no application protocol in common with it, and says so.",
    why="A certificate names a host, not a service. Without ALPN what the mail server answers, an error page of "
    "sorts, would count as the web site's.",
    section="RFC 7301, 3.2",
    attack="ALPACA",
    prediction=refused("server", NoApplicationProtocol),
    openssl=alerted("server", "no_application_protocol"),
    openssl_options=("-alpn", "imap"),
)
def cross_protocol(bench: Bench) -> None:
    client, server = bench.client.replace(alpn_protocols=["h2"]), bench.server.replace(alpn_protocols=["imap"])
    bench.connect(client=client, server=server).carry()


@PART(
    "plain-http",
    "Plain HTTP on a TLS port",
    what="The first bytes are those of an HTTP request, with no TLS around.",
    should="The server sees at the first byte that this is no TLS record.",
    why="The commonest mistake of clients. It must be found by the first byte, not after a 'length' of 8,239 bytes "
    "that never come.",
    section="RFC 9846, 5",
    prediction=refused("server", UnexpectedRecordType),
    openssl="OpenSSL recognizes 'http request', and closes without an alert, which is allowed",
)
def plain_http(bench: Bench) -> None:
    bench.connect().pass_on("server", b"GET / HTTP/1.1\r\n", saying="sends 'GET / HTTP/1.1' to the server")
