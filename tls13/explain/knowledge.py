"""What is new with each message: to the client, to the server, and to whoever listens in between.

The three columns are the heart of a handshake: it is over when the two at the ends know the same secrets and who they
talk to, and the third knows neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..flow import Epoch
from ..wire.companions import CertWithExternPsk
from ..wire.extensions import (
    Cookie,
    EarlyDataIndication,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
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
from .messages import shows_nothing
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


def of_message(seen: Seen, before: Seen | None = None) -> Known:
    """Of a handshake message; one that does not decode says nothing. before: its sender's last one before it."""
    message = seen.message
    if isinstance(message, ClientHello):
        return _client_hello(message)
    if isinstance(message, HelloRetryRequest):
        return _retry(message)
    if isinstance(message, ServerHello):
        return _server_hello(message)
    hidden = _hidden(seen)
    if isinstance(message, EncryptedExtensions):
        return Known(client=_extensions(message), wire=hidden)
    if isinstance(message, CertificateRequest):
        return Known(client=("that it is asked who it is, and which signatures count",), wire=hidden)
    if shows_nothing(seen):
        return _to_receiver(seen, "that the {} does not say who it is", hidden)
    if isinstance(message, Certificate | CompressedCertificate):
        return _to_receiver(seen, "who the {} says it is; anybody could say so, for what it shows is public", hidden)
    if isinstance(message, CertificateVerify):
        return _to_receiver(seen, "that the {} has the private key of what it shows, and saw this handshake", hidden)
    if isinstance(message, Finished):
        return _finished(seen, before, hidden)
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
    server = ["which versions and cipher suites the client can do, and what its extensions offer"]
    wire = ["the whole ClientHello, in the clear: what it offers is often enough to tell which program it is"]
    if groups:
        server.append(f"the public halves of the client's key shares ({groups})")
        wire.append("the public halves of the key shares: to compute the secret, one of the private halves is needed")
    if hello.server_name is not None:
        wire.append(f"that the client wants {printable(hello.server_name)}")
    if hello.extensions.get(OfferedPsks) is not None:
        server.append("a PSK's identity; if it has the PSK too, by the binder that the client has it")
        wire.append("the identity of the PSK: who saw the same ticket or name before can link the two connections")
    if hello.extensions.get(EarlyDataIndication) is not None:
        wire.append("that early data follows, which it can record and send again")
    return Known(tuple(client), tuple(server), tuple(wire))


def _retry(hello: HelloRetryRequest) -> Known:
    """A group, a cookie, or both (section 4.2.4)."""
    group = hello.extensions.get(KeyShareHelloRetryRequest)
    wanted = [f"a key share of {group.selected_group}"] if group is not None else []
    if hello.extensions.get(Cookie) is not None:
        wanted.append("a cookie to be returned")
    why = (
        f"that the first offer did not fit: a key share of {group.selected_group} is wanted instead"
        if group is not None
        else "that the client has to ask again, and so to show that it gets what is sent to it"
    )
    return Known(client=(f"what the server wants in a second ClientHello: {' and '.join(wanted)}",), wire=(why,))


def _server_hello(hello: ServerHello) -> Known:
    share = hello.extensions.get(KeyShareServerHello)
    client = [f"the choice: {hello.cipher_suite}"]
    server, wire = [], [f"the choice: {hello.cipher_suite}"]
    if share is not None:
        group = share.server_share.group
        client.append(f"the server's share ({group}), and with it the shared secret")
        server.append("the shared secret, from the client's share and its own private half")
        wire.append(f"both shares of {group}, and not the secret: from here on every handshake message is encrypted")
    if hello.extensions.get(SelectedPsk) is not None:
        client.append("that the server has the PSK as well, once its records open: nobody else could make the keys")
        both = hello.extensions.get(CertWithExternPsk) is not None
        beside = "and a certificate as well" if both else "the handshake does without certificates"
        wire.append(f"that a PSK is used, {beside}")
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


def _finished(seen: Seen, before: Seen | None, hidden: Sentences) -> Known:
    if not seen.to_server:
        text = "that nobody has changed a bit of the handshake: the server saw what the client saw"
        return Known(client=(text, "that it talks to whom it wanted, and may now send data"), wire=hidden)
    if seen.epoch is Epoch.APPLICATION:
        proven = before is not None and isinstance(before.message, CertificateVerify)
        text = "who the client is: its proof is whole" if proven else "that the client's answer is whole"
        return Known(server=(text,), wire=hidden)
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
    "psk_ke": (
        "handshake keys",
        "RFC 9846, 7.1",
        "No key exchange goes into the key schedule (psk_ke), zeros take its place; the rest of the handshake is "
        "encrypted.",
        Known(
            client=("the handshake traffic secrets of both directions",),
            server=("the handshake traffic secrets of both directions",),
            wire=("not one of these values without the PSK; and with it, every one",),
        ),
    ),
    "application": (
        "application keys",
        "RFC 9846, 7.1",
        "The third stage of the key schedule: keys for application data, bound to all messages up to the server's "
        "Finished.",
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
