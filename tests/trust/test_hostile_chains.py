"""Chains that somebody made to hurt: limits, mazes, and bytes that nobody intended. Nothing but a CertificateError."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certs.der import EXTENSION_LIST, EXTENSIONS, ISSUER, PUBLIC_KEY, SERIAL, SUBJECT, Surgery, encode
from tests.trust.chains import (
    EVERY_PROFILE,
    HOST,
    NOW,
    P256,
    UNKNOWN_CURVE,
    WORKSHOP,
    leaf_with,
    trusting_root,
    verifier,
)
from tls13 import errors
from tls13.lab.authority import Authority, KeyType, ca_draft, sign
from tls13.trust.names import read_extension
from tls13.trust.verify import MAX_CHAIN_LENGTH, Profile, parse_chain


@pytest.mark.requirement("D19")
def test_a_chain_has_limits() -> None:
    der = WORKSHOP.good().certificate.public_bytes(Encoding.DER)
    assert len(parse_chain([der] * MAX_CHAIN_LENGTH)) == MAX_CHAIN_LENGTH
    with pytest.raises(errors.CertificateError, match="41 certificates; our limit is 40"):
        parse_chain([der] * (MAX_CHAIN_LENGTH + 1))
    with pytest.raises(errors.CertificateError, match=f"our limit is {len(der) - 1}"):
        parse_chain([der], max_bytes=len(der) - 1)


def test_the_depth_can_be_limited() -> None:
    good = WORKSHOP.good()
    assert verifier(WORKSHOP.root.certificate, max_depth=1).verify_server(good.chain, HOST, NOW)
    with pytest.raises(errors.CertificateError, match="depth"):
        verifier(WORKSHOP.root.certificate, max_depth=0).verify_server(good.chain, HOST, NOW)


@EVERY_PROFILE
@pytest.mark.requirement("D21")
def test_a_maze_of_intermediates_comes_to_an_end(profile: Profile) -> None:
    """Each of 39 CAs has signed each other one, and none of them is trusted: there are 39**8 paths of eight."""
    key, leaf_key = KeyType.ECDSA_P256.generate(), KeyType.ECDSA_P256.generate()
    form = ca_draft("Maze", key.public_key(), now=NOW)
    walls = [
        sign(replace(form, serial_number=number), issuer=form.subject, key=key, issuer_public_key=key.public_key())
        for number in range(1, MAX_CHAIN_LENGTH)
    ]
    maze = Authority(walls[0], key, now=NOW)
    leaf = maze.sign(maze.draft(["server.example"], leaf_key.public_key()))
    with pytest.raises(errors.UnknownIssuer, match="Maze"):
        trusting_root(profile).verify_server([leaf, *walls], HOST, NOW)


def with_broken_name(position: int) -> bytes:
    """The good leaf with a name that is not the UTF-8 that it says it is, and the intermediate's signature."""
    surgery = Surgery(WORKSHOP.good().certificate)
    surgery.fields[position] = surgery.fields[position][:-4] + b"\xff\xff\xff\xff"
    return surgery.sign(WORKSHOP.intermediate.private_key)


@EVERY_PROFILE
@pytest.mark.parametrize("position", [SUBJECT, ISSUER], ids=["subject", "issuer"])
def test_a_name_that_cannot_be_read_is_the_certificates_fault(profile: Profile, position: int) -> None:
    """`cryptography` parses names late, and raises a ValueError then."""
    der = WORKSHOP.intermediate.certificate.public_bytes(Encoding.DER)
    chain = parse_chain([with_broken_name(position), der])
    with pytest.raises(errors.MalformedCertificate, match="names cannot be read"):
        trusting_root(profile).verify_server(chain, HOST, NOW)


