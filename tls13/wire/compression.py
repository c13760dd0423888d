"""Compressed certificates: RFC 8879. A chain of certificates is the largest part of a handshake, and compresses well.

Whoever decompresses what a stranger sent must not believe it about its length: a few kilobytes can stand for
gigabytes. So the length that the message announces is checked against our own limit first, and no decompressor is
asked for more than one byte beyond it.

zlib comes with Python; brotli and zstd are extras (`pip install 'tls13[brotli,zstd]'`), loaded when first used.
"""

from __future__ import annotations

import zlib
from importlib.util import find_spec

from .. import errors
from ..errors import ConfigurationError
from .registry import CertificateCompressionAlgorithm

ZLIB, BROTLI, ZSTD = CertificateCompressionAlgorithm

PACKAGES = {ZLIB: "zlib", BROTLI: "brotli", ZSTD: "zstandard"}

ZSTD_WINDOW = 2**23
"""Bytes of memory that a zstd frame may ask for (RFC 8878, section 3.1.1.1.2, recommends to accept 8 MB)."""


def available_algorithms() -> tuple[CertificateCompressionAlgorithm, ...]:
    """Those whose package is installed."""
    return tuple(algorithm for algorithm, package in PACKAGES.items() if find_spec(package) is not None)


def require(algorithm: CertificateCompressionAlgorithm) -> None:
    """Raises ConfigurationError for an algorithm that we do not have."""
    package = PACKAGES.get(algorithm)
    if package is None:
        raise ConfigurationError(f"unknown certificate compression {algorithm}; there are zlib, brotli, zstd")
    if find_spec(package) is None:
        raise ConfigurationError(f"{algorithm.name} needs the package {package}: pip install 'tls13[{algorithm.name}]'")


def compress(algorithm: CertificateCompressionAlgorithm, data: bytes) -> bytes:
    if algorithm == ZLIB:
        return zlib.compress(data, 9)
    module = __import__(PACKAGES[algorithm])
    compressed: bytes = module.compress(data) if algorithm == BROTLI else module.ZstdCompressor(level=19).compress(data)
    return compressed


def decompress(algorithm: CertificateCompressionAlgorithm, data: bytes, length: int) -> bytes:
    """The `length` bytes that `data` stands for, all of it. Raises BadCompressedCertificate (RFC 8879, section 4).

    `length` is the peer's word: the caller has compared it with its own limit.
    """
    try:
        plain, finished = _DECOMPRESSORS[algorithm](data, length + 1)
    except _failures(algorithm) as error:
        raise errors.BadCompressedCertificate(f"{algorithm.name}: {error}") from None
    if not finished or len(plain) != length:
        raise errors.BadCompressedCertificate(f"{algorithm.name}: not the {length} bytes that it announces")
    return plain


def _zlib(data: bytes, most: int) -> tuple[bytes, bool]:
    one = zlib.decompressobj()
    return one.decompress(data, most), one.eof and not one.unused_data


def _brotli(data: bytes, most: int) -> tuple[bytes, bool]:
    import brotli

    one = brotli.Decompressor()
    plain: bytes = one.process(data, output_buffer_limit=most)
    while len(plain) < most and not one.is_finished():
        more = one.process(b"", output_buffer_limit=most - len(plain))
        if not more:
            break
        plain += more
    return plain, one.is_finished()


def _zstd(data: bytes, most: int) -> tuple[bytes, bool]:
    """In one piece, which alone insists on the end of the frame, its checksum, and nothing behind it.

    It makes room for what the frame's header announces, whatever our limit: so that is looked at first (-1: nothing).
    """
    import zstandard

    if zstandard.frame_content_size(data) >= most:
        return b"", False
    one = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    plain = one.decompress(data, max_output_size=most, read_across_frames=False, allow_extra_data=False)
    return plain, True


def _failures(algorithm: CertificateCompressionAlgorithm) -> tuple[type[Exception], ...]:
    if algorithm == ZLIB:
        return (zlib.error,)
    module = __import__(PACKAGES[algorithm])
    return (module.error,) if algorithm == BROTLI else (module.ZstdError,)


_DECOMPRESSORS = {ZLIB: _zlib, BROTLI: _brotli, ZSTD: _zstd}
