"""HKDF: RFC 5869, appendix A (its values), and RFC 9846, section 7.1."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tests.vectors_reader import RFC8448, unhex
from tls13.crypto.hkdf import Secret, extract, hkdf_label, three_hmacs, two_hmacs
from tls13.crypto.suites import SHA256, SHA384
from tls13.errors import UsageError

RFC5869 = [  # SHA-256: IKM, salt, info, L, PRK, OKM
    pytest.param(
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        42,
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        id="A.1 basic",
    ),
    pytest.param(
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        82,
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        id="A.2 longer than a block",
    ),
    pytest.param(
        b"\x0b" * 22,
        b"",
        b"",
        42,
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        id="A.3 no salt, no info",
    ),
]


@pytest.mark.parametrize(("ikm", "salt", "info", "length", "prk", "okm"), RFC5869)
def test_hkdf_of_rfc_5869(ikm, salt, info, length, prk, okm) -> None:
    secret = extract(SHA256, salt, ikm)
    assert secret.value.hex() == prk
    assert secret._expand(info, length).hex() == okm


@pytest.mark.parametrize("name", RFC8448)
def test_every_derivation_of_rfc_8448(name) -> None:
    for one in RFC8448[name].get("derivations", []):
        secret = Secret(SHA256, unhex(one["prk"]))
        length = len(one["secret"]) // 2
        assert secret.expand_label(one["label"].encode(), unhex(one["context"]), length).hex() == one["secret"]
        assert (
            hkdf_label(one["label"].encode(), len(one["context"]) // 2, length).hex()
            == one["info"][: len(one["info"]) - len(one["context"])]
        )


@pytest.mark.parametrize("name", RFC8448)
def test_every_extract_of_rfc_8448(name) -> None:
    for one in RFC8448[name]["extracts"].values():
        assert extract(SHA256, unhex(one["salt"]), unhex(one["ikm"])).value.hex() == one["secret"]


LENGTHS = (0, 1, 32, 48, 64, 65, 128)
KEYS = [(hash, length) for hash in (SHA256, SHA384) for length in LENGTHS if length <= hash.block_size]
"""Of a block at most: the keys of section 7.1 are hashes. A longer salt, RFC 5869's A.2, is `extract`'s to hash."""


@pytest.mark.parametrize(("hash", "length"), KEYS)
def test_hmac_is_the_standard_librarys(hash, length) -> None:
    key = bytes(range(length))
    for data in (b"", b"data", bytes(1000)):
        assert Secret(hash, key).hmac(data) == hmac.digest(key, data, hash.name)


@pytest.mark.parametrize(("hash", "length"), KEYS)
@pytest.mark.parametrize("messages", [(b"one", b"", bytes(1000)), (b"", bytes(1000), b"one"), (bytes(999), b"1", b"2")])
def test_several_hmacs_under_one_key_are_those_of_each_message(hash, length, messages) -> None:
    key = bytes(range(length))
    expected = tuple(hmac.digest(key, message, hash.name) for message in messages)
    assert three_hmacs(hash, key, *messages) == expected
    assert two_hmacs(hash, key, *messages[:2]) == expected[:2]


@pytest.mark.parametrize("length", [63, 64, 65, 127, 128, 129, 200])
@pytest.mark.parametrize("hash", [SHA256, SHA384])
def test_a_salt_may_be_longer_than_a_block(hash, length) -> None:
    salt = bytes(range(length))
    assert extract(hash, salt, b"ikm").value == hmac.digest(salt, b"ikm", hash.name)


def test_long_output_is_hkdf_expand() -> None:
    """RFC 5869, section 2.3, written out with the standard library."""
    secret, info = b"s" * 32, hkdf_label(b"exporter", 1, 100) + b"c"
    block, expected = b"", b""
    for counter in range(1, 5):
        block = hmac.digest(secret, block + info + bytes([counter]), hashlib.sha256)
        expected += block
    assert Secret(SHA256, secret).expand_label(b"exporter", b"c", 100) == expected[:100]
    with pytest.raises(UsageError):
        Secret(SHA256, secret).expand_label(b"exporter", b"", 255 * 32 + 1)


@pytest.mark.parametrize("length", [-1, 2**16, 2**32])
def test_a_length_that_its_field_cannot_hold_is_refused(length) -> None:
    """Section 7.1: uint16 length. What a caller asks of an exporter must not end in an OverflowError."""
    with pytest.raises(UsageError, match="65535"):
        Secret(SHA256, bytes(32)).expand_label(b"exporter", b"", length)


def test_a_label_has_7_to_255_bytes() -> None:
    with pytest.raises(UsageError):
        hkdf_label(b"", 0, 32)
    with pytest.raises(UsageError):
        hkdf_label(b"x" * 250, 0, 32)


def test_a_secret_is_not_shown() -> None:
    secret = Secret(SHA256, b"very secret bytes")
    assert "secret b" not in repr(secret)
    assert b"very".hex() not in repr(secret)
    assert secret == Secret(SHA256, b"very secret bytes")
    assert secret != Secret(SHA256, b"other")
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)
