"""All trials, with every peer, and the table of how they went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from tls13 import CipherSuite, NamedGroup, SignatureScheme

from . import gnutls, nginx, nss, openssl, pyopenssl
from .features import boringssl, rustls, tlslite
from .trial import (
    CLASSIC_GROUPS,
    CLASSIC_SCHEMES,
    HYBRID_GROUPS,
    LARGE,
    POST_QUANTUM_SCHEMES,
    SUITES,
    PeerMissing,
    Trial,
)

COMBINATIONS = "suites x groups x signatures"
CHUNKS = (1, 2, 7, 1000)
FRAGMENT = 50
"""Bytes: a ClientHello is then many records, a Certificate dozens."""

Meet = Callable[[Trial], None]


@dataclass(frozen=True)
class Cell:
    """One meeting: with whom, what it is about, and how to do it."""

    peer: str
    topic: str
    trial: Trial
    meet: Meet

    @property
    def role(self) -> str:
        return "our client" if self.trial.we_are_client else "our server"

    @property
    def name(self) -> str:
        trial = self.trial
        extras = [
            f"{name} {value}"
            for name, value in (("chunk", trial.chunk), ("fragment", trial.fragment), ("size", trial.size))
            if value and value != Trial.size
        ]
        what = (self.topic, trial.suite.name, trial.group.name, trial.scheme.name, *extras)
        return f"{self.peer}, {self.role}: {', '.join(what)}"


PEERS: dict[str, Callable[[], str]] = {
    "pyOpenSSL": pyopenssl.version,
    "openssl": openssl.version,
    "boringssl": boringssl.version,
    "nginx": nginx.version,
    "gnutls": gnutls.version,
    "nss": nss.version,
    "rustls": rustls.version,
    "tlslite": tlslite.version,
}
"""Each peer's name, and what tells its version or raises PeerMissing."""


def cells() -> Iterator[Cell]:
    """Every meeting."""
    yield from _pyopenssl()
    yield from _openssl()
    yield from _nginx()
    yield from _sampled("gnutls", gnutls.meet, lambda trial: True)
    yield from _sampled("nss", nss.meet, nss.knows)


def _combinations(
    we_are_client: bool, groups: Iterable[NamedGroup], schemes: Iterable[SignatureScheme]
) -> Iterator[Trial]:
    for scheme, group, suite in product(schemes, groups, SUITES):
        yield Trial(we_are_client, suite, group, scheme)


def _pyopenssl() -> Iterator[Cell]:
    def cell(topic: str, trial: Trial) -> Cell:
        return Cell("pyOpenSSL", topic, trial, pyopenssl.meet)

    groups, schemes = (*HYBRID_GROUPS, *CLASSIC_GROUPS), (*CLASSIC_SCHEMES, *POST_QUANTUM_SCHEMES)
    for ours in (True, False):
        for trial in _combinations(ours, groups, schemes):
            yield cell(COMBINATIONS, trial)
        for group, suite in product(groups, SUITES):
            yield cell("HelloRetryRequest", Trial(ours, suite, group, retry=True))
        for retry, group, chunk in product((False, True), groups, CHUNKS):
            yield cell("stream cut in pieces", Trial(ours, group=group, retry=retry, chunk=chunk))
        for suite in SUITES:
            yield cell("fragmented records", Trial(ours, suite, fragment=FRAGMENT, size=5000))
            yield cell("16 MiB each way", Trial(ours, suite, size=LARGE))


def _openssl() -> Iterator[Cell]:
    def cell(topic: str, trial: Trial, meet: Meet = openssl.meet) -> Cell:
        return Cell("openssl", topic, trial, meet)

    for ours in (True, False):
        for trial in _combinations(ours, CLASSIC_GROUPS, CLASSIC_SCHEMES):
            yield cell(COMBINATIONS, trial)
        for group, suite in product(CLASSIC_GROUPS, SUITES):
            yield cell("HelloRetryRequest", Trial(ours, suite, group, retry=True))
        for suite in SUITES:
            yield cell("fragmented records", Trial(ours, suite, fragment=FRAGMENT, size=5000))
            yield cell("16 MiB each way", Trial(ours, suite, size=LARGE))
            yield cell("KeyUpdate, both ways", Trial(ours, suite), openssl.meet_key_updates)


def _nginx() -> Iterator[Cell]:
    for group, suite in product(CLASSIC_GROUPS, SUITES):
        yield Cell("nginx", "a file of 1 MiB, twice", Trial(True, suite, group, size=2**20), nginx.meet)
    for scheme in CLASSIC_SCHEMES:
        yield Cell("nginx", "HelloRetryRequest", Trial(True, scheme=scheme, retry=True), nginx.meet)


