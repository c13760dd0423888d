"""Bytes with their names: the Field that everything shown is made of, and the outermost layer of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """Some bytes and what they are. A field's children cover it exactly, in order; without any it is a leaf."""

    name: str
    start: int
    end: int
    type: str
    value: str
    meaning: str
    section: str
    fields: tuple[Field, ...] = ()


def _leaf(name: str, start: int, end: int, type: str, meaning: str, section: str) -> Field:
    return Field(name, start, end, type, f"{end - start} bytes", meaning, section)


def message_fields(raw: bytes) -> Field:
    """A whole handshake message with its header."""
    section = "RFC 9846, 4"
    parts = (
        _leaf("msg_type", 0, 1, "HandshakeType", "Which message this is.", section),
        _leaf("length", 1, 4, "uint24", "How many bytes follow.", section),
        _leaf("body", 4, len(raw), "opaque", "The message itself.", section),
    )
    return Field("Handshake", 0, len(raw), "struct Handshake", "", "A handshake message.", section, parts)


def record_fields(raw: bytes) -> Field:
    """A record with its header; what is no whole record is one leaf."""
    section = "RFC 9846, 5.1"
    if len(raw) < 5:
        return _leaf("bytes", 0, len(raw), "opaque", "The beginning of a record, or no record at all.", section)
    parts = (
        _leaf("type", 0, 1, "ContentType", "What is in the record, or 23 if it is encrypted.", section),
        _leaf("legacy_record_version", 1, 3, "ProtocolVersion", "Means nothing any more.", section),
        _leaf("length", 3, 5, "uint16", "How many bytes follow.", section),
        _leaf("fragment", 5, len(raw), "opaque", "What is carried.", section),
    )
    return Field("TLSPlaintext", 0, len(raw), "struct TLSPlaintext", "", "A record.", section, parts)


def inner_fields(plain: bytes) -> Field:
    """TLSInnerPlaintext: content, type, zeros."""
    return _leaf("TLSInnerPlaintext", 0, len(plain), "struct TLSInnerPlaintext", "What was encrypted.", "RFC 9846, 5.2")


def alert_fields(raw: bytes) -> Field:
    """An alert: level and description."""
    return _leaf("Alert", 0, len(raw), "struct Alert", "Why the connection ends.", "RFC 9846, 6")
