"""What there is to try, and how it went: features as rows, peers and directions as columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..trial import PeerMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

FEATURES = (
    "HelloRetryRequest",
    "resumption",
    "resumption after HelloRetryRequest",
    "0-RTT accepted",
    "0-RTT rejected",
    "external PSK",
    "psk_ke",
    "client certificate",
    "post-handshake authentication",
    "KeyUpdate",
    "exporter",
    "key log",
    "OCSP stapling",
    "record_size_limit",
    "certificate compression",
    "delegated credential",
    "raw public key",
    "GREASE",
)
"""The rows, in their order."""

Meet = Callable[[], None]


@dataclass(frozen=True)
class Feature:
    """One field of the table. `we_are_client`: which role this library has. `meet` raises what went wrong."""

    name: str
    peer: str
    we_are_client: bool
    meet: Meet

    @property
    def column(self) -> str:
        return f"{self.peer} {'server' if self.we_are_client else 'client'}"

    def __str__(self) -> str:
        return f"{self.name}, {self.column}"


class Peer:
    """Collects the functions of one file: `@peer.server("resumption")` is our client against that peer's server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.features: list[Feature] = []

    def server(self, feature: str) -> Callable[[Meet], Meet]:
        return self._add(feature, we_are_client=True)

    def client(self, feature: str) -> Callable[[Meet], Meet]:
        return self._add(feature, we_are_client=False)

    def _add(self, name: str, *, we_are_client: bool) -> Callable[[Meet], Meet]:
        if name not in FEATURES:
            raise ValueError(f"{name!r} is no row of the table")

        def register(meet: Meet) -> Meet:
            self.features.append(Feature(name, self.name, we_are_client, meet))
            return meet

        return register


@dataclass
class Table:
    """What has been found out so far."""

    found: dict[tuple[str, str], str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    failed: int = 0
    missing: int = 0
    """How many were left out for want of a program."""

    def run(self, feature: Feature) -> None:
        """Try it, and note how it went, with the reason in one line if it did not go well."""
        try:
            feature.meet()
        except PeerMissing as missing:
            mark, reason = "-", f"LEFT OUT  {feature}: {missing}"
            self.missing += 1
        except Exception as error:  # noqa: BLE001  # whatever either side raises is a failure of this field
            mark, reason = "FAILED", f"FAILED  {feature}: {type(error).__name__}: {error}"
            self.failed += 1
        else:
            mark, reason = "yes", ""
        self.found[feature.name, feature.column] = mark
        if reason:
            self.reasons.append(" ".join(reason.split()))

    def lines(self) -> Iterator[str]:
        """For people. An empty field: the peer does not know the feature, or cannot be told to use it."""
        columns = list(dict.fromkeys(column for _, column in self.found))
        yield f"{'feature':36}" + "".join(f"{column:>18}" for column in columns)
        for name in FEATURES:
            if any(feature == name for feature, _ in self.found):
                yield f"{name:36}" + "".join(f"{self.found.get((name, column), ''):>18}" for column in columns)
        yield from self.reasons
