"""The traces of RFC 8448, or of a file of the same form, as captures: with every input, so that all can be computed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from ..errors import ConfigurationError
from .capture import Capture, Segment
from .dissect_secrets import CLIENT_PRIVATE, ECDHE, PSK, SERVER_PRIVATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    Trace = Mapping[str, object]


def read_vectors(data: bytes, name: str) -> Capture:
    """The trace called `name` in the JSON file `data`: {"traces": {name: {"records": [...], ...}}}.

    Raises ConfigurationError if the file is something else, or has no such trace; the sentence says which it has.
    """
    try:
        traces = cast("Mapping[str, Trace]", json.loads(data)["traces"])
        if name in traces:
            return _capture(traces[name], name)
        names = ", ".join(traces)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"this is no file of traces: {type(error).__name__}: {error}") from error
    raise ConfigurationError(f"there is no trace {name!r} in this file; it has {names}")


def _capture(trace: Trace, name: str) -> Capture:
    records = cast("list[Mapping[str, str]]", trace["records"])
    keys = cast("list[Mapping[str, str]]", trace.get("ephemeral_keys", []))
    secrets: dict[str, list[bytes]] = {}
    for label, entry in ((ECDHE, "shared_secret"), (PSK, "psk")):
        if trace.get(entry):
            secrets[label] = [bytes.fromhex(cast("str", trace[entry]))]
    for label, role in ((CLIENT_PRIVATE, "client"), (SERVER_PRIVATE, "server")):
        values = [bytes.fromhex(key["private"]) for key in keys if key["role"] == role]
        if values:
            secrets[label] = values
    return Capture(
        segments=[Segment(one["sender"] == "client", 0.0, bytes.fromhex(one["record"])) for one in records],
        secrets=secrets,
        source=f"the trace {name} (RFC 8448, section {trace.get('section', '?')})",
        client="client",
        server="server",
        verified_chain=[],
        network=None,
        notes=["a trace in a document has no times"],
    )
