"""Key exchange groups: RFC 9846, sections 4.3.8 and 7.4; RFC 7748; RFC 10024. What a peer may send and what not."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.vectors_reader import SHARED, SHARED_IS_ABSENT, load, unhex
from tls13.crypto.groups import DEFAULT_GROUPS, GROUPS, KeyShare
from tls13.crypto.suites import SHA256
from tls13.errors import AlertDescription, InvalidKeyShare, UsageError
from tls13.key_schedule import early_secret_without_psk
from tls13.wire.registry import NamedGroup

ALL = [pytest.param(group, id=group.code.name) for group in GROUPS.values()]
SIZES = {  # RFC 9846, section 4.3.8.2 and 7.4; RFC 10024: client's share, server's share, secret
    NamedGroup.secp256r1: (65, 65, 32),
    NamedGroup.secp384r1: (97, 97, 48),
    NamedGroup.secp521r1: (133, 133, 66),
    NamedGroup.x25519: (32, 32, 32),
    NamedGroup.x448: (56, 56, 56),
    NamedGroup.X25519MLKEM768: (1216, 1120, 64),
    NamedGroup.SecP256r1MLKEM768: (1249, 1153, 64),
    NamedGroup.SecP384r1MLKEM1024: (1665, 1665, 80),
}
CURVES = [pytest.param(GROUPS[NamedGroup[name]], id=name) for name in ("secp256r1", "secp384r1", "secp521r1")]
HYBRIDS = [pytest.param(vector, id=vector["group"]) for vector in load("hybrid_kem")["vectors"]]

P25519 = 2**255 - 19
P448 = 2**448 - 2**224 - 1
ORDER_8 = [  # the x-coordinates of the points of order 8 on Curve25519
    unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]
LOW_ORDER_25519 = ORDER_8 + [u.to_bytes(32, "little") for u in (0, 1, P25519 - 1, P25519, P25519 + 1)]
LOW_ORDER_448 = [u.to_bytes(56, "little") for u in (0, 1, P448 - 1, P448, P448 + 1)]


def refuse(group, share: bytes) -> None:
    """Both roles refuse it, with the alert of section 4.3.8.2."""
    with pytest.raises(InvalidKeyShare) as caught:
        group.encapsulate(share)
    assert caught.value.alert == AlertDescription.illegal_parameter
    with pytest.raises(InvalidKeyShare):
        group.generate().finish(share)


# --- every group -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ALL)
def test_both_sides_get_one_secret_of_the_right_size(group) -> None:
    share = group.generate()
    server_share, secret = group.encapsulate(share.public)
    assert share.finish(server_share) == secret
    assert (len(share.public), len(server_share), len(secret)) == SIZES[group.code]
    assert (group.client_share_length, group.server_share_length) == SIZES[group.code][:2]


@pytest.mark.requirement("R105")
@pytest.mark.parametrize("group", ALL)
def test_no_two_exchanges_share_a_key(group) -> None:
    """Section 4.3.8: key shares are generated independently; section C.4: the server's too."""
    one, other = group.generate(), group.generate()
    assert one.public != other.public
    assert group.encapsulate(one.public)[0] != group.encapsulate(one.public)[0]


@pytest.mark.requirement("R105")
@pytest.mark.parametrize("group", ALL)
def test_a_key_share_works_once(group) -> None:
    share = group.generate()
    answer, _ = group.encapsulate(share.public)
    share.finish(answer)
    with pytest.raises(UsageError):
        share.finish(answer)


@pytest.mark.parametrize("group", ALL)
def test_a_key_share_is_used_up_by_a_bad_answer_too(group) -> None:
    share = group.generate()
    with pytest.raises(InvalidKeyShare):
        share.finish(b"")
    with pytest.raises(UsageError):
        share.finish(b"")


@pytest.mark.parametrize("group", ALL)
def test_a_share_of_another_length_is_refused(group) -> None:
    share = group.generate()
    answer, _ = group.encapsulate(share.public)
    for wrong in (b"", share.public[:-1], share.public + b"\0", b"\0" + share.public):
        with pytest.raises(InvalidKeyShare, match=str(group.client_share_length)):
            group.encapsulate(wrong)
    for wrong in (b"", answer[:-1], answer + b"\0", b"\0" + answer):
        with pytest.raises(InvalidKeyShare, match=str(group.server_share_length)):
            group.generate().finish(wrong)


def test_nothing_private_is_shown() -> None:
    share = GROUPS[NamedGroup.x25519].from_private(bytes(range(32)))
    assert repr(share) == "<KeyShare: 32 bytes public>"
    assert not isinstance(getattr(share, "__dict__", None), dict)


def test_the_defaults_are_hybrids_first_and_everything_else_after() -> None:
    """Section 9.1: secp256r1 is a MUST, X25519 a SHOULD; RFC 10024 for the first three."""
    assert list(DEFAULT_GROUPS) == [
        NamedGroup.X25519MLKEM768,
        NamedGroup.SecP256r1MLKEM768,
        NamedGroup.SecP384r1MLKEM1024,
        NamedGroup.x25519,
        NamedGroup.secp256r1,
        NamedGroup.secp384r1,
        NamedGroup.secp521r1,
        NamedGroup.x448,
    ]


