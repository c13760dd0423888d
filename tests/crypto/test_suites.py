"""Cipher suites: RFC 9846, appendix B.4 and section 5.5; the AEADs and hashes by values from elsewhere."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidTag

from tls13.crypto.suites import DEFAULT_CIPHER_SUITES, SHA256, SHA384, SUITES
from tls13.wire.registry import CipherSuite

LENGTHS = {  # RFC 5116, section 5; RFC 6655, section 3; RFC 8439, section 2.8: key, tag
    0x1301: ("sha256", 16, 16),
    0x1302: ("sha384", 32, 16),
    0x1303: ("sha256", 32, 16),
    0x1304: ("sha256", 16, 16),
    0x1305: ("sha256", 16, 8),
}


def test_the_five_suites_of_appendix_b_4_and_no_others() -> None:
    assert {code: (suite.hash.name, suite.key_length, suite.tag_length) for code, suite in SUITES.items()} == LENGTHS
    assert all(suite.code == code and suite.iv_length == 12 for code, suite in SUITES.items())


def test_the_defaults_begin_with_the_mandatory_suite_and_leave_ccm_out() -> None:
    """Section 9.1: TLS_AES_128_GCM_SHA256 is a MUST, the next two are SHOULDs."""
    assert DEFAULT_CIPHER_SUITES == (0x1301, 0x1302, 0x1303)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.code.name)
def test_what_is_sealed_opens_and_is_as_long_as_section_5_2_says(suite) -> None:
    aead = suite.aead(bytes(suite.key_length))
    nonce, header = bytes(suite.iv_length), b"\x17\3\3\0\x15"
    sealed = aead.encrypt(nonce, b"hello\x17", header)
    assert len(sealed) == 6 + suite.tag_length
    assert aead.decrypt(nonce, sealed, header) == b"hello\x17"
    for nonce_, sealed_, header_ in (
        (b"\1" + nonce[1:], sealed, header),
        (nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]), header),
        (nonce, sealed, b"\x17\3\1\0\x15"),
        (nonce, sealed[:-1], header),
    ):
        with pytest.raises(InvalidTag):
            aead.decrypt(nonce_, sealed_, header_)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.code.name)
def test_a_key_of_another_length_is_no_key(suite) -> None:
    for length in (0, suite.key_length - 1, suite.key_length + 1):
        with pytest.raises(ValueError, match="key"):
            suite.aead(bytes(length))


def test_aes_gcm_by_nist() -> None:
    """The GCM specification (McGrew and Viega), test case 2 and 14: a zero key, a zero nonce, a zero block."""
    for code, length, expected in (
        (CipherSuite.TLS_AES_128_GCM_SHA256, 16, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"),
        (CipherSuite.TLS_AES_256_GCM_SHA384, 32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    ):
        assert SUITES[code].aead(bytes(length)).encrypt(bytes(12), bytes(16), b"").hex() == expected


def test_chacha20_poly1305_by_rfc_8439() -> None:
    """Section 2.8.2."""
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    aead = SUITES[CipherSuite.TLS_CHACHA20_POLY1305_SHA256].aead(bytes(range(0x80, 0xA0)))
    sealed = aead.encrypt(bytes.fromhex("070000004041424344454647"), text, bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))
    assert sealed[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert sealed[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"


def test_aes_ccm_is_two_aes_modes_with_a_twelve_byte_nonce() -> None:
    """RFC 3610 says how CCM is made of AES; here from AES alone, for one block, so L is 3 and M is 16 or 8."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key, nonce, header, text = bytes(range(16)), bytes(range(12)), b"\x17\3\3\0\x20", b"0123456789abcdef"
    aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()

    def block(data: bytes) -> bytes:
        return aes.update(data)

    def xor(one: bytes, other: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(one, other, strict=False))

    for code, tag_length in ((0x1304, 16), (0x1305, 8)):
        flags = 0x40 | (tag_length - 2) // 2 << 3 | 2
        mac = block(bytes([flags]) + nonce + len(text).to_bytes(3, "big"))
        mac = block(xor(mac, (len(header).to_bytes(2, "big") + header).ljust(16, b"\0")))
        mac = block(xor(mac, text))
        stream = [block(bytes([2]) + nonce + counter.to_bytes(3, "big")) for counter in (0, 1)]
        expected = xor(text, stream[1]) + xor(mac, stream[0])[:tag_length]
        assert SUITES[code].aead(key).encrypt(nonce, text, header) == expected


def test_the_limits_on_the_use_of_a_key() -> None:
    """Section 5.5: AES-GCM 2^24.5 records of full size; ChaCha20-Poly1305 ends with its sequence numbers."""
    assert SUITES[0x1301].record_limit == SUITES[0x1302].record_limit
    assert SUITES[0x1301].record_limit ** 2 <= 2**49 < (SUITES[0x1301].record_limit + 1) ** 2
    assert SUITES[0x1303].record_limit == 2**64 - 1
    assert SUITES[0x1304].record_limit <= 2**23
    assert SUITES[0x1305].record_limit <= 2**23


@pytest.mark.parametrize(("hash", "new"), [(SHA256, hashlib.sha256), (SHA384, hashlib.sha384)])
def test_a_hash_knows_its_lengths_and_the_hash_of_nothing(hash, new) -> None:
    assert (hash.digest_size, hash.block_size) == (new().digest_size, new().block_size)
    assert hash.empty == new().digest()
    assert hash.new(b"abc").digest() == new(b"abc").digest()
