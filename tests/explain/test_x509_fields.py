"""Certificates opened to their bytes: held against `cryptography`'s reading, and never in the way of an odd one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.explain.test_spans import check, leaves
from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.explain.spans import Field
from tls13.explain.x509_fields import certificate_fields
from tls13.lab.authority import Authority, KeyType

LIMBO = SHARED / "vectors" / "x509-limbo"
AUTHORITY = Authority.create(now=datetime.now(UTC))
LEAF = AUTHORITY.issue(["server.example", "127.0.0.1", "::1"]).certificate
DER = LEAF.public_bytes(Encoding.DER)


def find(field: Field, name: str) -> Field:
    stack = [field]
    while stack:
        one = stack.pop(0)
        if one.name == name:
            return one
        stack += one.fields
    raise AssertionError(f"no {name}")


def cut(field: Field, name: str) -> bytes:
    found = find(field, name)
    return DER[found.start : found.end]


def test_the_parts_are_where_cryptography_finds_them() -> None:
    field = certificate_fields(DER)
    assert cut(field, "tbsCertificate") == LEAF.tbs_certificate_bytes
    assert cut(field, "issuer") == LEAF.issuer.public_bytes()
    assert cut(field, "subject") == LEAF.subject.public_bytes()
    key = LEAF.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert cut(field, "subjectPublicKeyInfo") == key
    assert cut(field, "signatureValue").endswith(LEAF.signature)


def test_the_values_are_in_words() -> None:
    field = certificate_fields(DER)
    assert find(field, "subject").value == "commonName=server.example"
    assert find(field, "notAfter").value == f"{LEAF.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    assert int(find(field, "serialNumber").value, 16) == LEAF.serial_number
    assert find(field, "SubjectAltName").value == "server.example, 127.0.0.1, ::1"
    assert find(field, "KeyUsage").value == "digitalSignature"
    assert find(field, "KeyPurposeId").value == "serverAuth"
    names = [one.value for one in find(field, "Extensions").fields[1:]]
    assert names == [one.oid._name for one in LEAF.extensions]
    assert find(certificate_fields(AUTHORITY.certificate.public_bytes(Encoding.DER)), "cA").value == "TRUE"


@pytest.mark.parametrize("kind", KeyType)
def test_keys_of_every_type(kind) -> None:
    der = Authority.create(now=datetime.now(UTC), key_type=kind).certificate.public_bytes(Encoding.DER)
    check(certificate_fields(der), len(der))


def test_each_place_has_its_section() -> None:
    field = certificate_fields(DER)
    assert find(field, "validity").section == "RFC 5280, 4.1.2.5"
    assert find(field, "SubjectAltName").section == "RFC 5280, 4.2.1.6"


def test_every_byte_is_in_one_leaf_of_a_whole_certificate() -> None:
    field = certificate_fields(DER)
    check(field, len(DER))
    assert not [one for one in leaves(field) if one.name == "undecodable"]


def test_a_hostile_name_cannot_steer_a_terminal() -> None:
    hostile = DER.replace(b"server.example", b"\x1b[31m\x07example.", 1)
    assert "\x1b" not in find(certificate_fields(hostile), "subject").value


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_whatever_happens_to_a_certificate_its_bytes_stay_explained(data) -> None:
    der = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(der)))
        der[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check(certificate_fields(bytes(der)), len(der))


@settings(deadline=None, max_examples=200)
@given(der=st.binary(max_size=120))
def test_any_bytes_can_be_walked(der) -> None:
    check(certificate_fields(der), len(der))


def test_deep_nesting_ends_in_a_leaf() -> None:
    der = b""
    for _ in range(200):
        der = b"\x30" + (bytes((len(der),)) if len(der) < 128 else b"\x82" + len(der).to_bytes(2, "big")) + der
    check(certificate_fields(der), len(der))


@pytest.mark.skipif(not LIMBO.is_dir(), reason=SHARED_IS_ABSENT)
def test_the_odd_certificates_of_x509_limbo() -> None:
    pems = set()
    for file in LIMBO.glob("*.json"):
        for case in json.loads(file.read_text()).get("testcases", []):
            pems |= {case["peer_certificate"], *case["trusted_certs"], *case["untrusted_intermediates"]}
    assert len(pems) > 1000
    for number, pem in enumerate(sorted(pems)):
        if number % 8:
            continue
        try:
            der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
        except ValueError:
            continue
        check(certificate_fields(der), len(der))