# --- x25519 and x448 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), [("x25519", "6.1"), ("x448", "6.2")])
def test_diffie_hellman_of_rfc_7748(name, number) -> None:
    path = SHARED / "reference/rfc/rfc7748.txt"
    if not path.exists():
        pytest.skip(SHARED_IS_ABSENT)
    section = path.read_text().split(f"\n{number}.  Curve")[-1].split("Test vector:")[1].split("\n7.  ")[0]
    a, public_a, b, public_b, secret = (
        unhex("".join(block.split())) for block in re.findall(r":\n((?: +[0-9a-f]{50,}\n)+)", section)[:5]
    )
    group = GROUPS[NamedGroup[name]]
    assert group.from_private(a).public == public_a
    assert group.from_private(b).public == public_b
    assert group.from_private(a).finish(public_b) == group.from_private(b).finish(public_a) == secret


@pytest.mark.requirement("R271")
@pytest.mark.parametrize("u", LOW_ORDER_25519, ids=bytes.hex)
def test_x25519_refuses_points_of_low_order(u) -> None:
    """Section 7.4.2: the all-zero check MUST be made; the top bit is ignored (RFC 7748, section 5)."""
    group = GROUPS[NamedGroup.x25519]
    refuse(group, u)
    refuse(group, u[:-1] + bytes([u[-1] ^ 0x80]))


@pytest.mark.requirement("R271")
@pytest.mark.parametrize("u", LOW_ORDER_448, ids=lambda u: f"{u[:2].hex()}..{u[-2:].hex()}")
def test_x448_refuses_points_of_low_order(u) -> None:
    refuse(GROUPS[NamedGroup.x448], u)


def test_x25519_accepts_values_that_are_not_reduced() -> None:
    """RFC 7748, section 5: they MUST be accepted, and processed as if reduced; the top bit MUST be masked."""
    group, private = GROUPS[NamedGroup.x25519], bytes(range(32))
    base = group.from_private(private).finish((9).to_bytes(32, "little"))
    for same in (P25519 + 9, 2**255 + 9):
        assert group.from_private(private).finish(same.to_bytes(32, "little")) == base
    group, private = GROUPS[NamedGroup.x448], bytes(range(56))
    base = group.from_private(private).finish((5).to_bytes(56, "little"))
    assert group.from_private(private).finish((P448 + 5).to_bytes(56, "little")) == base


# --- NIST's curves ---------------------------------------------------------------------------------------------------


def point(group, scalar: int, form: PublicFormat = PublicFormat.UncompressedPoint) -> bytes:
    return ec.derive_private_key(scalar, group.curve).public_key().public_bytes(Encoding.X962, form)


@pytest.mark.parametrize("group", CURVES)
def test_the_secret_is_the_x_coordinate(group) -> None:
    """Section 7.4.2. With the private key 1 it is the x-coordinate of the peer's point."""
    peer, size = point(group, 7), (group.client_share_length - 1) // 2
    assert group.from_private(b"\1").finish(peer) == peer[1 : 1 + size]
    assert group.from_private(b"\1").public == point(group, 1)


@pytest.mark.requirement("R270")
@pytest.mark.parametrize("group", CURVES)
def test_leading_zeros_of_the_secret_are_kept(group) -> None:
    """Section 7.4.2: they MUST NOT be truncated."""
    peer = next(share for share in (point(group, scalar) for scalar in range(2, 5000)) if share[1] == 0)
    size = (group.client_share_length - 1) // 2
    secret = group.from_private(b"\1").finish(peer)
    assert (len(secret), secret[0]) == (size, 0)


@pytest.mark.requirement("R115")
@pytest.mark.parametrize("group", CURVES)
def test_a_point_that_is_not_uncompressed_is_refused(group) -> None:
    """Section 4.3.8.2: the form byte is 4, nothing else; also when the length fits (the hybrid form 6 and 7)."""
    good = point(group, 7)
    refuse(group, point(group, 7, PublicFormat.CompressedPoint))
    refuse(group, b"\0")
    for form in (0, 2, 3, 5, 6 + good[-1] % 2, 0xFF):
        refuse(group, bytes([form]) + good[1:])
        with pytest.raises(InvalidKeyShare, match=rf"04 \|\| X \|\| Y, this begins with {form:02x}"):
            group.encapsulate(bytes([form]) + good[1:])


@pytest.mark.requirement("R115")
@pytest.mark.parametrize("group", CURVES)
def test_a_point_that_is_not_on_the_curve_is_refused(group) -> None:
    """Section 4.3.8.2: peers MUST validate each other's public key."""
    good, size = point(group, 7), (group.client_share_length - 1) // 2
    x, y = good[1 : 1 + size], good[1 + size :]
    refuse(group, b"\4" + bytes(2 * size))
    refuse(group, b"\4" + x + y[:-1] + bytes([y[-1] ^ 1]))
    refuse(group, b"\4" + y + x)
    refuse(group, b"\4" + b"\xff" * (2 * size))


