"""The PKI workshop: leafs of every key type, and one broken chain for each way to break one.

For tests, without any file: `certs.good(key_type)` is a correct leaf with key and chain, `certs.root()` the
certificate to trust, and `certs.catalogue()` every case, good and broken, with the verdict it has to meet.
What is made is kept for the life of the process. On the command line, `python -m certs make DIR` writes it all to
files, with a manifest.json for programs in any language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from certs.bench import Bench, Exhibit, Workshop, workshop
from certs.catalogue import Case, Verdict, catalogue
from tls13.lab.authority import Issued, KeyType

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

__all__ = [
    "Bench",
    "Case",
    "Exhibit",
    "Issued",
    "KeyType",
    "Verdict",
    "Workshop",
    "catalogue",
    "good",
    "good_rsa_pss",
    "root",
    "workshop",
]


def good(key_type: KeyType = KeyType.ECDSA_P256, *, client: bool = False, now: datetime | None = None) -> Issued:
    """A correct leaf with its key and chain: for localhost, server.example, 127.0.0.1 and ::1, or for a client.

    `now` is an aware datetime at which it is valid (from an hour before it, for 30 days); None is today.
    """
    return workshop(now).good(key_type, client=client)


def good_rsa_pss(*, now: datetime | None = None) -> Issued:
    """The same with an RSA key that is marked id-RSASSA-PSS, for the schemes rsa_pss_pss_*."""
    return workshop(now).good_rsa_pss


def root(*, now: datetime | None = None) -> x509.Certificate:
    """The root above what `good` makes for the same `now`: what the other side has to trust."""
    return workshop(now).root.certificate
