"""Certificate compression (RFC 8879): what it gives back, and what it never gives."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import brotli
import pytest
import zstandard

from tls13.errors import BadCompressedCertificate, ConfigurationError
from tls13.wire.compression import available_algorithms, compress, decompress, require
from tls13.wire.registry import CertificateCompressionAlgorithm

ALGORITHMS = list(CertificateCompressionAlgorithm)
DATA = random.Random(1).randbytes(300) * 7

THEIRS = {
    CertificateCompressionAlgorithm.zlib: zlib.compress,
    CertificateCompressionAlgorithm.brotli: brotli.compress,
    CertificateCompressionAlgorithm.zstd: zstandard.compress,
}


@pytest.fixture(params=ALGORITHMS, ids=lambda algorithm: algorithm.name)
def algorithm(request) -> CertificateCompressionAlgorithm:
    return request.param


def test_what_was_compressed_comes_back(algorithm) -> None:
    assert algorithm in available_algorithms()
    assert len(compress(algorithm, DATA)) < len(DATA) / 4
    assert decompress(algorithm, compress(algorithm, DATA), len(DATA)) == DATA
    assert decompress(algorithm, THEIRS[algorithm](DATA), len(DATA)) == DATA


@pytest.mark.parametrize("announced", [0, 1, len(DATA) - 1, len(DATA) + 1, 2**20])
def test_another_length_than_was_announced_is_refused(algorithm, announced) -> None:
    """Section 4: "If ... does not match ... bad_certificate"."""
    with pytest.raises(BadCompressedCertificate):
        decompress(algorithm, compress(algorithm, DATA), announced)


def test_bytes_after_the_end_are_refused(algorithm) -> None:
    with pytest.raises(BadCompressedCertificate):
        decompress(algorithm, compress(algorithm, DATA) + b"\0", len(DATA))


def test_a_cut_stream_is_refused(algorithm) -> None:
    whole = compress(algorithm, DATA)
    for end in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(BadCompressedCertificate):
            decompress(algorithm, whole[:end], len(DATA))


def test_noise_is_refused(algorithm) -> None:
    noise = random.Random(2)
    for _ in range(200):
        with pytest.raises(BadCompressedCertificate):
            decompress(algorithm, noise.randbytes(noise.randrange(1, 100)), 2**14)


def test_a_bomb_does_not_go_off(algorithm) -> None:
    """A few kilobytes that stand for 64 MiB take no more memory than what was announced, and a window."""
    bomb = THEIRS[algorithm](bytes(2**26))
    assert len(bomb) < 2**17
    tracemalloc.start()
    with pytest.raises(BadCompressedCertificate):
        decompress(algorithm, bomb, 2**14)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_an_unknown_algorithm_is_found_when_the_config_is_made() -> None:
    with pytest.raises(ConfigurationError, match="there are zlib, brotli, zstd"):
        require(CertificateCompressionAlgorithm(77))