@pytest.mark.requirement("R115")
@pytest.mark.parametrize("group", CURVES)
def test_a_coordinate_that_is_not_reduced_is_refused(group) -> None:
    """SEC 1, section 2.3.4: a coordinate of p or more is no field element, although x + p means x."""
    p = {
        "secp256r1": 2**256 - 2**224 + 2**192 + 2**96 - 1,
        "secp384r1": 2**384 - 2**128 - 2**96 + 2**32 - 1,
        "secp521r1": 2**521 - 1,
    }[group.code.name]
    size = (group.client_share_length - 1) // 2
    x, y = (int.from_bytes(half) for half in (point(group, 7)[1 : 1 + size], point(group, 7)[1 + size :]))
    b = (y**2 - x**3 + 3 * x) % p
    # x = 0 is on all three curves, so that x = p would name the same point.
    y = pow(b, (p + 1) // 4, p)
    good = b"\4" + bytes(size) + y.to_bytes(size, "big")
    assert group.encapsulate(good)
    refuse(group, b"\4" + p.to_bytes(size, "big") + y.to_bytes(size, "big"))


# --- hybrids ---------------------------------------------------------------------------------------------------------


def client(vector) -> KeyShare:
    """The client of a vector, whose private halves are known."""
    return GROUPS[vector["code"]].from_private(unhex(vector["mlkem_seed_d_z"] + vector["client_ec_private"]))


def curve_length(vector) -> int:
    return {"X25519MLKEM768": 32, "SecP256r1MLKEM768": 65, "SecP384r1MLKEM1024": 97}[vector["group"]]


@pytest.mark.parametrize("vector", HYBRIDS)
def test_the_clients_half_of_a_hybrid(vector) -> None:
    assert client(vector).public.hex() == vector["client_share"]
    secret = client(vector).finish(unhex(vector["server_share"]))
    assert secret.hex() == vector["shared_secret"]
    handshake = early_secret_without_psk(SHA256).handshake(secret)
    assert handshake.value.hex() == vector["handshake_secret_sha256_no_psk"]


@pytest.mark.parametrize("vector", HYBRIDS)
def test_the_servers_half_of_a_hybrid(vector) -> None:
    """Its randomness cannot be given, so the client of the vector says whether it was right."""
    server_share, secret = GROUPS[vector["code"]].encapsulate(unhex(vector["client_share"]))
    assert len(server_share) == len(vector["server_share"]) // 2
    assert client(vector).finish(server_share) == secret


@pytest.mark.parametrize("vector", HYBRIDS)
def test_a_wrong_ciphertext_gives_another_secret_and_no_error(vector) -> None:
    """FIPS 203, section 6.3: implicit rejection. The curve's half of the secret stays."""
    kem_first = vector["group"] == "X25519MLKEM768"
    flipped = bytearray.fromhex(vector["server_share"])
    flipped[0 if kem_first else curve_length(vector)] ^= 1
    secret, good = client(vector).finish(bytes(flipped)), unhex(vector["shared_secret"])
    kem = slice(0, 32) if kem_first else slice(-32, None)
    assert secret[kem].hex() == vector["implicit_rejection_ct0_flip"]
    assert secret[kem] != good[kem]
    assert secret != good
    assert (secret[32:] if kem_first else secret[:-32]) == (good[32:] if kem_first else good[:-32])


@pytest.mark.parametrize("vector", HYBRIDS)
def test_an_encapsulation_key_that_is_not_reduced_is_refused(vector) -> None:
    """FIPS 203, section 7.2, the modulus check; RFC 10024: illegal_parameter. 0xfff is not below q = 3329."""
    start = 0 if vector["group"] == "X25519MLKEM768" else curve_length(vector)
    share = bytearray.fromhex(vector["client_share"])
    share[start : start + 3] = b"\xff\xff\xff"
    with pytest.raises(InvalidKeyShare) as caught:
        GROUPS[vector["code"]].encapsulate(bytes(share))
    assert caught.value.alert == AlertDescription.illegal_parameter


@pytest.mark.parametrize("vector", HYBRIDS)
def test_the_curves_half_of_a_hybrid_is_checked_too(vector) -> None:
    group, length = GROUPS[vector["code"]], curve_length(vector)
    kem_first = vector["group"] == "X25519MLKEM768"
    for share, take in (
        (vector["client_share"], group.encapsulate),
        (vector["server_share"], lambda bad: client(vector).finish(bad)),
    ):
        bad = bytearray.fromhex(share)
        if kem_first:
            bad[-length:] = bytes(length)
        else:
            bad[:length] = b"\4" + bytes(length - 1)
        with pytest.raises(InvalidKeyShare):
            take(bytes(bad))
