"""The key exchange again, in a page of arithmetic: whoever has one private key and the other side's share can do it.

These programs are for understanding. They take a different time for each key, which gives the key away to who can
measure it; the real ones do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..crypto.groups import SECP256R1, SECP384R1, SECP521R1, X448, X25519
from .snippets import literal

if TYPE_CHECKING:
    from ..wire.registry import NamedGroup

MONTGOMERY = {
    X25519.code: ("2**255 - 19", "121665", "& ~7 & (2**255 - 1) | 2**254", 255),
    X448.code: ("2**448 - 2**224 - 1", "39081", "& ~3 | 2**447", 448),
}
"""RFC 7748: the prime, (A - 2) / 4, which bits of the private key are set, and how many bits there are."""
WEIERSTRASS = {
    SECP256R1.code: "2**256 - 2**224 + 2**192 + 2**96 - 1",
    SECP384R1.code: "2**384 - 2**128 - 2**96 + 2**32 - 1",
    SECP521R1.code: "2**521 - 1",
}
"""The primes of FIPS 186; the coefficient a is -3 in all of them, and b is not needed to add points."""

LADDER = """
p, a24 = {prime}, {a24}
k = int.from_bytes(private_key, "little") {clamp}
u = int.from_bytes(share, "little") % 2**{bits}
x2, z2, x3, z3 = 1, 0, u, 1  # 0 times the point, and once
for bit in reversed(range({bits})):
    if k >> bit & 1:
        x2, z2, x3, z3 = x3, z3, x2, z2
    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    x3, z3 = pow(d * a + c * b, 2, p), u * pow(d * a - c * b, 2, p) % p
    aa, bb = a * a % p, b * b % p
    x2, z2 = aa * bb % p, (aa - bb) * (aa + a24 * (aa - bb)) % p
    if k >> bit & 1:
        x2, z2, x3, z3 = x3, z3, x2, z2
print((x2 * pow(z2, -1, p) % p).to_bytes(len(share), "little").hex())
"""
ADDING = """
p = {prime}
size = len(share) // 2  # the share is 04, x, y
point = int.from_bytes(share[1 : 1 + size], "big"), int.from_bytes(share[1 + size :], "big")


def add(one, other):
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if one == other:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, p)
    elif x1 == x2:
        return None
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, p)
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


result = None
for bit in bin(int.from_bytes(private_key, "big"))[2:]:
    result = add(result, result)
    if bit == "1":
        result = add(result, point)
print(result[0].to_bytes(size, "big").hex())
"""


def exchange(group: NamedGroup, private_key: bytes, share: bytes, whose: tuple[str, str]) -> str | None:
    """The shared secret. whose: whose private key and whose share. None for a group that no short program computes."""
    inputs = literal("private_key", private_key, f"the {whose[0]}'s")
    inputs += literal("share", share, f"the {whose[1]}'s, which the wire has seen")
    if group in MONTGOMERY:
        prime, a24, clamp, bits = MONTGOMERY[group]
        return inputs + LADDER.format(prime=prime, a24=a24, clamp=clamp, bits=bits)
    if group in WEIERSTRASS:
        return inputs + ADDING.format(prime=WEIERSTRASS[group])
    return None
