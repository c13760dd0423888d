# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""The HelloRetryRequest's cookie: RFC 9846, sections 4.2.4 and 4.3.2.

A server that answers with HelloRetryRequest can forget the client: everything it must know when the second
ClientHello comes is in the cookie, which the client returns unchanged. So the handshake can be finished by another
server that shares the key, and a client that cannot receive (a forged source address) costs nothing to keep.

The cookie is not secret but must not be forged, so it ends in a MAC. It carries the hash of ClientHello1 for the
transcript (section 4.1: message_hash), what was chosen, and a hash of those parts of ClientHello1 that the second
may not change (section 4.2.2).
"""

import hashlib
import hmac
from typing import Annotated

from . import errors
from .errors import DecodeError
from .wire.codec import Fixed, Opaque, Struct
from .wire.messages import ClientHello
from .wire.registry import CipherSuite, ExtensionType, NamedGroup

MAC_LENGTH = 32
NO_GROUP = NamedGroup(0)

CHANGEABLE = frozenset(
    {
        ExtensionType.key_share,
        ExtensionType.early_data,
        ExtensionType.cookie,
        ExtensionType.pre_shared_key,
        ExtensionType.padding,
        ExtensionType.encrypted_client_hello,
    }
)
"""What a second ClientHello may change, add or leave out (section 4.2.2; RFC 9849)."""


class RetryState(Struct):
    """What a server remembers of ClientHello1 and of its own answer. No group: the retry only asked for the cookie."""

    cipher_suite: CipherSuite
    selected_group: NamedGroup
    client_hello1_hash: Annotated[bytes, Opaque(32, 64)]
    unchanged: Annotated[bytes, Fixed(32)]


def unchanged_part(hello: ClientHello, selected_group: NamedGroup) -> bytes:
    """A digest of everything in a ClientHello that its second edition must repeat.

    key_share may change only where the HelloRetryRequest selected a group (4.3.8).
    """
    changeable = CHANGEABLE if selected_group != NO_GROUP else CHANGEABLE - {ExtensionType.key_share}
    digest = hashlib.sha256(hello.legacy_version.to_bytes(2, "big") + hello.random)
    digest.update(bytes([len(hello.legacy_session_id)]) + hello.legacy_session_id)
    digest.update(len(hello.cipher_suites).to_bytes(2, "big"))
    digest.update(b"".join(suite.to_bytes(2, "big") for suite in hello.cipher_suites))
    for number, data in hello.extensions:
        if number not in changeable:
            digest.update(number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data)
    return digest.digest()


def seal(key: bytes, state: RetryState) -> bytes:
    content = state.encode()
    return content + hmac.digest(key, content, "sha256")


def open_cookie(key: bytes, cookie: bytes) -> RetryState:
    """Raises BadCookie unless a server with this key sealed it."""
    content, mac = cookie[:-MAC_LENGTH], cookie[-MAC_LENGTH:]
    if not hmac.compare_digest(mac, hmac.digest(key, content, "sha256")):
        raise errors.BadCookie
    try:
        return RetryState.decode(content)
    except DecodeError as error:  # sealed by us, so only another edition of this program can have made it
        raise errors.BadCookie(error.detail) from None
