"""The cases, by theme: each function makes one chain. certs.catalogue says what they have in common."""

from typing import Final

THEMES: Final = (
    "good",
    "validity",
    "names",
    "chains",
    "constraints",
    "usages",
    "keys",
    "signatures",
    "encoding",
    "revocation",
    "made_by_trustme",
)
"""The modules in this folder, in the order in which the catalogue lists them."""
