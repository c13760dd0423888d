"""What an experiment is, and what comes of one.

An experiment says beforehand what will happen. `Prediction` and `Outcome` hold the same three facts (who ends the
connection, what is raised there, which alert goes out), so that comparing them is the whole judgement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from ...errors import Abort, AlertDescription

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...errors import TLSError
    from .bench import Bench
    from .between import Wire

Side = Literal["client", "server"]
Peer = Literal["local", "openssl"]
PEERS: Final[tuple[Peer, ...]] = ("local", "openssl")


NOT_ASKED: Final = "it is about our own implementation, or about mathematics"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Who will end the connection, and how. by=None: nobody, it goes on, and the experiment's claims say the rest."""

    by: Side | None
    exception: type[TLSError] | None = None
    """None where the end is OpenSSL's: it has errors of its own."""
    alert: AlertDescription | None = None
    because: str = ""
    """Why OpenSSL does something else than we do."""

    def __str__(self) -> str:
        if self.by is None:
            return "nobody ends the connection"
        raised = f" raises {self.exception.__name__}" if self.exception is not None else " ends it"
        return f"the {self.by}{raised}, " + (f"alert {self.alert.name}" if self.alert is not None else "no alert")


def refused(by: Side, offence: type[Abort]) -> Prediction:
    """That side finds the offence, and its alert is the offence's."""
    return Prediction(by, offence, offence.alert)


def noticed(by: Side, error: type[TLSError]) -> Prediction:
    """That side finds out, and there is nobody to tell."""
    return Prediction(by, error)


def alerted(by: Side, alert: str, because: str = "") -> Prediction:
    """OpenSSL on that side sends this alert (its name in section 6)."""
    return Prediction(by, None, AlertDescription[alert], because)


def goes_on(because: str = "") -> Prediction:
    """Nobody ends the connection."""
    return Prediction(None, because=because)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that did happen; `detail` is its bytes in hex, where it has some."""

    who: Side | Literal["between", "bench"]
    kind: Literal["message", "data", "alert", "error", "tampering", "note", "claim"]
    text: str
    detail: str = ""
    holds: bool = True
    """Of a claim: whether what was computed agrees with it."""


@dataclass(slots=True)
class Outcome:
    """What did happen, in order."""

    by: Side | None = None
    exception: type[TLSError] | None = None
    alert: AlertDescription | None = None
    error: str = ""
    """What the exception says."""
    happened: list[Happening] = field(default_factory=list)

    def __str__(self) -> str:
        return str(Prediction(self.by, self.exception, self.alert))


@dataclass(frozen=True, slots=True)
class Result:
    experiment: Experiment
    peer: Peer
    prediction: Prediction
    outcome: Outcome
    wire: Wire
    """The connection that it was about, the last one."""

    @property
    def differences(self) -> list[str]:
        """In which way the prediction was wrong; empty if it was right."""
        found = []
        if (self.prediction.by, self.prediction.exception, self.prediction.alert) != (
            self.outcome.by,
            self.outcome.exception,
            self.outcome.alert,
        ):
            found.append(f"predicted: {self.prediction}; seen: {self.outcome}")
        claims = [one for one in self.outcome.happened if one.kind == "claim"]
        found += [f"this should be so, and is not: {one.text}" for one in claims if not one.holds]
        if self.prediction.by is None and not claims:
            found.append("nothing was shown: an experiment that lets the connection live has to claim something")
        return found


@dataclass(frozen=True, slots=True)
class Experiment:
    """One attack or fault. `what` is done, what `should` come of it, and `why` it matters."""

    name: str
    title: str
    part: str
    what: str
    should: str
    why: str
    section: str
    prediction: Prediction
    run: Callable[[Bench], None]
    attack: str = ""
    """The name that the world knows it by."""
    openssl: Prediction | str = NOT_ASKED
    """What OpenSSL in the place of whoever must notice will do; a sentence: why it is not asked."""
    openssl_plays: Side | None = None
    """Which side OpenSSL is; None: the one that must notice."""
    openssl_options: tuple[str, ...] = ()
    """More arguments for s_server or s_client."""

    def expected(self, peer: Peer) -> Prediction | str:
        return self.prediction if peer == "local" else self.openssl

    @property
    def plays(self) -> Side | None:
        """Which side OpenSSL takes."""
        prediction = self.openssl
        return self.openssl_plays or (prediction.by if isinstance(prediction, Prediction) else None)


class Part:
    """A heading of the menu; the decorator with which a module's experiments are declared."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.experiments: list[Experiment] = []

    def __call__(
        self,
        name: str,
        title: str,
        *,
        what: str,
        should: str,
        why: str,
        section: str,
        prediction: Prediction,
        attack: str = "",
        openssl: Prediction | str = NOT_ASKED,
        openssl_plays: Side | None = None,
        openssl_options: tuple[str, ...] = (),
    ) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
        def declare(run: Callable[[Bench], None]) -> Callable[[Bench], None]:
            experiment = Experiment(
                name=name,
                title=title,
                part=self.title,
                what=what,
                should=should,
                why=why,
                section=section,
                prediction=prediction,
                run=run,
                attack=attack,
                openssl=openssl,
                openssl_plays=openssl_plays,
                openssl_options=openssl_options,
            )
            self.experiments.append(experiment)
            return run

        return declare
