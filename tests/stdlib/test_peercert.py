"""getpeercert: the dict is CPython's own, compared with what its C code says of the same certificate."""

from __future__ import annotations

import contextlib
import json
import ssl
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import certs
from certs import der
from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.lab.authority import Authority, Issued
from tls13.stdlib.peercert import peercert

LIMBO = SHARED / "vectors" / "x509-limbo"
ISSUER_ALT_NAME, SAN, AIA, CRL_POINTS = "2.5.29.18", "2.5.29.17", "1.3.6.1.5.5.7.1.1", "2.5.29.31"

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def cpython(certificate: bytes, folder: Path) -> dict[str, object]:
    """What getpeercert gives in CPython, which reads files only; its own tests use the same door."""
    path = folder / "certificate.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(certificate))
    return ssl._ssl._test_decode_cert(str(path))


def compare(certificates: set[bytes], folder: Path) -> int:
    """How many were compared; one that `cryptography` does not read at all never becomes a peer's."""
    compared = 0
    for one in certificates:
        try:
            certificate = x509.load_der_x509_certificate(one)
        except (ValueError, x509.InvalidVersion):
            continue
        ours, theirs = peercert(certificate), cpython(one, folder)
        assert list(ours.items()) == list(theirs.items())
        compared += 1
    return compared


@pytest.mark.skipif(not LIMBO.is_dir(), reason=SHARED_IS_ABSENT)
def test_limbos_certificates(tmp_path) -> None:
    found: set[bytes] = set()
    for name in ("limbo-core", "limbo-pathbuilding"):
        for case in json.loads((LIMBO / f"{name}.json").read_text())["testcases"]:
            found |= {
                ssl.PEM_cert_to_DER_cert(pem)
                for pem in (case["peer_certificate"], *case["trusted_certs"], *case["untrusted_intermediates"])
            }
    assert compare(found, tmp_path) > 1800


def test_the_workshops_certificates(tmp_path) -> None:
    workshop = certs.workshop()
    found = {one for case in certs.catalogue().values() for one in case.exhibit(workshop).chain}
    assert compare(found, tmp_path) > 150


def test_the_systems_roots(tmp_path) -> None:
    """Real names: with accents, with several attributes in one RDN, in every string type."""
    context = ssl.create_default_context()
    found = set(context.get_ca_certs(binary_form=True))
    if not found:
        pytest.skip("this system has no trust store")
    assert compare(found, tmp_path) == len(found)


# --- odd ones ---------------------------------------------------------------------------------------------------------


@cache
def plain() -> x509.Certificate:
    return Authority.create(now=datetime.now(UTC)).issue(["server.example"]).certificate


def with_extensions(*extensions: bytes) -> bytes:
    opened = der.Surgery(plain())
    opened.edit_extensions(lambda _: list(extensions))
    return opened.close()


def with_subject(*attributes: bytes) -> bytes:
    opened = der.Surgery(plain())
    opened.fields[der.SUBJECT] = der.encode(der.SEQUENCE, *(der.encode(0x31, one) for one in attributes))
    return opened.close()


def attribute(kind: str, tag: int, value: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.oid(kind), der.encode(tag, value))


def names(*general_names: bytes) -> bytes:
    return der.encode(der.SEQUENCE, *general_names)


def san(*general_names: bytes) -> bytes:
    return with_extensions(der.extension(SAN, names(*general_names)))


def points(*distribution_points: bytes) -> bytes:
    return with_extensions(der.extension(CRL_POINTS, der.encode(der.SEQUENCE, *distribution_points)))


def access(*descriptions: tuple[str, bytes]) -> bytes:
    parts = [der.encode(der.SEQUENCE, der.oid(method), location) for method, location in descriptions]
    return with_extensions(der.extension(AIA, der.encode(der.SEQUENCE, *parts)))


def with_serial(number: int) -> bytes:
    opened = der.Surgery(plain())
    opened.fields[der.SERIAL] = der.integer(number)
    return opened.close()


def with_validity(before: bytes, after: bytes) -> bytes:
    opened = der.Surgery(plain())
    opened.fields[der.VALIDITY] = der.encode(der.SEQUENCE, before, after)
    return opened.close()


def other(kind: str, tag: int, value: bytes) -> bytes:
    return der.encode(0xA0, der.oid(kind), der.encode(0xA0, der.encode(tag, value)))


