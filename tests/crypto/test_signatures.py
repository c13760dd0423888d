"""Signature schemes: RFC 9846, sections 4.3.3 and 4.5.2; draft-ietf-tls-mldsa."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, mldsa, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import certs
from certs.bench import as_rsa_pss, pss_parameters
from certs.der import INTEGER, OCTET_STRING, PUBLIC_KEY, SEQUENCE, Surgery, children, content, encode
from tests.vectors_reader import load, unhex
from tls13.crypto.public_keys import PublicKeyInfo
from tls13.crypto.signatures import (
    DEFAULT_SIGNATURE_SCHEMES,
    SCHEMES,
    check_suitable,
    key_kind,
    schemes_for,
    sign,
    signed_content,
    verify,
)
from tls13.errors import AlertDescription, BadSignature, SignatureSchemeUnsuitable
from tls13.lab.authority import KeyType
from tls13.wire.registry import SignatureScheme as S

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = signed_content(b"TLS 1.3, server CertificateVerify", bytes(32))
MLDSA = [pytest.param(vector, id=vector["scheme"]) for vector in load("mldsa_certverify")["vectors"]]
MLDSA_PUBLIC = {
    S.mldsa44: mldsa.MLDSA44PublicKey,
    S.mldsa65: mldsa.MLDSA65PublicKey,
    S.mldsa87: mldsa.MLDSA87PublicKey,
}
RSAE = (S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512)
PSS = (S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512)
FITTING = {  # section 4.3.3: what each kind of key may be used with
    KeyType.ECDSA_P256: (S.ecdsa_secp256r1_sha256,),
    KeyType.ECDSA_P384: (S.ecdsa_secp384r1_sha384,),
    KeyType.ECDSA_P521: (S.ecdsa_secp521r1_sha512,),
    KeyType.ED25519: (S.ed25519,),
    KeyType.ED448: (S.ed448,),
    KeyType.RSA_2048: RSAE,
    KeyType.RSA_3072: RSAE,
    KeyType.ML_DSA_44: (S.mldsa44,),
    KeyType.ML_DSA_65: (S.mldsa65,),
    KeyType.ML_DSA_87: (S.mldsa87,),
}
PAIRS = [pytest.param(kind, scheme, id=scheme.name) for kind, fits in FITTING.items() for scheme in fits]
PSS_PAIRS = [pytest.param(scheme, id=scheme.name) for scheme in PSS]


def test_the_content_that_is_signed() -> None:
    """Section 4.5.2 gives this example, for a transcript hash of 32 bytes 01."""
    content = signed_content(b"TLS 1.3, server CertificateVerify", b"\1" * 32)
    assert content.hex() == (
        "2020202020202020202020202020202020202020202020202020202020202020"
        "2020202020202020202020202020202020202020202020202020202020202020"
        "544c5320312e332c207365727665722043657274696669636174655665726966"
        "7900"
        "0101010101010101010101010101010101010101010101010101010101010101"
    )


# --- which scheme for which key --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "fits"), FITTING.items(), ids=lambda one: getattr(one, "name", ""))
def test_a_key_is_used_with_the_schemes_that_name_it(kind, fits) -> None:
    issued = certs.good(kind)
    assert schemes_for(issued.private_key, issued.certificate) == fits
    assert schemes_for(issued.certificate.public_key(), issued.certificate) == fits
    for scheme in S:
        if scheme in fits:
            check_suitable(scheme, issued.certificate)
        else:
            with pytest.raises(SignatureSchemeUnsuitable) as caught:
                check_suitable(scheme, issued.certificate)
            assert caught.value.alert == AlertDescription.illegal_parameter


def test_an_rsa_key_marked_pss_is_told_by_its_certificate() -> None:
    """Section 4.3.3: rsae for rsaEncryption, pss for id-RSASSA-PSS; the key itself looks the same."""
    issued = certs.good_rsa_pss()
    assert schemes_for(issued.private_key, issued.certificate) == PSS
    assert schemes_for(issued.private_key) == RSAE
    for scheme in PSS:
        check_suitable(scheme, issued.certificate)
    for scheme in RSAE:
        with pytest.raises(SignatureSchemeUnsuitable):
            check_suitable(scheme, issued.certificate)


SHA1, SHA256, SHA384, SHA512 = hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
RESTRICTED = [
    pytest.param(None, PSS, id="not at all"),
    pytest.param((SHA256, SHA256, 32), PSS[:1], id="SHA-256"),
    pytest.param((SHA384, SHA384, 48), PSS[1:2], id="SHA-384"),
    pytest.param((SHA512, SHA512, 64), PSS[2:], id="SHA-512"),
    pytest.param((SHA256, SHA256, 20), PSS[:1], id="a shorter salt is a minimum"),
    pytest.param((SHA256, SHA256, 33), (), id="a longer salt"),
    pytest.param((SHA256, SHA512, 32), (), id="another hash for the mask"),
    pytest.param((SHA256, SHA1, 32), (), id="the default hash for the mask"),
    pytest.param((SHA1, SHA1, 20), (), id="all defaults"),
]


@pytest.mark.parametrize(("restriction", "fits"), RESTRICTED)
def test_a_pss_key_may_be_restricted_to_one_hash(restriction, fits, tmp_path) -> None:
    """Its AlgorithmIdentifier may have parameters (RFC 4055, section 3.1). OpenSSL signs with the same hashes only."""
    issued = certs.good_rsa_pss()
    parameters = (pss_parameters(*restriction),) if restriction is not None else ()
    surgery = Surgery(issued.certificate)
    surgery.fields[PUBLIC_KEY] = as_rsa_pss(surgery.fields[PUBLIC_KEY], *parameters)
    certificate = x509.load_der_x509_certificate(surgery.sign(certs.workshop().intermediate.private_key))
    for holder in (certificate, PublicKeyInfo(surgery.fields[PUBLIC_KEY])):
        assert schemes_for(issued.private_key, holder) == fits
        for scheme in fits:
            check_suitable(scheme, holder)
        for scheme in {*PSS, *RSAE} - {*fits}:
            with pytest.raises(SignatureSchemeUnsuitable):
                check_suitable(scheme, holder)
    key = issued.private_key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (tmp_path / "key").write_bytes(
        encode(SEQUENCE, encode(INTEGER, b"\0"), children(surgery.fields[PUBLIC_KEY])[0], encode(OCTET_STRING, key))
    )
    assert tuple(scheme for scheme in PSS if openssl_signs(tmp_path / "key", SCHEMES[scheme].arguments[1].name)) == fits


def openssl_signs(key: Path, hash: str) -> bool:
    """As TLS 1.3 wants it: with the same hash in MGF1, and a salt as long as the digest."""
    options = ["rsa_padding_mode:pss", f"rsa_mgf1_md:{hash}", "rsa_pss_saltlen:digest"]
    command = ["openssl", "dgst", f"-{hash}", *(part for one in options for part in ("-sigopt", one))]
    return not subprocess.run([*command, "-sign", key, key], capture_output=True, check=False).returncode


def test_a_pss_key_with_other_parameters_has_no_scheme() -> None:
    issued, good = certs.good_rsa_pss(), pss_parameters(SHA256, SHA256, 32)
    for odd in (
        encode(SEQUENCE, content(good), encode(0xA3, encode(INTEGER, b"\2"))),  # a trailer that is not trailerFieldBC
        encode(SEQUENCE, content(good), encode(0xA3, encode(INTEGER, b"\1"))),  # a default that DER leaves out
        good.replace(b"\x01\x01\x08", b"\x01\x01\x07"),  # not MGF1
    ):
        surgery = Surgery(issued.certificate)
        surgery.fields[PUBLIC_KEY] = as_rsa_pss(surgery.fields[PUBLIC_KEY], odd)
        certificate = x509.load_der_x509_certificate(surgery.sign(certs.workshop().intermediate.private_key))
        assert schemes_for(issued.private_key, certificate) == ()


def test_keys_that_tls_1_3_does_not_sign_with_have_no_scheme() -> None:
    for key in (
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        dsa.generate_private_key(1024),
        x25519.X25519PrivateKey.generate(),
        None,
    ):
        assert key_kind(key) is None
        assert schemes_for(key) == ()


@pytest.mark.parametrize(("bits", "fits"), [(1024, RSAE[:2]), (1033, RSAE[:2]), (1034, RSAE), (2048, RSAE)])
def test_a_small_rsa_key_has_no_room_for_a_large_hash(bits, fits) -> None:
    """RFC 8017, section 9.1.1: emLen, of one bit less than the modulus, is at least hLen + sLen + 2."""
    key = rsa.generate_private_key(65537, bits)
    assert schemes_for(key) == fits
    for scheme in fits:
        verify(key.public_key(), scheme, sign(key, scheme, CONTENT), CONTENT)
    for scheme in set(RSAE) - set(fits):
        with pytest.raises(ValueError, match=r"."):
            sign(key, scheme, CONTENT)


def test_neither_pkcs1_nor_sha1_can_sign_a_certificate_verify() -> None:
    """Section 4.5.2: RSA signatures MUST use RSASSA-PSS; SHA-1 MUST NOT be used in any."""
    assert not {code for code in SCHEMES if code >> 8 in (1, 2, 3, 4, 5, 6) and code & 0xFF in (1, 2)}
    assert not {code for code in SCHEMES if code >> 8 == 2}
    assert set(DEFAULT_SIGNATURE_SCHEMES) == set(SCHEMES)
    assert len(DEFAULT_SIGNATURE_SCHEMES) == len(SCHEMES)


def test_the_mandatory_schemes_are_offered() -> None:
    """Section 9.1: rsa_pkcs1_sha256 for certificates (the trust room's), and these two for CertificateVerify."""
    assert {S.rsa_pss_rsae_sha256, S.ecdsa_secp256r1_sha256} <= set(DEFAULT_SIGNATURE_SCHEMES)


# --- signing and verifying -------------------------------------------------------------------------------------------


def refuse(key, scheme, signature: bytes, content: bytes) -> None:
    with pytest.raises(BadSignature, match=scheme.name) as caught:
        verify(key, scheme, signature, content)
    assert caught.value.alert == AlertDescription.decrypt_error


def check_every_part_counts(private, scheme) -> None:
    public = private.public_key()
    signature = sign(private, scheme, CONTENT)
    verify(public, scheme, signature, CONTENT)
    for wrong in (
        b"",
        b"\0",
        bytes(len(signature)),
        signature[:-1],
        signature + b"\0",
        bytes([signature[0] ^ 1]) + signature[1:],
        signature[:-1] + bytes([signature[-1] ^ 1]),
    ):
        refuse(public, scheme, wrong, CONTENT)
    refuse(public, scheme, signature, CONTENT[:-1] + b"\1")
    refuse(public, scheme, signature, CONTENT.replace(b"server", b"client"))


@pytest.mark.parametrize(("kind", "scheme"), PAIRS)
def test_a_signature_verifies_and_no_other_bytes_do(kind, scheme) -> None:
    check_every_part_counts(certs.good(kind).private_key, scheme)


@pytest.mark.parametrize("scheme", PSS_PAIRS)
def test_a_pss_keys_signature_verifies_and_no_other_bytes_do(scheme) -> None:
    check_every_part_counts(certs.good_rsa_pss().private_key, scheme)


@pytest.mark.parametrize(("kind", "scheme"), PAIRS)
def test_another_key_of_the_kind_does_not_verify_it(kind, scheme) -> None:
    issued = certs.good(kind)
    refuse(kind.generate().public_key(), scheme, sign(issued.private_key, scheme, CONTENT), CONTENT)


@pytest.mark.requirement("R078", "R080")
@pytest.mark.parametrize(
    ("hash", "scheme"), [(hashes.SHA256(), RSAE[0]), (hashes.SHA384(), RSAE[1]), (hashes.SHA512(), RSAE[2])]
)
def test_an_rsa_signature_has_the_one_hash_the_one_padding_and_the_one_salt(hash, scheme) -> None:
    """Section 4.3.3: MGF1 with the same hash, and a salt as long as the digest."""
    key = certs.good(KeyType.RSA_2048).private_key
    good = padding.PSS(mgf=padding.MGF1(hash), salt_length=hash.digest_size)
    other = hashes.SHA3_256()
    verify(key.public_key(), scheme, key.sign(CONTENT, good, hash), CONTENT)
    key.public_key().verify(sign(key, scheme, CONTENT), CONTENT, good, hash)
    for pad, digest in (
        (padding.PKCS1v15(), hash),
        (padding.PSS(mgf=padding.MGF1(hash), salt_length=0), hash),
        (padding.PSS(mgf=padding.MGF1(hash), salt_length=hash.digest_size - 1), hash),
        (padding.PSS(mgf=padding.MGF1(hash), salt_length=padding.PSS.MAX_LENGTH), hash),
        (padding.PSS(mgf=padding.MGF1(other), salt_length=hash.digest_size), hash),
        (padding.PSS(mgf=padding.MGF1(other), salt_length=hash.digest_size), other),
    ):
        refuse(key.public_key(), scheme, key.sign(CONTENT, pad, digest), CONTENT)


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        (KeyType.ECDSA_P256, S.ecdsa_secp256r1_sha256),
        (KeyType.ECDSA_P384, S.ecdsa_secp384r1_sha384),
        (KeyType.ECDSA_P521, S.ecdsa_secp521r1_sha512),
    ],
    ids=["P-256", "P-384", "P-521"],
)
def test_an_ecdsa_signature_has_the_hash_that_its_scheme_names(kind, scheme) -> None:
    key = certs.good(kind).private_key
    for hash in (hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        signature = key.sign(CONTENT, ec.ECDSA(hash))
        if scheme.name.endswith(hash.name):
            verify(key.public_key(), scheme, signature, CONTENT)
        else:
            refuse(key.public_key(), scheme, signature, CONTENT)


def test_ed25519_by_rfc_8032() -> None:
    """Section 7.1, test 2: one byte, and its signature."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(
        unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert sign(key, S.ed25519, b"\x72").hex() == signature


@pytest.mark.parametrize("vector", MLDSA)
def test_ml_dsa_signatures_made_elsewhere_verify(vector) -> None:
    """By dilithium-py. The ML-DSA context is empty (draft-ietf-tls-mldsa): ours is in the content."""
    scheme, content = S(vector["code"]), unhex(vector["signed_content"])
    public = MLDSA_PUBLIC[scheme].from_public_bytes(unhex(vector["public_key"]))
    signature = unhex(vector["deterministic_signature"])
    context = b"TLS 1.3, client CertificateVerify" if b"client" in content else b"TLS 1.3, server CertificateVerify"
    assert signed_content(context, unhex(vector["transcript_hash"])) == content
    verify(public, scheme, signature, content)
    for position in (0, len(signature) // 2, len(signature) - 1):
        flipped = bytearray(signature)
        flipped[position] ^= 1
        refuse(public, scheme, bytes(flipped), content)
    refuse(public, scheme, signature, content + b"\0")
