"""What a case is, and the list of them all.

A case is one small function in certs/cases: it makes one chain, correct or with one defect, and its decorator says
what a verifier has to say about it. The alerts stand here a second time, written down from RFC 9846, section 6.2,
and not taken from tls13.errors: so the tests compare two opinions, and not one with itself.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from certs.cases import THEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from certs.bench import Bench, Exhibit, Workshop

DOMAIN: Final = "workshop.localhost"
"""Each case has a host of its own below it: one server can serve them all by SNI, on the loopback address."""

Role = Literal["server", "client"]
Stage = Literal["chain", "signature"]


@dataclass(frozen=True)
class Verdict:
    """What a verifier says: the exception's class name in tls13.errors and the alert's name; None: accepted.

    `says` is a part of the sentence that every case with this verdict has, unless it gives a better one.
    """

    exception: str | None = None
    alert: str | None = None
    says: str = ""


ACCEPTED: Final = Verdict()
EXPIRED: Final = Verdict("CertificateExpired", "certificate_expired", "was valid until")
NOT_YET_VALID: Final = Verdict("CertificateNotYetValid", "certificate_expired", "is valid from")
WRONG_HOST: Final = Verdict("WrongHost", "bad_certificate", "{host} is wanted, and it")
UNKNOWN_ISSUER: Final = Verdict("UnknownIssuer", "unknown_ca", "not in the trust store")
SELF_SIGNED: Final = Verdict("SelfSigned", "unknown_ca", "self-signed")
MISSING_INTERMEDIATE: Final = Verdict("MissingIntermediate", "unknown_ca", "did not send the intermediate")
EMPTY_TRUST_STORE: Final = Verdict("EmptyTrustStore", "unknown_ca", "trust store is empty")
BAD_CERTIFICATE_SIGNATURE: Final = Verdict("BadCertificateSignature", "bad_certificate", "signed it, and it did not")
WEAK_KEY: Final = Verdict("WeakKey", "unsupported_certificate", "key")
WEAK_SIGNATURE: Final = Verdict("WeakSignature", "bad_certificate", "is signed with")
WRONG_USAGE: Final = Verdict("WrongUsage", "unsupported_certificate", "not meant for this use")
NAME_CONSTRAINT: Final = Verdict(
    "NameConstraintViolation", "certificate_unknown", "may not issue certificates for this name"
)
REVOKED: Final = Verdict("CertificateRevoked", "certificate_revoked", "has been revoked")
REVOCATION_UNKNOWN: Final = Verdict("RevocationUnknown", "certificate_unknown", "no valid CRL")
MALFORMED: Final = Verdict("MalformedCertificate", "bad_certificate", "cannot be parsed")
UNSUITABLE_CHAIN: Final = Verdict("UnsuitableChain", "certificate_unknown", "breaks a rule")
UNSUPPORTED: Final = Verdict("CertificateError", "unsupported_certificate", "is not acceptable")
BAD_SIGNATURE: Final = Verdict("BadSignature", "decrypt_error", "does not verify")


@dataclass(frozen=True)
class Case:
    """One entry of the catalogue.

    `says` is a part of the exception's text. `rfc` is the rule. `stage` is where the defect shows: in the chain, or
    only in the CertificateVerify that is made with `Exhibit.private_key`. `host` is what the client asks for.
    """

    name: str
    description: str
    verdict: Verdict
    says: str
    rfc: str
    host: str
    role: Role
    stage: Stage
    make: Callable[[Bench], Exhibit]

    def exhibit(self, workshop: Workshop) -> Exhibit:
        """Make the chain, at the workshop's time."""
        from certs.bench import Bench  # which imports much that a mere list of the cases does not need

        return self.make(Bench(workshop, self.host))


_CASES: dict[str, Case] = {}


def case(
    verdict: Verdict,
    rfc: str,
    *,
    says: str = "",
    host: str | None = None,
    role: Role = "server",
    stage: Stage = "chain",
) -> Callable[[Callable[[Bench], Exhibit]], Callable[[Bench], Exhibit]]:
    """Register a function as a case: its name is the case's, its docstring the description."""

    def register(make: Callable[[Bench], Exhibit]) -> Callable[[Bench], Exhibit]:
        name = make.__name__.replace("_", "-")
        add(name, make.__doc__ or "", make, verdict, rfc, says=says, host=host, role=role, stage=stage)
        return make

    return register


def add(
    name: str,
    description: str,
    make: Callable[[Bench], Exhibit],
    verdict: Verdict,
    rfc: str,
    *,
    says: str = "",
    host: str | None = None,
    role: Role = "server",
    stage: Stage = "chain",
) -> None:
    """Register a case that has no function of its own. Raises ValueError for a name that is taken."""
    if name in _CASES:
        raise ValueError(f"there are two cases named {name}")
    wanted = host if host is not None else f"{name}.{DOMAIN}"
    text = " ".join(description.split())
    fragment = says or verdict.says.format(host=wanted)
    _CASES[name] = Case(name, text, verdict, fragment, rfc, wanted, role, stage, make)


@cache
def catalogue() -> Mapping[str, Case]:
    """Every case by name, in the order of certs.cases.THEMES and of the functions there."""
    for theme in THEMES:
        importlib.import_module(f"certs.cases.{theme}")
    return dict(_CASES)