@EVERY_PROFILE
def test_names_of_intermediates_and_anchors_that_cannot_be_read(profile: Profile) -> None:
    """The intermediate's is the peer's fault; an anchor's is nobody's who is here."""
    surgery = Surgery(WORKSHOP.intermediate.certificate)
    surgery.fields[SUBJECT] = surgery.fields[SUBJECT][:-4] + b"\xff\xff\xff\xff"
    broken = x509.load_der_x509_certificate(surgery.sign(WORKSHOP.root.private_key))
    leaf = WORKSHOP.good().certificate
    for chain in ([leaf, broken], [leaf, *[broken] * 9]):
        with pytest.raises(errors.MalformedCertificate):
            trusting_root(profile).verify_server(chain, HOST, NOW)
    strangers = Authority.create(now=NOW).issue(["server.example"]).chain
    with pytest.raises(errors.CertificateError):
        verifier(broken, WORKSHOP.root.certificate, profile=profile).verify_server(strangers, HOST, NOW)


@EVERY_PROFILE
def test_a_refused_ca_with_a_name_that_cannot_be_read(profile: Profile) -> None:
    """The library's sentence about the refusal quotes the name, and that raises a ValueError."""
    upper = WORKSHOP.root.intermediate(days=1, path_length=None)
    lower = upper.intermediate(common_name="Lower")
    above, below = Surgery(upper.certificate), Surgery(lower.certificate)
    above.fields[SUBJECT] = below.fields[ISSUER] = above.fields[SUBJECT][:-4] + b"\xff\xff\xff\xff"
    leaf = lower.issue(["server.example"]).certificate.public_bytes(Encoding.DER)
    chain = parse_chain([leaf, below.sign(upper.private_key), above.sign(WORKSHOP.root.private_key)])
    with pytest.raises(errors.MalformedCertificate):
        trusting_root(profile).verify_server(chain, HOST, NOW + timedelta(days=2))  # when the upper CA has expired


def with_unreadable_key(certificate: x509.Certificate, ca: Authority, old: bytes, new: bytes) -> bytes:
    surgery = Surgery(certificate)
    assert old in surgery.fields[PUBLIC_KEY]
    surgery.fields[PUBLIC_KEY] = surgery.fields[PUBLIC_KEY].replace(old, new)
    return surgery.sign(ca.private_key)


UNREADABLE_KEYS = pytest.mark.parametrize(
    ("old", "new"),
    [(P256, UNKNOWN_CURVE), (bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f"))],
    ids=["unknown curve", "unknown algorithm"],
)


@EVERY_PROFILE
@UNREADABLE_KEYS
def test_a_superfluous_certificate_with_a_key_of_an_unknown_kind_does_not_matter(
    profile: Profile, old: bytes, new: bytes
) -> None:
    """Section 4.5.1: be prepared for extraneous certificates. No path goes through a key that nobody can use."""
    stranger = Authority.create(now=NOW)
    extra = with_unreadable_key(stranger.certificate, stranger, old, new)
    good = [one.public_bytes(Encoding.DER) for one in WORKSHOP.good().chain]
    for ders in ([*good, extra], [good[0], extra, *good[1:]]):
        verified = trusting_root(profile).verify_server(parse_chain(ders), HOST, NOW)
        assert verified == (*WORKSHOP.good().chain, WORKSHOP.root.certificate)


@EVERY_PROFILE
@UNREADABLE_KEYS
def test_a_certificate_on_the_path_with_a_key_of_an_unknown_kind_is_refused(
    profile: Profile, old: bytes, new: bytes
) -> None:
    leaf, intermediate = WORKSHOP.good().chain
    above = with_unreadable_key(intermediate, WORKSHOP.root, old, new)
    chain = parse_chain([leaf.public_bytes(Encoding.DER), above])
    with pytest.raises(errors.WeakKey, match="cannot be used"):
        trusting_root(profile).verify_server(chain, HOST, NOW)
    with pytest.raises(errors.WeakKey, match="cannot be used"):  # a store with a CA that nobody can use
        verifier(x509.load_der_x509_certificate(above), profile=profile).verify_server(chain, HOST, NOW)
    below = x509.load_der_x509_certificate(with_unreadable_key(leaf, WORKSHOP.intermediate, old, new))
    with pytest.raises(errors.WeakKey, match="cannot be used"):
        trusting_root(profile).verify_server([below, intermediate], HOST, NOW)


def test_a_warning_about_a_peers_certificate_does_not_escape() -> None:
    """Under -W error, as in these tests, `cryptography` raises its warning about the serial number 0."""
    surgery = Surgery(WORKSHOP.good().certificate)
    surgery.fields[SERIAL] = b"\x02\x01\x00"
    with pytest.raises(errors.MalformedCertificate, match="serial number"):
        parse_chain([surgery.sign(WORKSHOP.intermediate.private_key)])


@EVERY_PROFILE
def test_an_alternative_name_of_an_unsupported_kind_is_the_certificates_fault(profile: Profile) -> None:
    """x400Address: `cryptography` has an exception of its own for it."""
    surgery = Surgery(WORKSHOP.good().certificate)
    name = encode(0x30, encode(0xA3, encode(0x30)))
    san = encode(0x30, b"\x06\x03\x55\x1d\x11", encode(0x04, name))
    surgery.fields[EXTENSION_LIST] = encode(EXTENSIONS, encode(0x30, san))
    der = [
        surgery.sign(WORKSHOP.intermediate.private_key),
        *(c.public_bytes(Encoding.DER) for c in WORKSHOP.intermediate.chain),
    ]
    with pytest.raises(errors.MalformedCertificate):
        trusting_root(profile).verify_server(parse_chain(der), HOST, NOW)


@EVERY_PROFILE
def test_a_tls_feature_without_a_name_is_nobodys_fault(profile: Profile) -> None:
    """RFC 7633 allows any number; `cryptography` raises a KeyError for all but two."""
    feature = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), b"\x30\x03\x02\x01\x30")
    chain = leaf_with((feature, False))
    assert trusting_root(profile).verify_server(chain, HOST, NOW).leaf == chain[0]
    assert read_extension(chain[0], x509.BasicConstraints) == x509.BasicConstraints(ca=False, path_length=None)


