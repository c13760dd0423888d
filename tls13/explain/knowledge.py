"""What is new with each message: to the client, to the server, and to whoever listens in between.

The three columns are the heart of a handshake: it is over when the two at the ends know the same secrets and who they
talk to, and the third knows neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..flow import Epoch
from ..wire.extensions import (
    EarlyDataIndication,
    KeyShareClientHello,
    KeyShareServerHello,
    OfferedPsks,
    ProtocolNameList,
    SelectedPsk,
)
from ..wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    HelloRetryRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
)
from .terminal import printable

if TYPE_CHECKING:
    from .dissect import Seen

Sentences = tuple[str, ...]


class Known(NamedTuple):
    """What is new, for each of the three."""

    client: Sentences = ()
    server: Sentences = ()
    wire: Sentences = ()


def size(raw: bytes) -> str:
    """A message's length, as the wire sees it."""
    return f"{len(raw)} bytes"


def of_message(seen: Seen) -> Known:
    """Of a handshake message; one that does not decode says nothing."""
    message = seen.message
    if isinstance(message, ClientHello):
        return _client_hello(message)
    if isinstance(message, HelloRetryRequest):
        return Known(
            client=("what the server wants changed: another key share, or a cookie to be returned",),
            wire=("that the first offer did not fit, and which group is wanted instead",),
        )
    if isinstance(message, ServerHello):
        return _server_hello(message)
    hidden = _hidden(seen)
    if isinstance(message, EncryptedExtensions):
        return Known(client=_extensions(message), wire=hidden)
    if isinstance(message, CertificateRequest):
        return Known(client=("that it is asked who it is, and which signatures count",), wire=hidden)
    if isinstance(message, Certificate | CompressedCertificate):
        return _to_receiver(seen, "who the {} says it is; anybody could say so, for certificates are public", hidden)
    if isinstance(message, CertificateVerify):
        return _to_receiver(seen, "that the {} has the certificate's private key, and has seen this handshake", hidden)
    if isinstance(message, Finished):
        return _finished(seen, hidden)
    if isinstance(message, EndOfEarlyData):
        return Known(
            server=("that no more early data comes: the next record is under the handshake keys",), wire=hidden
        )
    if isinstance(message, NewSessionTicket):
        text = (
            "a ticket, and with its nonce the PSK that belongs to it: the next connection can do without certificates"
        )
        return Known(client=(text,), wire=hidden)
    if isinstance(message, KeyUpdate):
        return _to_receiver(seen, "that the {}'s next record is under the next key", hidden)
    return Known(wire=hidden)


def _hidden(seen: Seen) -> Sentences:
    """Of what is encrypted: its size is not."""
    return (
        f"encrypted bytes under the {seen.epoch.name.lower()} keys; of {size(seen.raw)} it sees the record's length",
    )


def _to_receiver(seen: Seen, text: str, wire: Sentences) -> Known:
    if seen.to_server:
        return Known(server=(text.format("client"),), wire=wire)
    return Known(client=(text.format("server"),), wire=wire)


def _client_hello(hello: ClientHello) -> Known:
    shares = hello.extensions.get(KeyShareClientHello)
    groups = ", ".join(str(entry.group) for entry in shares.client_shares) if shares is not None else ""
    client = [f"the private halves of its key shares ({groups}); they never leave it"] if groups else []
    server = ["which versions, cipher suites, groups and signatures the client can do"]
    wire = ["the whole ClientHello, in the clear: what it offers is often enough to tell which program it is"]
    if groups:
        server.append(f"the public halves of the client's key shares ({groups})")
        wire.append("the public halves of the key shares: to compute the secret, one of the private halves is needed")
    if hello.server_name is not None:
        wire.append(f"that the client wants {printable(hello.server_name)}")
    if hello.extensions.get(OfferedPsks) is not None:
        server.append("a PSK's identity, and by the binder that the client has the PSK")
        wire.append("the identity of the PSK: who saw the same ticket or name before can link the two connections")
    if hello.extensions.get(EarlyDataIndication) is not None:
        wire.append("that early data follows, which it can record and send again")
    return Known(tuple(client), tuple(server), tuple(wire))


