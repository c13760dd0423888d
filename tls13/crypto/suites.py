"""Cipher suites: RFC 9846, appendix B.4. A thin table onto `cryptography`'s AEADs and hashlib's hashes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from ..wire.registry import CipherSuite
from .hkdf import first_block, hkdf_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.utils import Buffer

    class Aead(Protocol):
        """What RFC 5116 calls an AEAD, as `cryptography` offers it. decrypt raises cryptography's InvalidTag."""

        def encrypt(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, /) -> bytes: ...

        def decrypt(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, /) -> bytes: ...


DERIVED = (
    *(b"ext binder", b"res binder", b"imp binder", b"c e traffic", b"e exp master"),
    *(b"c hs traffic", b"s hs traffic"),
    *(b"c ap traffic", b"s ap traffic", b"exp master", b"res master"),
)
"""The labels of Derive-Secret: section 7.1, and RFC 9258, section 5.2."""


class Hash:
    """The hash of a cipher suite: for the transcript and for HKDF."""

    __slots__ = ("block_size", "derived", "digest_size", "empty", "finished", "labels", "name", "new")

    def __init__(self, name: str, new: Callable[..., hashlib._Hash]) -> None:
        self.name = name
        self.new = new
        self.empty = new(b"").digest()
        """Hash(""): the context of "derived" and "res binder" (section 7.1)."""
        self.digest_size = len(self.empty)
        self.block_size = new().block_size
        self.labels = {label: hkdf_label(label, self.digest_size, self.digest_size) for label in DERIVED}
        """What Derive-Secret expands, up to the transcript hash."""
        self.derived = first_block(b"derived", self.empty, self.digest_size)
        self.finished = first_block(b"finished", b"", self.digest_size)
        """What is expanded for "derived" (section 7.1) and finished_key (section 4.5.3)."""

    def __repr__(self) -> str:
        return f"<Hash {self.name}>"


SHA256 = Hash("sha256", hashlib.sha256)
SHA384 = Hash("sha384", hashlib.sha384)


class Suite:
    """One cipher suite: an AEAD, its lengths in bytes, and a hash.

    `record_limit` is how many records may be protected under one key (section 5.5): before it, a sender changes
    its key or closes. AES-GCM: 2^24.5 records of full size. ChaCha20-Poly1305: the sequence number wraps first.
    CCM: 2^23, from RFC 9147, section 4.5.3, where TLS itself gives no number.
    """

    __slots__ = ("aead", "code", "hash", "iv", "iv_length", "key", "key_length", "record_limit", "tag_length")

    def __init__(
        self,
        code: CipherSuite,
        hash: Hash,
        key_length: int,
        aead: Callable[[bytes], Aead],
        record_limit: int,
        tag_length: int = 16,
    ) -> None:
        self.code = code
        self.hash = hash
        self.key_length = key_length
        self.iv_length = 12
        self.tag_length = tag_length
        self.aead = aead
        self.record_limit = record_limit
        self.key = first_block(b"key", b"", key_length)
        self.iv = first_block(b"iv", b"", self.iv_length)
        """What is expanded for [sender]_write_key and [sender]_write_iv (section 7.3)."""

    def __repr__(self) -> str:
        return f"<Suite {self.code.name}>"


def _ccm_8(key: bytes) -> Aead:
    return AESCCM(key, tag_length=8)


GCM_LIMIT = int(2**24.5)
CCM_LIMIT = 2**23

SUITES: Mapping[int, Suite] = {
    suite.code: suite
    for suite in (
        Suite(CipherSuite.TLS_AES_128_GCM_SHA256, SHA256, 16, AESGCM, GCM_LIMIT),
        Suite(CipherSuite.TLS_AES_256_GCM_SHA384, SHA384, 32, AESGCM, GCM_LIMIT),
        Suite(CipherSuite.TLS_CHACHA20_POLY1305_SHA256, SHA256, 32, ChaCha20Poly1305, 2**64 - 1),
        Suite(CipherSuite.TLS_AES_128_CCM_SHA256, SHA256, 16, AESCCM, CCM_LIMIT),
        Suite(CipherSuite.TLS_AES_128_CCM_8_SHA256, SHA256, 16, _ccm_8, CCM_LIMIT, tag_length=8),
    )
}

DEFAULT_CIPHER_SUITES = (
    CipherSuite.TLS_AES_128_GCM_SHA256,
    CipherSuite.TLS_AES_256_GCM_SHA384,
    CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
)
"""The CCM suites work too, for those who ask: they are for small devices, and CCM_8's tag is short."""
