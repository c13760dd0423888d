# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""PSKs imported into TLS 1.3 from a key that may also be used elsewhere: RFC 9258."""

from typing import TYPE_CHECKING, Annotated, Literal

from ..crypto.hkdf import extract
from ..crypto.suites import SHA256, SHA384
from ..errors import ConfigurationError
from ..wire.codec import Opaque, Struct, uint16
from .psk import Psk, PskKind, check_key, checked_role, hash_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .psk import Role

TLS_1_3 = 0x0304
KDF_IDENTIFIERS = {SHA256.name: 1, SHA384.name: 2}
"""RFC 9258, section 10: HKDF_SHA256, HKDF_SHA384."""


class ImportedIdentity(Struct):
    """RFC 9258, section 5.1."""

    external_identity: Annotated[bytes, Opaque(1, 2**16 - 1)]
    context: Annotated[bytes, Opaque(0, 2**16 - 1)]
    target_protocol: uint16
    target_kdf: uint16


def import_psk(
    identity: bytes,
    key: bytes,
    *,
    hash: Literal["sha256", "sha384"] = "sha256",
    context: bytes = b"",
    targets: "Sequence[Literal['sha256', 'sha384']]" = ("sha256", "sha384"),
    role: "Role | None" = None,
) -> tuple[Psk, ...]:
    """The PSKs that RFC 9258 derives from an external one: one for each hash in `targets`.

    `hash` is the external key's own. `context`: what it was agreed on with; naming the two roles in it keeps a peer
    from being answered with its own messages (RFC 9258, appendix A). `role`: as for ExternalPsk. Use the key for
    nothing else.

    Raises ConfigurationError as ExternalPsk does, and for no targets at all.
    """
    check_key(identity, key)
    if not targets:
        raise ConfigurationError("a PSK imported for no hash is none: targets is empty")
    source = hash_named(hash)
    epskx = extract(source, bytes(source.digest_size), key)
    imported = []
    for target in map(hash_named, targets):
        name = ImportedIdentity(
            external_identity=identity,
            context=context,
            target_protocol=TLS_1_3,
            target_kdf=KDF_IDENTIFIERS[target.name],
        ).encode()
        check_key(name, key)
        ipskx = epskx.expand_label(b"derived psk", source.new(name).digest(), target.digest_size)
        imported.append(Psk(name, ipskx, target, PskKind.IMPORTED, role=checked_role(role)))
    return tuple(imported)
