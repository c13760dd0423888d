"""Experiments: attacks and faults, each with a prediction, run against a real connection.

Security is what is left when somebody tries. A book says that a flipped bit is noticed; here a bit is flipped, and
whoever reads it has to raise exactly the exception and send exactly the alert that were written down before. Where
a protocol's choice only makes sense by what happens without it (a nonce used twice, a key stolen later), the
experiment computes what the attacker gains.

    for experiment in EXPERIMENTS.values():
        result = perform(experiment)
        print(experiment.title, result.differences or "as predicted")

The pieces: model.py (what an experiment and its outcome are), between.py (the man in the middle), bench.py (both
ends), openssl.py (the same with another implementation as the one that must notice), and the experiments by part:
tampering, certificates, hellos, shares, order, records, resumption, keys.
"""

from __future__ import annotations

from ...errors import ConfigurationError
from . import certificates, hellos, keys, order, records, resumption, shares, tampering
from .bench import Bench
from .model import PEERS, Experiment, Peer, Prediction, Result

__all__ = ["EXPERIMENTS", "PARTS", "PEERS", "Experiment", "Peer", "Result", "perform"]

PARTS = tuple(module.PART for module in (tampering, certificates, hellos, shares, order, records, resumption, keys))
"""The menu's headings, in order, each with its experiments."""

EXPERIMENTS: dict[str, Experiment] = {one.name: one for part in PARTS for one in part.experiments}
"""All of them by name, in the menu's order."""


def perform(experiment: Experiment, peer: Peer = "local") -> Result:
    """Run it. Result.differences says whether what happened is what was predicted.

    peer: "local", or "openssl": the `openssl` program is the one that must notice. Raises ConfigurationError where
    that cannot be, with the reason.
    """
    prediction = experiment.expected(peer)
    if not isinstance(prediction, Prediction):
        raise ConfigurationError(f"{experiment.name} is not run against OpenSSL: {prediction}")
    bench = _bench(experiment, peer)
    try:
        experiment.run(bench)
        _let_it_end(bench, experiment, prediction)
    finally:
        for wire in bench.wires:
            wire.close()
    return Result(experiment, peer, prediction, bench.outcome, bench.wires[-1])


def _let_it_end(bench: Bench, experiment: Experiment, prediction: Prediction) -> None:
    """An alert that is on its way arrives; whoever should live is asked to show it."""
    wire, outcome = bench.wires[-1], bench.outcome
    another_ends = prediction.by is not None and prediction.by == experiment.plays and wire.ends[prediction.by].remote
    ended = outcome.by is not None or any(one.over for one in wire.ends.values())
    wire.carry(quiet=10.0 if another_ends or ended else 0.0)  # another program may be slow
    if prediction.by is None and not any(one.kind == "claim" for one in outcome.happened):
        bench.claim_alive()


def _bench(experiment: Experiment, peer: Peer) -> Bench:
    if peer == "local":
        return Bench()
    from .openssl import OpenSsl

    options = experiment.openssl_options
    return Bench(openssl=lambda bench, side: OpenSsl(bench, side, options), plays=experiment.plays)
