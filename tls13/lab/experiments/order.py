"""Messages that are missing, repeated, swapped, or too early: what the state machine is for.

In 2015 SMACK showed that most implementations of TLS could be led around authentication by leaving messages out. Here
a side waits for one message, and everything else is refused (RFC 9846, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import (
    BadChangeCipherSpec,
    BadRecordMac,
    DataAcrossKeyChange,
    InterleavedHandshake,
    MessageOutOfOrder,
    Renegotiation,
    UnexpectedApplicationData,
)
from ...wire.messages import (
    Certificate,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Finished,
    HandshakeMessage,
    ServerHello,
)
from ...wire.registry import ContentType
from .bench import QUESTION, as_it_is, edit
from .between import at
from .model import Part, alerted, goes_on, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bench import Bench

PART: Final = Part("Order")
CCS: Final = b"\x14\x03\x03\x00\x01\x01"


@PART(
    "skip-certificate-verify",
    "The server leaves CertificateVerify out",
    what="It shows somebody's certificate and goes straight on to Finished, without a signature.",
    should="The client waits for CertificateVerify and nothing else.",
    why="With this message missing nothing proves that the server has the certificate's key: anybody could be anybody.",
    section="RFC 9846, 4",
    attack="SMACK (2015)",
    prediction=refused("client", MessageOutOfOrder),
    openssl=alerted("client", "unexpected_message"),
)
def skip_certificate_verify(bench: Bench) -> None:
    bench.connect(server_script=edit(CertificateVerify, lambda message: None)).carry()


@PART(
    "skip-authentication",
    "The server leaves all of its authentication out",
    what="Neither Certificate nor CertificateVerify is sent, as if a PSK had been agreed on.",
    should="The client, which knows that there is no PSK, refuses Finished.",
    why="The handshake's two shapes, with a certificate and with a PSK, must never be mixed up.",
    section="RFC 9846, 2 and 4",
    attack="SKIP-TLS (2015)",
    prediction=refused("client", MessageOutOfOrder),
    openssl=alerted("client", "unexpected_message"),
)
def skip_authentication(bench: Bench) -> None:
    def script(message: HandshakeMessage) -> HandshakeMessage | None:
        return None if isinstance(message, (Certificate, CertificateVerify)) else message

    bench.connect(server_script=script).carry()


@PART(
    "repeat-message",
    "The server sends EncryptedExtensions twice",
    what="The same message comes two times, and both times it is in the transcript.",
    should="The client refuses the second one.",
    why="A value that can be set twice can be checked once and used once, with different contents.",
    section="RFC 9846, 4",
    prediction=refused("client", MessageOutOfOrder),
    openssl=alerted("client", "unexpected_message"),
)
def repeat_message(bench: Bench) -> None:
    bench.connect(server_script=edit(EncryptedExtensions, lambda message: [message, message])).carry()


@PART(
    "reorder-messages",
    "CertificateVerify comes before the Certificate",
    what="The server holds its Certificate back until the signature is sent.",
    should="The client refuses the signature: it covers a certificate that has not been seen.",
    why="A signature over the transcript covers what came before, and so the order is part of what it says.",
    section="RFC 9846, 4",
    prediction=refused("client", MessageOutOfOrder),
    openssl=alerted("client", "unexpected_message"),
)
def reorder_messages(bench: Bench) -> None:
    held: list[HandshakeMessage] = []

    def script(message: HandshakeMessage) -> Sequence[HandshakeMessage]:
        if isinstance(message, Certificate):
            held.append(message)
            return []
        return [message, *held] if isinstance(message, CertificateVerify) else [message]

    bench.connect(server_script=script).carry()


@PART(
    "drop-record",
    "The record with the server's Certificate is lost on the way",
    what="Somebody in between drops it; the records after it arrive.",
    should="The client cannot decrypt the next one.",
    why="The nonce is the number of the record. A record that is missing shifts all that follow, so it cannot be "
    "dropped without a trace.",
    section="RFC 9846, 5.3",
    prediction=refused("client", BadRecordMac),
    openssl=alerted("client", "bad_record_mac"),
)
def drop_record(bench: Bench) -> None:
    bench.connect(server_script=as_it_is).carry(at("server", 2, lambda record: []))


@PART(
    "early-application-data",
    "A client that talks before it has authenticated the server's last word",
    what="It sends application data under its handshake keys, before Finished.",
    should="The server refuses the record type.",
    why="Under these keys nobody is authenticated yet. Data here could be anybody's, and end up in another's session.",
    section="RFC 9846, 2 and 5.2",
    prediction=refused("server", UnexpectedApplicationData),
    openssl=alerted("server", "unexpected_message"),
)
def early_application_data(bench: Bench) -> None:
    def too_early(message: Finished) -> Finished:
        wire.ours("client").scripted.send_record(ContentType.application_data, QUESTION)
        bench.note("the client sends a request under its handshake keys")
        return message

    wire = bench.connect(client_script=edit(Finished, too_early))
    wire.carry()


@PART(
    "interleave",
    "Another record in the middle of a message",
    what="The client cuts its Finished in two records, and puts an alert between the halves.",
    should="The server refuses the record that comes in between.",
    why="What is half a message must stay in one place: code that handles the other record might find the state half "
    "changed.",
    section="RFC 9846, 5.1",
    prediction=refused("server", InterleavedHandshake),
    openssl=goes_on("OpenSSL 3.0 lets a warning alert pass between the halves of a message"),
    openssl_plays="server",
)
def interleave(bench: Bench) -> None:
    def cut(message: Finished) -> None:
        raw = message.to_handshake()
        client = wire.ours("client").scripted
        client.send_record(ContentType.handshake, raw[:10])
        client.send_record(ContentType.alert, b"\x01\x5a")
        client.send_record(ContentType.handshake, raw[10:])
        bench.note("the client sends half a Finished, alert user_canceled, and the other half")

    wire = bench.connect(client_script=edit(Finished, cut))
    wire.carry()


@PART(
    "message-across-keys",
    "A message that begins under one key and ends under the next",
    what="The record with the ServerHello holds the first byte of the next message too, unencrypted.",
    should="The client refuses: with ServerHello the keys change, and the record must end.",
    why="Half of such a message would be authenticated and half not; an attacker could choose the first half.",
    section="RFC 9846, 5.1",
    prediction=refused("client", DataAcrossKeyChange),
    openssl=alerted("client", "unexpected_message"),
)
def message_across_keys(bench: Bench) -> None:
    bench.connect(server_script=edit(ServerHello, lambda hello: hello.to_handshake() + b"\x08")).carry()


@PART(
    "ccs-in-handshake",
    "An injected change_cipher_spec during the handshake",
    what="Somebody in between adds one change_cipher_spec to the server's flight; it is not protected by anything.",
    should="The client drops it, and the handshake completes.",
    why="The record is there so that middleboxes take TLS 1.3 for TLS 1.2, and means nothing. In TLS 1.2 it switched "
    "the keys, and an early one was fatal for OpenSSL in 2014.",
    section="RFC 9846, 5 and appendix E.4",
    attack="CCS injection (CVE-2014-0224)",
    prediction=goes_on(),
    openssl=goes_on(),
    openssl_plays="client",
)
def ccs_in_handshake(bench: Bench) -> None:
    bench.connect(server_script=as_it_is).carry(at("server", 2, lambda record: [CCS, record.raw]))


@PART(
    "ccs-after-finished",
    "A change_cipher_spec after the handshake",
    what="Somebody in between adds one when the handshake is over.",
    should="The server refuses it now, although it dropped the one before.",
    why="What is tolerated for the sake of old middleboxes is tolerated for as long as they look, and no longer.",
    section="RFC 9846, 5",
    prediction=refused("server", BadChangeCipherSpec),
    openssl=alerted("server", "unexpected_message"),
)
def ccs_after_finished(bench: Bench) -> None:
    bench.established().pass_on("server", CCS, saying="adds a change_cipher_spec")


@PART(
    "renegotiate",
    "A ClientHello in the middle of the connection",
    what="After the handshake, the client sends another ClientHello over the protected connection.",
    should="The server refuses: TLS 1.3 has no renegotiation.",
    why="Renegotiation let an attacker put his own request before a victim's, in one connection that the server took "
    "for one person's.",
    section="RFC 9846, 4.2.2",
    attack="renegotiation attack (CVE-2009-3555)",
    prediction=refused("server", Renegotiation),
    openssl=alerted("server", "unexpected_message"),
)
def renegotiate(bench: Bench) -> None:
    sent: list[ClientHello] = []

    def keep(hello: ClientHello) -> ClientHello:
        sent.append(hello)
        return hello

    wire = bench.established(client_script=edit(ClientHello, keep))
    wire.ours("client").scripted.send_record(ContentType.handshake, sent[0].to_handshake())
    bench.note("the client sends its ClientHello again, encrypted")
    wire.carry()
