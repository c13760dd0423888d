"""RFC 9846, section 4.1."""

from __future__ import annotations

import hashlib

import pytest

from tls13.crypto.suites import SHA256, SHA384
from tls13.errors import InternalError
from tls13.transcript import ENDED, Transcript, message_hash


def test_the_hash_is_over_all_messages_whenever_it_became_known() -> None:
    transcript = Transcript()
    transcript.update(b"one")
    transcript.start(SHA384)
    transcript.update(b"two")
    assert transcript.digest() == hashlib.sha384(b"onetwo").digest()
    transcript.start(SHA384)
    assert transcript.digest() == hashlib.sha384(b"onetwo").digest()


def test_a_retry_replaces_client_hello_1_by_message_hash() -> None:
    """Hash(message_hash || 00 00 Hash.length || Hash(ClientHello1) || HelloRetryRequest || ...)."""
    transcript = Transcript()
    for message in (b"hello", b"retry"):
        transcript.update(message)
    transcript.retry(SHA256)
    transcript.update(b"hello again")
    synthetic = b"\xfe\0\0\x20" + hashlib.sha256(b"hello").digest()
    assert transcript.digest() == hashlib.sha256(synthetic + b"retry" + b"hello again").digest()

    stateless = Transcript()
    stateless.start(SHA256)
    for message in (message_hash(SHA256, hashlib.sha256(b"hello").digest()), b"retry", b"hello again"):
        stateless.update(message)
    assert stateless.digest() == transcript.digest()


def test_a_fork_goes_its_own_way() -> None:
    transcript = Transcript()
    transcript.update(b"one")
    early = transcript.fork()
    transcript.start(SHA256)
    late = transcript.fork()
    transcript.update(b"two")
    early.start(SHA256)
    assert early.digest() == late.digest() == hashlib.sha256(b"one").digest()
    assert transcript.digest() == hashlib.sha256(b"onetwo").digest()


def test_misuse_is_found() -> None:
    transcript = Transcript()
    with pytest.raises(InternalError):
        transcript.digest()
    transcript.start(SHA256)
    with pytest.raises(InternalError):
        transcript.start(SHA384)


def test_an_ended_transcript_takes_and_gives_nothing() -> None:
    for ask in (ENDED.digest, lambda: ENDED.update(b"late"), lambda: ENDED.fork().digest()):
        with pytest.raises(InternalError):
            ask()
