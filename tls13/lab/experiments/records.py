"""The record layer under attack: records that are moved, repeated, cut off, too long, empty, or injected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import (
    BadKeyUpdateRequest,
    BadRecordMac,
    MessageTooLong,
    NoContentType,
    RecordOverflow,
    TooManyEmptyRecords,
    TooManyKeyUpdates,
    TruncatedStream,
    UnexpectedRecordType,
)
from ...wire.messages import EncryptedExtensions
from ...wire.registry import ContentType, HandshakeType
from ..scripted import ask_for_key_update
from .bench import ANSWER, QUESTION, as_it_is, edit
from .model import Part, alerted, goes_on, noticed, refused

if TYPE_CHECKING:
    from .bench import Bench

PART: Final = Part("Records")
CLOSE_NOTIFY: Final = b"\x15\x03\x03\x00\x02\x01\x00"
"""As an unprotected record."""


@PART(
    "reorder-records",
    "Two records change places",
    what="The client says two things; somebody in between lets the second arrive first.",
    should="The server cannot decrypt it: it expects the record with the number before.",
    why="'Do not' and 'pay' are two records. The number of a record is never sent, but it is in the nonce, and so the "
    "order is authenticated with the content.",
    section="RFC 9846, 5.3",
    prediction=refused("server", BadRecordMac),
    openssl=alerted("server", "bad_record_mac"),
)
def reorder_records(bench: Bench) -> None:
    wire = bench.established()
    for words in (b"pay 10", b"pay 1000"):
        wire.ours("client").connection.send_data(words)
    one, two = wire.hold("client")
    wire.pass_on("server", two, one, saying="lets the second record arrive before the first")


@PART(
    "replay-record",
    "A record is sent a second time",
    what="Somebody in between repeats the record with the client's order.",
    should="The server reads it once; the copy does not decrypt.",
    why="'Pay 10' twice is 20. The attacker need not understand what he repeats.",
    section="RFC 9846, 5.3",
    attack="replay",
    prediction=refused("server", BadRecordMac),
    openssl=alerted("server", "bad_record_mac"),
)
def replay_record(bench: Bench) -> None:
    wire = bench.established()
    wire.ours("client").connection.send_data(b"pay 10")
    (record,) = wire.hold("client")
    wire.pass_on("server", record, record, saying="sends the client's record twice")


@PART(
    "reflect-record",
    "A record goes back to the one who sent it",
    what="What the client sent is given to the client, as if the server had said it.",
    should="The client cannot decrypt its own words.",
    why="Each direction has keys of its own: with one key for both, everybody's words could be put into the other's "
    "mouth.",
    section="RFC 9846, 7.3",
    attack="reflection",
    prediction=refused("client", BadRecordMac),
    openssl=alerted("client", "bad_record_mac"),
)
def reflect_record(bench: Bench) -> None:
    wire = bench.established()
    sender = wire.ends["client"]
    if sender.remote:  # OpenSSL says nothing by itself: its Finished comes back to it
        mirrored = [one.raw for one in wire.carried if one.sender == "client"][-1]
    else:
        wire.ours("client").connection.send_data(QUESTION)
        (mirrored,) = wire.hold("client")
    wire.pass_on("client", mirrored, saying="sends the client's record back to the client")


@PART(
    "truncate",
    "The connection is cut off in the middle of an answer",
    what="Half of the server's answer arrives; then somebody in between ends the TCP connection.",
    should="The client says that the end is not the server's: there was no close_notify. There is nobody to send an "
    "alert to.",
    why="'Access denied for mallory' and 'access denied for' are both sentences. Only close_notify says that there is "
    "no more.",
    section="RFC 9846, 6.1",
    attack="truncation attack",
    prediction=noticed("client", TruncatedStream),
    openssl=alerted("client", "decode_error", "OpenSSL 3.0 sends an alert after all, to whoever may still read it"),
)
def truncate(bench: Bench) -> None:
    wire = bench.established()
    server = wire.ours("server").connection
    for words in (ANSWER[:20], ANSWER[20:]):
        server.send_data(words)
    first, _ = wire.hold("server")
    wire.pass_on("client", first, saying="lets the first of two records through, and not the second")
    wire.cut("client", "ends the TCP connection")


@PART(
    "inject-close",
    "Somebody injects a forged end of the connection",
    what="An unprotected close_notify alert is put into the server's direction.",
    should="The client refuses it: after the handshake nothing is said without protection.",
    why="If it counted, everybody on the path could end a download and make it look complete.",
    section="RFC 9846, 5 and 6.1",
    attack="alert injection",
    prediction=refused("client", UnexpectedRecordType),
    openssl=alerted("client", "unexpected_message"),
)
def inject_close(bench: Bench) -> None:
    bench.established().pass_on("client", CLOSE_NOTIFY, saying="adds an unprotected close_notify")


@PART(
    "oversize-record",
    "A record that is longer than allowed",
    what="The client's record says that it holds 2^14 + 257 bytes, one more than a protected record may.",
    should="The server refuses by the length alone.",
    why="A receiver has to keep a record until it is whole. The limit is what a stranger may make it keep.",
    section="RFC 9846, 5.2",
    prediction=refused("server", RecordOverflow),
    openssl=alerted("server", "record_overflow"),
)
def oversize_record(bench: Bench) -> None:
    length = 2**14 + 257
    record = b"\x17\x03\x03" + length.to_bytes(2, "big") + bytes(length)
    bench.established().pass_on("server", record, saying=f"sends a record of {length} bytes to the server")


@PART(
    "huge-message",
    "A message that announces sixteen million bytes",
    what="EncryptedExtensions is replaced by the first bytes of one that says it is 2^24 - 1 bytes long.",
    should="The client refuses at the header.",
    why="Waiting for the rest would mean to store it, before the peer is even authenticated.",
    section="RFC 9846, 4 and 6.2",
    attack="memory exhaustion",
    prediction=refused("client", MessageTooLong),
    openssl=alerted("client", "illegal_parameter", "OpenSSL takes the length itself for a value that is not allowed"),
)
def huge_message(bench: Bench) -> None:
    start = bytes((HandshakeType.encrypted_extensions, 0xFF, 0xFF, 0xFF)) + bytes(100)
    bench.connect(server_script=edit(EncryptedExtensions, lambda message: start)).carry()


@PART(
    "only-padding",
    "A record that is nothing but padding",
    what="The client encrypts sixteen zero bytes: there is no content type in it.",
    should="The server, which looks for the last byte that is not zero, finds none and refuses.",
    why="A loop that walks back through the zeros must stop at the beginning.",
    section="RFC 9846, 5.4",
    prediction=refused("server", NoContentType),
    openssl=alerted("server", "unexpected_message"),
)
def only_padding(bench: Bench) -> None:
    wire = bench.established(client_script=as_it_is)
    wire.ours("client").scripted.send_record(0, bytes(16))
    bench.note("the client sends a protected record of zeros")
    wire.carry()


@PART(
    "empty-flood",
    "Record after record with nothing in it",
    what="The client sends fifty empty application data records in a row.",
    should="The server stops reading after some of them.",
    why="Empty records are allowed, against traffic analysis. Each costs a decryption and brings nothing: without a "
    "limit a reader that waits for data never returns.",
    section="RFC 9846, 5.4",
    attack="denial of service",
    prediction=refused("server", TooManyEmptyRecords),
    openssl=alerted("server", "unexpected_message"),
)
def empty_flood(bench: Bench) -> None:
    wire = bench.established(client_script=as_it_is)
    for _ in range(50):
        wire.ours("client").scripted.send_record(ContentType.application_data, b"")
    bench.note("the client sends 50 empty records")
    wire.carry()


@PART(
    "key-update-flood",
    "A client that does nothing but change keys",
    what="It asks for new keys forty times, and sends no data in between.",
    should="The server has enough after some of them.",
    why="Each request costs the server two key derivations and an answer: cheap to ask, dear to obey.",
    section="RFC 9846, 4.7.3",
    attack="denial of service",
    prediction=refused("server", TooManyKeyUpdates),
    openssl=goes_on("OpenSSL 3.0 obeys every request: it sets no limit of its own"),
    openssl_plays="server",
)
def key_update_flood(bench: Bench) -> None:
    patient = bench.client.replace(max_key_updates=1000)  # its own limit is not what we look at
    wire = bench.established(client=patient, client_script=as_it_is)
    for _ in range(40):
        ask_for_key_update(wire.ours("client").connection)
    wire.carry()


@PART(
    "key-update-nonsense",
    "A KeyUpdate that asks for something else",
    what="request_update is 2, where 0 and 1 are defined.",
    should="The server refuses a value that means nothing.",
    why="A value that nobody has defined cannot be obeyed; taking it for 0 would let two sides disagree about keys.",
    section="RFC 9846, 4.7.3",
    prediction=refused("server", BadKeyUpdateRequest),
    openssl=alerted("server", "illegal_parameter"),
)
def key_update_nonsense(bench: Bench) -> None:
    wire = bench.established(client_script=as_it_is)
    wire.ours("client").scripted.send_record(ContentType.handshake, b"\x18\x00\x00\x01\x02")
    bench.note("the client sends KeyUpdate(2)")
    wire.carry()


@PART(
    "padding-hides-length",
    "Two answers that differ in length look alike",
    what="A server that pads every record to 512 bytes sends 'yes' and then a long sentence.",
    should="Both records have the same length on the wire.",
    why="Encryption hides what is said, not how much: the length alone has given away pages, searches and passwords.",
    section="RFC 9846, 5.4 and appendix F.3",
    attack="traffic analysis",
    prediction=goes_on(),
)
def padding_hides_length(bench: Bench) -> None:
    padded = bench.server.replace(padding=lambda length, room: min(room, max(0, 512 - length)))
    for server, same in ((bench.server, False), (padded, True)):
        wire = bench.established(server=server)
        for words in (b"yes", b"no, and we would rather not say why"):
            wire.ours("server").connection.send_data(words)
        lengths = [len(record) for record in wire.hold("server")]
        told = "with" if same else "without"
        bench.claim(f"{told} padding, somebody on the wire sees lengths {lengths}", (len(set(lengths)) == 1) is same)
