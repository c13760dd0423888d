"""Somebody on the path changes one bit of one message. Before ServerHello nothing is encrypted, and nobody notices at
once: it comes out one step later, because the keys depend on every byte of both hellos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import BadFinished, BadRecordMac, BadSignature
from ...wire.messages import CertificateVerify, Finished
from .bench import QUESTION, as_it_is, edit
from .between import at, flip
from .model import Part, alerted, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench
    from .model import Side

PART: Final = Part("One bit on the way")
IN_THE_RANDOM: Final = 5 + 4 + 2
"""Bytes before Random in the first record of either side: the record's header, the message's, legacy_version."""


@PART(
    "flip-client-hello",
    "A bit of the ClientHello's Random is flipped on the way",
    what="The server gets a ClientHello that differs from the sent one in one bit, and answers it.",
    should="The client cannot decrypt the server's first encrypted record.",
    why="Nothing protects a ClientHello, but the traffic secrets hash it: the two sides have seen different ones, and "
    "so they have different keys.",
    section="RFC 9846, 7.1 and appendix F.1.1",
    prediction=refused("client", BadRecordMac),
    openssl=alerted("client", "bad_record_mac"),
)
def flip_client_hello(bench: Bench) -> None:
    bench.connect(server_script=as_it_is).carry(at("client", 0, flip(IN_THE_RANDOM)))


@PART(
    "flip-server-hello",
    "A bit of the ServerHello's Random is flipped on the way",
    what="The client gets a ServerHello that differs from the sent one in one bit.",
    should="The client cannot decrypt the record that follows.",
    why="As with the ClientHello: the keys hash both, and no two transcripts give the same keys.",
    section="RFC 9846, 7.1",
    prediction=refused("client", BadRecordMac),
    openssl=alerted("client", "bad_record_mac"),
)
def flip_server_hello(bench: Bench) -> None:
    bench.connect(server_script=as_it_is).carry(at("server", 0, flip(IN_THE_RANDOM)))


def _flip_on_the_wire(name: str, message: str, sender: Side, number: int) -> None:
    """One experiment for each encrypted message: the record that holds it is changed, and does not decrypt."""
    reader: Side = "client" if sender == "server" else "server"

    def run(bench: Bench) -> None:
        bench.connect(
            client_script=as_it_is if sender == "client" else None,
            server_script=as_it_is if sender == "server" else None,
        ).carry(at(sender, number, flip()))

    PART(
        f"flip-{name}",
        f"A bit of the {sender}'s {message} is flipped on the way",
        what=f"The last bit of the record with the {message} is another on arrival; it belongs to the AEAD's tag.",
        should=f"The {reader} refuses the record, and never sees a message.",
        why="Everything after ServerHello is inside an AEAD: nobody without the key makes a record that decrypts, and "
        "what is inside is not looked at before the tag is right.",
        section="RFC 9846, 5.2",
        prediction=refused(reader, BadRecordMac),
        openssl=alerted(reader, "bad_record_mac"),
    )(run)


_flip_on_the_wire("encrypted-extensions", "EncryptedExtensions", "server", 1)
_flip_on_the_wire("certificate", "Certificate", "server", 2)
_flip_on_the_wire("certificate-verify", "CertificateVerify", "server", 3)
_flip_on_the_wire("server-finished", "Finished", "server", 4)
_flip_on_the_wire("ticket", "NewSessionTicket", "server", 5)
_flip_on_the_wire("client-finished", "Finished", "client", 1)


@PART(
    "flip-data",
    "A bit of application data is flipped: the cipher alone would not notice",
    what="AES in counter mode turns a flipped bit of ciphertext into the same flipped bit of plaintext. It is flipped "
    "where the attacker knows what it changes.",
    should="The server refuses the record: the tag covers every bit.",
    why="Encryption hides and does not protect from changes. With a cipher alone an attacker who knows the format "
    "would turn GET into something else without ever knowing the key.",
    section="RFC 9846, 5.2",
    attack="bit flipping",
    prediction=refused("server", BadRecordMac),
    openssl=alerted("server", "bad_record_mac"),
)
def flip_data(bench: Bench) -> None:
    wire = bench.established()
    wire.ours("client").connection.send_data(QUESTION)
    (record,) = wire.hold("client")
    changed = bytes((*record[:5], record[5] ^ 1, *record[6:]))
    wire.pass_on("server", changed, saying="flips a bit of the first letter of the request")


# --- the same by somebody who has the keys: what the messages themselves protect --------------------------------------


def flipped(data: bytes) -> bytes:
    """The last bit is another."""
    return data[:-1] + bytes((data[-1] ^ 1,))


WRONG_SIGNATURE: Final = edit(CertificateVerify, lambda message: message.replace(signature=flipped(message.signature)))
WRONG_FINISHED: Final = edit(Finished, lambda message: message.replace(verify_data=flipped(message.verify_data)))


def _forge(
    name: str, title: str, what: str, should: str, why: str, section: str, by: Side, run: Callable[[Bench], None]
) -> None:
    PART(
        name,
        title,
        what=what,
        should=should,
        why=why,
        section=section,
        prediction=refused(by, BadSignature if name.endswith("verify") else BadFinished),
        openssl=alerted(by, "decrypt_error"),
    )(run)


_forge(
    "forge-certificate-verify",
    "A server with a good certificate signs the wrong thing",
    "The signature differs by one bit from the right one; everything else is in order, its encryption too.",
    "The client finds that the signature does not verify under the certificate's key.",
    "A certificate is public: anybody can send it. Only this signature over the transcript shows that the server has "
    "its key, and that it saw the same handshake.",
    "RFC 9846, 4.5.2",
    "client",
    lambda bench: bench.connect(server_script=WRONG_SIGNATURE).carry(),
)
_forge(
    "forge-server-finished",
    "A server that has seen another handshake",
    "One bit of the server's verify_data is wrong.",
    "The client compares it with its own HMAC over the transcript, and ends the handshake.",
    "Finished is the end-to-end check of everything negotiated: whatever an attacker changed on the way, in either "
    "direction, it comes out here at the latest.",
    "RFC 9846, 4.5.3",
    "client",
    lambda bench: bench.connect(server_script=WRONG_FINISHED).carry(),
)
_forge(
    "forge-client-finished",
    "A client that has seen another handshake",
    "One bit of the client's verify_data is wrong.",
    "The server ends the handshake; no request of this client was read before.",
    "Until here the server cannot know that its own flight arrived unchanged, nor that a PSK's holder is live.",
    "RFC 9846, 4.5.3",
    "server",
    lambda bench: bench.connect(client_script=WRONG_FINISHED).carry(),
)
