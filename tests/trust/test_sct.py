"""Signed Certificate Timestamps, taken apart: RFC 6962, sections 3.2 and 3.3; among others, of real certificates."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from certs.der import OCTET_STRING, Surgery, encode
from tests.trust.ocsp_responses import NOW, respond
from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.errors import DecodeError, MalformedCertificate
from tls13.lab.authority import Authority, KeyType
from tls13.trust import sct

LIMBO = SHARED / "vectors" / "x509-limbo" / "limbo-core.json"
LOG = bytes(range(32))
ONE = b"\0" + LOG + (1_700_000_000_123).to_bytes(8, "big") + b"\0\3ext" + b"\4\3" + b"\0\4sign"


def listed(*ones: bytes) -> bytes:
    inside = b"".join(len(one).to_bytes(2, "big") + one for one in ones)
    return len(inside).to_bytes(2, "big") + inside


def certificate_with(value: bytes) -> x509.Certificate:
    authority = Authority.create(now=NOW)
    draft = authority.draft(["server.example"], KeyType.ECDSA_P256.generate().public_key())
    oid = ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS
    return authority.sign(draft.with_extension(x509.UnrecognizedExtension(oid, value)))


def test_every_field_is_where_the_rfc_has_it() -> None:
    (one,) = sct.parse_list(listed(ONE))
    assert one == (
        0,
        LOG,
        datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC),
        b"ext",
        sct.HashAlgorithm.sha256,
        sct.SignatureAlgorithm.ecdsa,
        b"sign",
    )


def test_a_later_version_is_skipped_and_the_others_are_still_read() -> None:
    """Section 3.3: that is what the length in front of each is for."""
    later, known = sct.parse_list(listed(b"\1whatever", ONE))
    assert later == sct.UnknownTimestamp(1, b"whatever")
    assert isinstance(known, sct.SignedCertificateTimestamp)


def test_an_algorithm_without_a_name_is_shown_by_its_number() -> None:
    (one,) = sct.parse_list(listed(ONE.replace(b"\4\3", b"\x08\x07")))
    assert isinstance(one, sct.SignedCertificateTimestamp)
    assert (int(one.hash_algorithm), int(one.signature_algorithm)) == (8, 7)


@pytest.mark.parametrize("size", range(len(ONE)))
def test_one_that_ends_too_soon_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        sct.parse_list(listed(ONE[:size]))


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0", listed(ONE) + b"\0", listed(ONE)[:-1], listed(b""), listed(ONE + b"\0"), b"\0\1\0"],
    ids=["nothing", "empty list", "bytes after", "cut off", "empty one", "bytes after one", "half a length"],
)
def test_a_broken_list_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        sct.parse_list(data)


def test_an_sct_of_no_bytes_is_refused() -> None:
    with pytest.raises(DecodeError):
        sct.parse(b"")


def test_a_time_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(DecodeError, match="year 9999"):
        sct.parse(ONE[:33] + b"\xff" * 8 + ONE[41:])


def test_a_certificate_without_any_has_none() -> None:
    assert sct.embedded(Authority.create(now=NOW).certificate) == ()


def test_those_in_a_certificate_are_wrapped_once_more() -> None:
    shown = sct.embedded(certificate_with(encode(OCTET_STRING, listed(ONE, ONE))))
    assert shown == sct.parse_list(listed(ONE, ONE))


def test_a_certificate_with_broken_ones_is_refused() -> None:
    with pytest.raises(DecodeError, match="OCTET STRING"):
        sct.embedded(certificate_with(listed(ONE)))


def test_a_certificate_that_has_the_extension_twice_is_refused() -> None:
    """Which of the two counts would be anybody's guess (RFC 5280, section 4.2)."""
    surgery = Surgery(certificate_with(encode(OCTET_STRING, listed(ONE))))
    surgery.edit_extensions(lambda all_of_them: [*all_of_them, next(e for e in all_of_them if listed(ONE) in e)])
    with pytest.raises(MalformedCertificate, match="twice"):
        sct.embedded(x509.load_der_x509_certificate(surgery.close()))


def test_those_in_a_stapled_response_are_found() -> None:
    """Section 3.3: beside the statement about the certificate."""
    authority = Authority.create(now=NOW - timedelta(days=1))
    leaf = authority.issue(["server.example"]).certificate
    value = encode(OCTET_STRING, listed(ONE))
    beside = (x509.ObjectIdentifier("1.2.3"), encode(OCTET_STRING, b"something else"), False)
    response = respond(authority, leaf, single=[beside, (ExtensionOID.SIGNED_CERTIFICATE_TIMESTAMPS, value, False)])
    assert sct.stapled(response, leaf) == sct.parse_list(listed(ONE))
    assert sct.stapled(response, authority.issue(["other.example"]).certificate) == ()
    assert sct.stapled(respond(authority, leaf), leaf) == ()


def test_a_response_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError, match="OCSP response"):
        sct.stapled(b"\x30\0", Authority.create(now=NOW).certificate)


def real_certificates() -> list[x509.Certificate]:
    """Certificates of the public web in x509-limbo, as far as they carry SCTs."""
    cases = json.loads(LIMBO.read_text())["testcases"]
    leafs = [case["peer_certificate"] for case in cases if case["id"].startswith("online::")]
    found = [x509.load_pem_x509_certificate(pem.encode()) for pem in leafs]
    return [one for one in found if sct.embedded(one)]


@pytest.mark.skipif(not LIMBO.exists(), reason=SHARED_IS_ABSENT)
def test_real_certificates_say_what_another_parser_reads() -> None:
    real = real_certificates()
    assert len(real) > 5
    for certificate in real:
        theirs = certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
        ours = sct.embedded(certificate)
        assert len(ours) == len(theirs) > 0
        for mine, other in zip(ours, theirs, strict=True):
            assert isinstance(mine, sct.SignedCertificateTimestamp), certificate.public_bytes(Encoding.PEM)
            assert mine.log_id == other.log_id
            assert mine.timestamp == other.timestamp.replace(tzinfo=UTC)
            assert mine.extensions == other.extension_bytes
            assert mine.hash_algorithm.name == other.signature_hash_algorithm.name
            assert mine.signature_algorithm.name == other.signature_algorithm.name.lower()
            assert mine.signature == other.signature