@EVERY_PROFILE
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_any_bytes_give_a_verdict_or_a_certificate_error(profile: Profile, seed: int) -> None:
    """A few bytes of one field are changed, and the CA signs that: nothing else may be raised."""
    chance = random.Random(f"{profile} {seed}")
    leaf, issuer = WORKSHOP.good().chain[0], WORKSHOP.intermediate.certificate.public_bytes(Encoding.DER)
    judge = trusting_root(profile)
    for _ in range(250):
        surgery = Surgery(leaf)
        number = chance.randrange(1, len(surgery.fields))
        field = bytearray(surgery.fields[number])
        for _ in range(chance.choice((1, 2, 4))):
            field[chance.randrange(len(field))] = chance.choice((0x00, 0x01, 0x13, 0x30, 0x80, 0xFF))
        surgery.fields[number] = bytes(field)
        try:
            verified = judge.verify_server(
                parse_chain([surgery.sign(WORKSHOP.intermediate.private_key), issuer]), HOST, NOW
            )
        except errors.CertificateError:
            continue
        assert verified.root == WORKSHOP.root.certificate


def rsa_leaf(bits: int, exponent: int) -> list[x509.Certificate]:
    """Nobody has the private key."""
    public_key = rsa.RSAPublicNumbers(exponent, (1 << bits) - 159).public_key()
    return [
        WORKSHOP.intermediate.sign(WORKSHOP.intermediate.draft(["server.example"], public_key)),
        WORKSHOP.intermediate.certificate,
    ]


HUGE = [
    pytest.param(8200, 65537, "an RSA key of 8200 bits", id="modulus"),
    pytest.param(3072, 2**64 + 1, "an RSA key with a public exponent of 65 bits", id="exponent"),
]


@EVERY_PROFILE
@pytest.mark.parametrize(("bits", "exponent", "says"), HUGE)
def test_a_key_that_makes_verifying_expensive_is_refused_wherever_it_stands(profile, bits, exponent, says) -> None:
    """Before a path is built: the library would verify with each that has the right name, trusted or not."""
    huge, *rest = rsa_leaf(bits, exponent)
    for chain in ([huge, *rest], [*WORKSHOP.good().chain, huge]):
        with pytest.raises(errors.WeakKey, match=says) as caught:
            trusting_root(profile).verify_server(chain, HOST, NOW)
        assert caught.value.certificate == huge


@EVERY_PROFILE
def test_keys_at_the_limit_are_verified_with(profile: Profile) -> None:
    assert trusting_root(profile).verify_server(rsa_leaf(8192, 2**64 - 1), HOST, NOW)
