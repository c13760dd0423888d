"""The catalogue as files: a folder for each case, and manifest.json, which says what each of them is for."""

from __future__ import annotations

import json
from base64 import b64encode
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs.catalogue import catalogue
from tls13.lab.authority import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from certs.bench import Exhibit, Workshop
    from certs.catalogue import Case

FORMAT: Final = 1
"""Of the manifest. It changes when a field changes its meaning or disappears, not when one is added."""


def make(folder: Path, workshop: Workshop) -> int:
    """Write everything below `folder`, which is made if need be. Returns the number of cases.

    Raises OSError when that is not possible. Private keys are readable by their owner only.
    """
    _write_authorities(folder / "ca", workshop)
    _write_good(folder / "good", workshop)
    entries = [_write_case(folder, case, case.exhibit(workshop)) for case in catalogue().values()]
    manifest = {"format": FORMAT, "time": workshop.now.isoformat(), "cases": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(entries)


def _write_authorities(folder: Path, workshop: Workshop) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    authorities = {"root": workshop.root, "intermediate": workshop.intermediate, "stranger": workshop.stranger}
    for name, authority in authorities.items():
        (folder / f"{name}.pem").write_bytes(authority.certificate_pem)
        _write_key(folder / f"{name}.key", authority.private_key)


def _write_good(folder: Path, workshop: Workshop) -> None:
    """Leafs for localhost, one for each key type: <type>.pem and <type>.key."""
    folder.mkdir(parents=True, exist_ok=True)
    leafs = {key_type.value: workshop.good(key_type) for key_type in KeyType}
    leafs |= {"rsa-pss": workshop.good_rsa_pss, "client": workshop.good(client=True)}
    for name, leaf in leafs.items():
        (folder / f"{name}.pem").write_bytes(leaf.pem_chain)
        _write_key(folder / f"{name}.key", leaf.private_key)


def _write_case(folder: Path, case: Case, exhibit: Exhibit) -> dict[str, object]:
    """Write one case; returns its entry in the manifest, where the files are named from `folder` on."""
    place = folder / "cases" / case.name
    place.mkdir(parents=True, exist_ok=True)
    (place / "chain.pem").write_bytes(_armour("CERTIFICATE", exhibit.chain))
    (place / "roots.pem").write_bytes(_armour("CERTIFICATE", exhibit.roots))
    _write_key(place / "key.pem", exhibit.private_key)
    files = {name: f"cases/{case.name}/{name}.pem" for name in ("chain", "key", "roots")}
    if exhibit.crls:
        (place / "crls.pem").write_bytes(_armour("X509 CRL", exhibit.crls))
        files["crls"] = f"cases/{case.name}/crls.pem"
    return {
        "name": case.name,
        "description": case.description,
        "role": case.role,
        "host": case.host,
        "verdict": "reject" if case.verdict.exception else "accept",
        "stage": case.stage,
        "exception": case.verdict.exception,
        "alert": case.verdict.alert,
        "says": case.says,
        "rfc": case.rfc,
        "revocation": "every certificate below the root" if exhibit.crls else None,
        "files": files,
    }


def _armour(label: str, blobs: Iterable[bytes]) -> bytes:
    """PEM (RFC 7468) around whatever these bytes are: some of the certificates are none, on purpose."""
    lines = []
    for blob in blobs:
        lines += [f"-----BEGIN {label}-----", *wrap(b64encode(blob).decode(), 64), f"-----END {label}-----", ""]
    return "\n".join(lines).encode()


def _write_key(path: Path, key: CertificateIssuerPrivateKeyTypes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)  # touch leaves the mode of a file from an earlier run as it is
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
