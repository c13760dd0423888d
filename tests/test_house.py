"""The rules of the house that a program can check: what is imported where, what is public, how errors are named."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import tls13
from tls13 import errors

PACKAGE = Path(tls13.__file__).parent
ROOMS = ["errors offences", "wire", "crypto", "key_schedule transcript record", "events", "flow", "trust resumption",
         "cookie answers config", "authentication", "post_handshake server_afterwards grease", "negotiation offer",
         "client server", "engine record_layer", "connection", "io", "stdlib lab", "explain", "cli"]  # fmt: skip
"""From the bottom up: a room imports from its own floor and those below (tls13/README.md)."""
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms.split()}
OUTSIDE = {"socket", "asyncio", "select", "ssl", "time", "os", "random"}
EDGE = {"config.py", "trust/store.py", "resumption/stores.py", "resumption/tickets.py"}
"""They bind the default clock and random source, and read files (DESIGN.md, section 1)."""


def modules() -> list:
    return list(_modules())


def _modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in ("__init__.py", "__main__.py"):
            yield pytest.param(path, name, id=name)


def imports(path: Path):
    """(module, level) of every import that is carried out, which those for type checkers only are not."""
    tree = ast.parse(path.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


@pytest.mark.parametrize(("path", "name"), modules())
def test_imports_point_down(path, name) -> None:
    room = name.split("/")[0].removesuffix(".py")
    depth = name.count("/")
    for module, level in imports(path):
        if level == depth + 1 and module:
            other = module.split(".")[0]
        elif module.startswith("tls13."):
            other = module.split(".")[1]
        else:
            continue
        assert FLOOR[other] <= FLOOR[room], f"{name} imports from {other}, which is above it"


@pytest.mark.parametrize(("path", "name"), modules())
def test_the_core_does_no_io(path, name) -> None:
    if FLOOR[name.split("/")[0].removesuffix(".py")] >= FLOOR["io"] or name in EDGE:
        return
    taken = {module.split(".")[0] for module, level in imports(path) if not level}
    assert not taken & OUTSIDE


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_tls13_loads_no_event_loop_and_no_second_tls() -> None:
    """What `cryptography` itself loads does not count."""
    names = ["asyncio", "ssl", "html", "http", "argparse", "tls13.io", "tls13.lab", "tls13.explain", "tls13.cli",
             "tls13.offences"]  # fmt: skip
    assert run(f"import tls13, sys; print([n for n in {names} if n in sys.modules])") == "[]"


def test_a_client_loads_nothing_that_it_may_never_need() -> None:
    """Not the server's side, and nothing of resumption, raw keys or the web PKI's own rules before they come up."""
    names = ["tls13.server", "tls13.negotiation", "tls13.cookie",
             *(f"tls13.resumption.{name}" for name in ("tickets", "stores", "sessions", "state", "psk", "imported")),
             "tls13.trust.raw_keys", "tls13.trust.webpki"]  # fmt: skip
    client = "tls13.ClientConnection(tls13.ClientConfig(), server_hostname='example.com').data_to_send()"
    assert run(f"import tls13, sys; {client}; print([n for n in {names} if n in sys.modules])") == "[]"


def test_every_public_name_is_there() -> None:
    assert run("from tls13 import *; print(SealedTickets.__name__, CrlSet.__name__)") == "SealedTickets CrlSet"
    for name in tls13.__all__:
        assert getattr(tls13, name) is not None
        assert name in dir(tls13)
    with pytest.raises(AttributeError):
        tls13.no_such_name  # noqa: B018


def offences() -> list[type[errors.Abort]]:
    kinds = [getattr(errors, name) for name in dir(errors)]
    return [
        kind for kind in kinds if isinstance(kind, type) and issubclass(kind, errors.Abort) and kind != errors.Abort
    ]


def test_every_offence_is_found_where_errors_are() -> None:
    """They are made late (tls13/offences); nobody should notice."""
    assert len(offences()) > 90
    assert {kind.__module__ for kind in offences()} == {"tls13.errors"}
    found = run("from tls13.errors import *; print(BadFinished.__module__, BadFinished('x'))")
    assert found.startswith("tls13.errors Finished does not match")
    assert isinstance(pickle.loads(pickle.dumps(errors.WrongHost("x"))), errors.WrongHost)
    with pytest.raises(AttributeError, match="NoSuchOffence"):
        errors.NoSuchOffence  # noqa: B018


@pytest.mark.parametrize("kind", offences(), ids=lambda kind: kind.__name__)
def test_an_offence_has_an_alert_a_section_and_a_sentence(kind) -> None:
    assert isinstance(kind.alert, errors.AlertDescription)
    assert kind.section
    text = str(kind("the value"))
    assert kind.says in text
    assert "the value" in text
    assert f"({kind.rfc}, section {kind.section})" in text


def test_an_unknown_alert_is_shown_by_its_number() -> None:
    assert "200" in str(tls13.AlertReceived(200))
    assert "handshake_failure (40)" in str(tls13.AlertReceived(40))


def test_no_assert_and_no_placeholder_in_the_library() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], path
        assert "raise NotImplementedError" not in path.read_text(), path
