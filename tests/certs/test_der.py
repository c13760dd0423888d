"""The workshop's DER, against encodings that `cryptography` reads and writes."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

import certs
from certs import der


def test_opening_and_closing_a_certificate_changes_nothing() -> None:
    certificate = certs.good().certificate
    assert der.Surgery(certificate).close() == certificate.public_bytes(Encoding.DER)


def test_a_certificate_that_is_signed_anew_verifies_under_the_new_key() -> None:
    workshop = certs.workshop()
    surgery = der.Surgery(certs.good().certificate)
    surgery.fields[der.SERIAL] = der.integer(4711)
    signed = x509.load_der_x509_certificate(surgery.sign(workshop.intermediate.private_key))
    assert signed.serial_number == 4711
    signed.verify_directly_issued_by(workshop.intermediate.certificate)


@pytest.mark.parametrize(
    ("value", "octets"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f")],
)
def test_integers_are_written_as_in_x690(value: int, octets: str) -> None:
    assert der.integer(value).hex() == octets


@given(st.integers())
def test_integers_are_minimal_and_read_back(value: int) -> None:
    octets = der.content(der.integer(value))
    assert int.from_bytes(octets, signed=True) == value
    assert len(octets) == 1 or octets[:2] not in (b"\0\0", b"\xff\xff")


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 65535, 65536])
def test_lengths_of_every_form_read_back(size: int) -> None:
    element = der.encode(der.OCTET_STRING, bytes(size))
    assert der.content(element) == bytes(size)
    assert der.children(der.encode(der.SEQUENCE, element, element)) == [element, element]


@pytest.mark.parametrize(
    ("dotted", "octets"), [("2.5.29.17", "0603551d11"), ("1.2.840.10045.4.3.2", "06082a8648ce3d040302")]
)
def test_object_identifiers_are_written_as_in_x690(dotted: str, octets: str) -> None:
    assert der.oid(dotted).hex() == octets
