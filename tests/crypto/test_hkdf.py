"""HKDF: RFC 5869, appendix A (its values), and RFC 9846, section 7.1."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tests.vectors_reader import RFC8448, unhex
from tls13.crypto.hkdf import Secret, extract, hkdf_label
from tls13.crypto.suites import SHA256, SHA384
from tls13.errors import UsageError


def test_rfc_5869_a_1() -> None:
    """Basic test case with SHA-256."""
    prk = extract(SHA256, bytes(range(13)), b"\x0b" * 22)
    assert prk.value.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    okm = prk._expand(unhex("f0f1f2f3f4f5f6f7f8f9"), 42)
    assert okm.hex() == ("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")


@pytest.mark.parametrize("name", RFC8448)
def test_every_derivation_of_rfc_8448(name) -> None:
    for one in RFC8448[name].get("derivations", []):
        secret = Secret(SHA256, unhex(one["prk"]))
        length = len(one["secret"]) // 2
        assert secret.expand_label(one["label"].encode(), unhex(one["context"]), length).hex() == one["secret"]
        assert (hkdf_label(one["label"].encode(), length) + bytes([len(one["context"]) // 2])).hex() == one["info"][
            : len(one["info"]) - len(one["context"])
        ]


@pytest.mark.parametrize("name", RFC8448)
def test_every_extract_of_rfc_8448(name) -> None:
    for one in RFC8448[name]["extracts"].values():
        assert extract(SHA256, unhex(one["salt"]), unhex(one["ikm"])).value.hex() == one["secret"]


@pytest.mark.parametrize("hash", [SHA256, SHA384])
@pytest.mark.parametrize("length", [0, 1, 32, 48])
def test_hmac_is_the_standard_librarys(hash, length) -> None:
    key = bytes(range(length))
    for data in (b"", b"data", bytes(1000)):
        assert Secret(hash, key).hmac(data) == hmac.digest(key, data, hash.name)


def test_long_output_is_hkdf_expand() -> None:
    """RFC 5869, section 2.3, written out with the standard library."""
    secret, info = b"s" * 32, hkdf_label(b"exporter", 100) + b"\1c"
    block, expected = b"", b""
    for counter in range(1, 5):
        block = hmac.digest(secret, block + info + bytes([counter]), hashlib.sha256)
        expected += block
    assert Secret(SHA256, secret).expand_label(b"exporter", b"c", 100) == expected[:100]
    with pytest.raises(UsageError):
        Secret(SHA256, secret).expand_label(b"exporter", b"", 255 * 32 + 1)


def test_a_label_has_7_to_255_bytes() -> None:
    with pytest.raises(UsageError):
        hkdf_label(b"", 32)
    with pytest.raises(UsageError):
        hkdf_label(b"x" * 250, 32)


def test_a_secret_is_not_shown() -> None:
    secret = Secret(SHA256, b"very secret bytes")
    assert "secret b" not in repr(secret)
    assert b"very".hex() not in repr(secret)
    assert secret == Secret(SHA256, b"very secret bytes")
    assert secret != Secret(SHA256, b"other")