def _server_hello(hello: ServerHello) -> Known:
    share = hello.extensions.get(KeyShareServerHello)
    client = [f"the choice: {hello.cipher_suite}"]
    server, wire = [], [f"the choice: {hello.cipher_suite}"]
    if share is not None:
        group = share.server_share.group
        client.append(f"the server's share ({group}), and with it the shared secret")
        server.append("the shared secret, from the client's share and its own private half")
        wire.append(f"both shares of {group}, and not the secret: from here on everything is encrypted")
    if hello.extensions.get(SelectedPsk) is not None:
        client.append("that the server has the PSK as well, once its records open: nobody else could make the keys")
        wire.append("that a PSK is used: no certificate will come")
    return Known(tuple(client), tuple(server), tuple(wire))


def _extensions(message: EncryptedExtensions) -> Sentences:
    known = ["that the server speaks under the handshake keys: it has computed the same secret"]
    alpn = message.extensions.get(ProtocolNameList)
    if alpn is not None and alpn.protocol_name_list:
        name = alpn.protocol_name_list[0].decode("ascii", "backslashreplace")
        known.append(f"the application protocol: {printable(name)}")
    if message.extensions.get(EarlyDataIndication) is not None:
        known.append("that the server takes the early data")
    return tuple(known)


def _finished(seen: Seen, hidden: Sentences) -> Known:
    if not seen.to_server:
        text = "that nobody has changed a bit of the handshake: the server saw what the client saw"
        return Known(client=(text, "that it talks to whom it wanted, and may now send data"), wire=hidden)
    if seen.epoch is Epoch.APPLICATION:
        return Known(server=("who the client is: its proof is whole",), wire=hidden)
    return Known(server=("that the client is live, saw the same handshake, and has the keys",), wire=hidden)


KEYS = {
    "early": (
        "early keys",
        "RFC 9846, 7.1",
        "From the PSK and the ClientHello alone the client derives keys for early data; the server can do the same.",
        Known(
            client=("keys for early data, without a word of the server's",),
            server=("the same keys, if it takes the PSK and wants the early data",),
            wire=("nothing of them: the PSK was made in an earlier connection, or given to both by other means",),
        ),
    ),
    "handshake": (
        "handshake keys",
        "RFC 9846, 7.1",
        "Both sides work the key exchange's secret into the key schedule; the rest of the handshake is encrypted.",
        Known(
            client=("the handshake traffic secrets of both directions",),
            server=("the handshake traffic secrets of both directions",),
            wire=("not one of these values: all it has are the two public shares",),
        ),
    ),
    "application": (
        "application keys",
        "RFC 9846, 7.1",
        "The third stage of the key schedule: keys for application data, bound to the handshake with its certificate.",
        Known(
            client=("the application traffic secrets and the exporter secret",),
            server=("the application traffic secrets and the exporter secret",),
            wire=("none of them",),
        ),
    ),
    "resumption": (
        "resumption secret",
        "RFC 9846, 7.1",
        "With the client's Finished the transcript is whole; from it comes the secret that tickets' PSKs are made of.",
        Known(
            client=("the resumption secret",),
            server=("the resumption secret",),
            wire=("nothing of it",),
        ),
    ),
    "update": (
        "new keys",
        "RFC 9846, 7.2",
        "The next secret is derived from the last, which is then forgotten: what was sent before stays closed, even to "
        "who steals the new one.",
        Known(
            client=("the next key of this direction, and no more the one before",),
            server=("the next key of this direction, and no more the one before",),
            wire=("not even that the keys have changed: a KeyUpdate looks like any other record",),
        ),
    ),
}
"""Key changes: name, section, purpose, and what they mean to the three."""
