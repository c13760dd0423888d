"""Certificate compression (RFC 8879): what it gives back, and what it never gives."""

from __future__ import annotations

import random
import subprocess
import sys
import tracemalloc
import zlib
from typing import Any

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


def zstd_in_two_blocks() -> bytes:
    """No content size in the header, and a last block that is empty: all of the content comes before the end."""
    one = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return one.compress(DATA) + one.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + one.flush()


def zstd_with_a_checksum() -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(DATA)


@pytest.mark.parametrize("make", [zstd_in_two_blocks, zstd_with_a_checksum])
def test_content_without_the_end_of_its_frame_is_refused(make) -> None:
    """Every byte of the certificate is there, but not what says so: the last block, or the checksum."""
    whole = make()
    assert decompress(CertificateCompressionAlgorithm.zstd, whole, len(DATA)) == DATA
    for missing in range(1, 5):
        with pytest.raises(BadCompressedCertificate):
            decompress(CertificateCompressionAlgorithm.zstd, whole[:-missing], len(DATA))


def test_a_checksum_that_is_wrong_is_refused(algorithm) -> None:
    """zlib's Adler-32 and zstd's XXH64 are the last bytes; brotli has none, and its last byte ends the stream."""
    whole = zstd_with_a_checksum() if algorithm == CertificateCompressionAlgorithm.zstd else compress(algorithm, DATA)
    with pytest.raises(BadCompressedCertificate):
        decompress(algorithm, whole[:-1] + bytes([whole[-1] ^ 0x81]), len(DATA))


def test_a_second_stream_behind_the_first_is_refused(algorithm) -> None:
    """Also one that adds nothing to the content; and zstd's skippable frame, in front and behind."""
    whole = compress(algorithm, DATA)
    skipped = (0x184D2A50).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    for wrong in (whole + whole, whole + THEIRS[algorithm](b""), whole + skipped, skipped + whole):
        with pytest.raises(BadCompressedCertificate):
            decompress(algorithm, wrong, len(DATA))


def test_formats_that_only_resemble_zlib_are_refused() -> None:
    """RFC 8879, section 4: ZLIB (RFC 1950), so neither gzip nor raw deflate, nor a dictionary that nobody agreed on."""
    for one in (zlib.compressobj(wbits=31), zlib.compressobj(wbits=-15), zlib.compressobj(zdict=DATA[:50])):
        with pytest.raises(BadCompressedCertificate):
            decompress(CertificateCompressionAlgorithm.zlib, one.compress(DATA) + one.flush(), len(DATA))


def test_noise_is_refused(algorithm) -> None:
    noise = random.Random(2)
    for _ in range(200):
        with pytest.raises(BadCompressedCertificate):
            decompress(algorithm, noise.randbytes(noise.randrange(1, 100)), 2**14)


def gibibyte_of_zeros(algorithm: CertificateCompressionAlgorithm) -> bytes:
    one: Any = {
        CertificateCompressionAlgorithm.zlib: lambda: zlib.compressobj(1),
        CertificateCompressionAlgorithm.brotli: lambda: brotli.Compressor(quality=1),
        CertificateCompressionAlgorithm.zstd: lambda: zstandard.ZstdCompressor().compressobj(),
    }[algorithm]()
    put = one.process if algorithm == CertificateCompressionAlgorithm.brotli else one.compress
    end = one.finish if algorithm == CertificateCompressionAlgorithm.brotli else one.flush
    zeros = bytes(2**24)
    return b"".join(put(zeros) for _ in range(64)) + end()


MEASURE = """
import resource, sys
from tls13.errors import BadCompressedCertificate
from tls13.wire.compression import compress, decompress
from tls13.wire.registry import CertificateCompressionAlgorithm
algorithm, bomb = CertificateCompressionAlgorithm[sys.argv[1]], sys.stdin.buffer.read()
decompress(algorithm, compress(algorithm, b"x" * 5000), 5000)  # what the package itself needs
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decompress(algorithm, bomb, 2**17)
except BadCompressedCertificate:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_does_not_go_off(algorithm) -> None:
    """What stands for 1 GiB takes no more memory than what was announced, and a window; the C libraries' counts too."""
    bomb = gibibyte_of_zeros(algorithm)
    assert len(bomb) < 2**23
    done = subprocess.run([sys.executable, "-c", MEASURE, algorithm.name], input=bomb, capture_output=True, check=True)
    assert int(done.stdout) < 24 * 1024  # KiB; a window may have 16 MiB
    tracemalloc.start()
    with pytest.raises(BadCompressedCertificate):
        decompress(algorithm, bomb, 2**14)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20 + len(bomb)


def test_what_a_zstd_header_announces_is_not_believed() -> None:
    """A frame of 20 bytes whose header says 2^40: nothing may be made ready for it."""
    header = bytes.fromhex("28b52ffd c0 30") + (2**40).to_bytes(8, "little")
    tracemalloc.start()
    with pytest.raises(BadCompressedCertificate):
        decompress(CertificateCompressionAlgorithm.zstd, header + bytes.fromhex("010000"), 2**14)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_an_unknown_algorithm_is_found_when_the_config_is_made() -> None:
    with pytest.raises(ConfigurationError, match="there are zlib, brotli, zstd"):
        require(CertificateCompressionAlgorithm(77))