URI = der.encode(0x86, b"http://ca.example/x")
DNS = der.encode(0x82, b"a.example")
RDN = der.encode(0x31, attribute("2.5.4.3", 0x0C, "Zoë".encode()))
OTHER = other("1.2.3.4", 0x0C, b"x")
OCSP_METHOD, ISSUERS_METHOD = "1.3.6.1.5.5.7.48.1", "1.3.6.1.5.5.7.48.2"
FULL_NAME = der.encode(0xA0, der.encode(0xA0, URI, DNS, URI))
ODD = {
    "subject-empty": with_subject(),
    "subject-utf8": with_subject(attribute("2.5.4.3", 0x0C, "Zoë ☃".encode())),
    "subject-bmp": with_subject(attribute("2.5.4.10", 0x1E, "Müller".encode("utf-16-be"))),
    "subject-universal": with_subject(attribute("2.5.4.10", 0x1C, "Müller 😀".encode("utf-32-be"))),
    "subject-t61-is-latin-1": with_subject(attribute("2.5.4.10", 0x14, "Müller".encode("latin-1"))),
    "subject-long-country": with_subject(attribute("2.5.4.6", 0x13, b"Germany")),
    "subject-empty-value": with_subject(attribute("2.5.4.3", 0x0C, b"")),
    "subject-unknown-oid": with_subject(attribute("1.2.3.4.5678.9", 0x0C, b"x"), attribute("2.999.3", 0x0C, b"y")),
    "subject-unique-identifier": with_subject(attribute("2.5.4.45", 0x03, b"\0\1\2\3")),
    "subject-email-and-dc": with_subject(
        attribute("1.2.840.113549.1.9.1", 0x16, b"a@b.example"), attribute("0.9.2342.19200300.100.1.25", 0x16, b"b")
    ),
    "subject-two-in-one-rdn": with_subject(attribute("2.5.4.3", 0x0C, b"x") + attribute("2.5.4.11", 0x0C, b"y")),
    "san-every-text": san(DNS, der.encode(0x81, b"a@b.example"), URI, der.encode(0x82, b"*.x")),
    "san-ipv4": san(der.encode(0x87, bytes([10, 0, 0, 255]))),
    "san-ipv6": san(der.encode(0x87, bytes(15) + b"\1"), der.encode(0x87, bytes.fromhex("20010db8" + "0a" * 12))),
    "san-address-of-other-length": san(der.encode(0x87, b"\1\2\3\4\5")),
    "san-directory-name": san(der.encode(0xA4, der.encode(der.SEQUENCE, RDN, RDN))),
    "san-registered-id": san(
        der.encode(0x88, der.content(der.oid("2.5.29.17"))), der.encode(0x88, der.content(der.oid("1.2.3.99999")))
    ),
    "san-other-name": san(OTHER, DNS),
    "san-other-names-that-are-shown": san(
        other("1.3.6.1.4.1.311.20.2.3", 0x0C, b"me@example"),
        other("1.3.6.1.5.5.7.8.5", 0x0C, b"xmpp"),
        other("1.3.6.1.5.5.7.8.7", 0x16, b"_x.example"),
        other("1.3.6.1.5.5.7.8.8", 0x0C, "réalm".encode()),
        other("1.3.6.1.5.5.7.8.9", 0x0C, "Zoë@b.example".encode()),
    ),
    "san-other-names-of-another-type": san(
        other("1.3.6.1.4.1.311.20.2.3", 0x16, b"me@example"), other("1.3.6.1.5.5.7.8.7", 0x0C, b"_x.example")
    ),
    "san-x400-and-edi": san(
        der.encode(0xA3, der.encode(0x30)), der.encode(0xA5, der.encode(0xA1, DNS[:0] + b"\x0c\1x"))
    ),
    "san-empty": with_extensions(der.extension(SAN, der.encode(der.SEQUENCE))),
    "san-twice": with_extensions(der.extension(SAN, names(DNS)), der.extension(SAN, names(DNS))),
    "san-unreadable": with_extensions(der.extension(SAN, b"\x30\x07\x82\x09abc")),
    "san-unknown-tag": san(DNS, der.encode(0x89, b"x")),
    "san-critical": with_extensions(der.extension(SAN, names(DNS), critical=True)),
    "issuer-alt-name-is-none": with_extensions(der.extension(ISSUER_ALT_NAME, names(DNS))),
    "no-extensions-that-say-anything": with_extensions(der.extension("1.2.3.4", b"\x05\0")),
    "aia-both": access((ISSUERS_METHOD, URI), (OCSP_METHOD, URI), (OCSP_METHOD, URI)),
    "aia-no-uri": access((OCSP_METHOD, DNS)),
    "aia-other-method": access(("1.2.3.4", URI)),
    "aia-empty": access(),
    "crl-points": points(der.encode(der.SEQUENCE, FULL_NAME), der.encode(der.SEQUENCE, FULL_NAME)),
    "crl-points-empty": points(der.encode(der.SEQUENCE)),
    "crl-point-without-uri": points(der.encode(der.SEQUENCE, der.encode(0xA0, der.encode(0xA0, DNS)))),
    "crl-point-with-issuer-only": points(der.encode(der.SEQUENCE, der.encode(0xA2, der.encode(0xA4, names(RDN))))),
    "crl-point-with-reasons": points(der.encode(der.SEQUENCE, FULL_NAME, der.encode(0x81, b"\7\x80"))),
    "serial-zero": with_serial(0),
    "serial-negative": with_serial(-255),
    "serial-odd-digits": with_serial(0xABC),
    "serial-of-36-bytes": with_serial(1 << 280),
    "serial-of-35-bytes": with_serial((1 << 279) + 5),
    "times-one-digit-day": with_validity(der.encode(0x17, b"180105093443Z"), der.encode(0x18, b"20500101000000Z")),
    "times-of-the-last-century": with_validity(
        der.encode(0x17, b"500228235959Z"), der.encode(0x18, b"99991231235959Z")
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_certificate(name, tmp_path) -> None:
    assert compare({ODD[name]}, tmp_path) == 1


def test_what_a_real_connection_gives(authority: Authority, issued: Issued, tmp_path) -> None:
    """The same as CPython's client says of the same server."""
    file = tmp_path / "server.pem"
    file.write_bytes(issued.pem_key + issued.pem_chain)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(file)
    client_context = ssl.create_default_context(cadata=authority.certificate.public_bytes(Encoding.DER))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname="server.example")
    server = server_context.wrap_bio(up, down, server_side=True)
    for end in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert client.getpeercert() == peercert(issued.certificate)