def _sampled(peer: str, meet: Meet, knows: Callable[[Trial], bool]) -> Iterator[Cell]:
    """Each suite, group and scheme once, each group with a HelloRetryRequest too: what goes wrong in a combination
    only, the OpenSSLs have shown already."""
    for ours in (True, False):
        for topic, trials in (
            ("each suite", [Trial(ours, suite) for suite in SUITES]),
            ("each group", [Trial(ours, group=group) for group in CLASSIC_GROUPS]),
            ("each signature scheme", [Trial(ours, scheme=scheme) for scheme in CLASSIC_SCHEMES]),
            ("HelloRetryRequest", [Trial(ours, group=group, retry=True) for group in CLASSIC_GROUPS]),
        ):
            for trial in filter(knows, trials):
                yield Cell(peer, topic, trial, meet)


@dataclass
class Tally:
    """How the cells of one topic, or of one place in a table, went."""

    met: int = 0
    tried: int = 0

    def __str__(self) -> str:
        return str(self.met) if self.met == self.tried else f"{self.met}/{self.tried}!"


@dataclass
class Report:
    """What has been found out so far."""

    topics: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    combinations: dict[tuple[str, str], dict[tuple[SignatureScheme, NamedGroup], Tally]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)

    def run(self, cell: Cell) -> None:
        """Let them meet, and note how it went."""
        tallies = [self.topics.setdefault((cell.peer, cell.role, cell.topic), Tally())]
        if cell.topic == COMBINATIONS:
            place = self.combinations.setdefault((cell.peer, cell.role), {})
            tallies.append(place.setdefault((cell.trial.scheme, cell.trial.group), Tally()))
        try:
            cell.meet(cell.trial)
        except PeerMissing as missing:
            self.missing[f"{cell.peer}: {missing}"] += 1
            return
        except Exception as error:  # noqa: BLE001  # whatever either side raises is a failure of this cell
            self.failures.append(f"{cell.name}: {type(error).__name__}: {error}")
            met = 0
        else:
            met = 1
        for tally in tallies:
            tally.tried += 1
            tally.met += met

    def lines(self) -> Iterator[str]:
        """For people."""
        for (peer, role), places in self.combinations.items():
            yield from _table(f"{peer}, {role}: cipher suites (of {len(SUITES)}) that work", places)
        yield f"{'peer':12}{'role':14}{'what':34}{'met':>6}"
        for (peer, role, topic), tally in self.topics.items():
            yield f"{peer:12}{role:14}{topic:34}{tally!s:>6}"
        yield from (f"LEFT OUT  {count} cells, {reason}" for reason, count in self.missing.items())
        yield from (f"FAILED  {failure}" for failure in self.failures)
        met = sum(tally.met for tally in self.topics.values())
        yield f"{met} met, {len(self.failures)} failed, {self.missing.total()} left out"


def _table(title: str, places: dict[tuple[SignatureScheme, NamedGroup], Tally]) -> Iterator[str]:
    groups = list(dict.fromkeys(group for _, group in places))
    yield title
    yield f"{'':24}" + "".join(f"{_short(group.name):>10}" for group in groups)
    for scheme in dict.fromkeys(scheme for scheme, _ in places):
        yield f"{scheme.name:24}" + "".join(f"{places[scheme, group]!s:>10}" for group in groups)
    yield ""


def _short(name: str) -> str:
    """A hybrid group's name in a column's width."""
    return name.replace("MLKEM", "+").replace("SecP", "P").replace("r1", "") if "MLKEM" in name else name


REPRESENTATIVE: tuple[Trial, ...] = tuple(
    Trial(ours, suite, group, scheme, retry=retry, chunk=chunk)
    for ours in (True, False)
    for suite, group, scheme, retry, chunk in (
        (CipherSuite.TLS_AES_128_GCM_SHA256, NamedGroup.x25519, SignatureScheme.ecdsa_secp256r1_sha256, False, None),
        (CipherSuite.TLS_AES_256_GCM_SHA384, NamedGroup.X25519MLKEM768, SignatureScheme.ed25519, True, 7),
        (CipherSuite.TLS_CHACHA20_POLY1305_SHA256, NamedGroup.secp256r1, SignatureScheme.rsa_pss_rsae_sha256, True, 1),
        (CipherSuite.TLS_AES_128_CCM_SHA256, NamedGroup.secp384r1, SignatureScheme.ecdsa_secp384r1_sha384, False, 2),
        (CipherSuite.TLS_AES_128_CCM_8_SHA256, NamedGroup.secp521r1, SignatureScheme.rsa_pss_pss_sha512, True, None),
        (CipherSuite.TLS_AES_256_GCM_SHA384, NamedGroup.x448, SignatureScheme.ed448, False, None),
        (CipherSuite.TLS_AES_128_GCM_SHA256, NamedGroup.SecP256r1MLKEM768, SignatureScheme.mldsa44, False, None),
        (CipherSuite.TLS_AES_256_GCM_SHA384, NamedGroup.SecP384r1MLKEM1024, SignatureScheme.mldsa87, True, None),
    )
)
"""Each suite, each group and most kinds of signature at least once, in a second: for the quick suite."""
