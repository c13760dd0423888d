"""The rules of the house that a program can check: what is imported where, what is public, how errors are named."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tls13
from tls13 import errors

PACKAGE = Path(tls13.__file__).parent
ROOMS = ["errors offences transport_errors own_code", "wire", "crypto", "key_schedule transcript record",
         "events rare_events", "flow", "trust resumption", "cookie answers config server_config", "authentication",
         "post_handshake server_afterwards grease", "negotiation offer", "client server", "engine record_layer",
         "connection", "io", "stdlib lab", "explain", "cli"]  # fmt: skip
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
    """Not the server's side or a certificate of its own, nothing of resumption, raw keys, delegated credentials or the
    web PKI's own rules, no rare event and no transport's exception, before they come up."""
    names = ["tls13.server", "tls13.server_config", "tls13.negotiation", "tls13.cookie", "tls13.rare_events",
             "tls13.transport_errors", "tls13.trust.identity", "tls13.trust.delegated",
             *(f"tls13.resumption.{name}" for name in ("tickets", "stores", "sessions", "state", "psk", "imported")),
             "tls13.trust.raw_keys", "tls13.trust.webpki"]  # fmt: skip
    client = "tls13.ClientConnection(tls13.ClientConfig(), server_hostname='example.com').data_to_send()"
    assert run(f"import tls13, sys; {client}; print([n for n in {names} if n in sys.modules])") == "[]"


def test_a_server_loads_nothing_of_a_clients() -> None:
    names = ["tls13.client", "tls13.offer", "tls13.grease"]
    authority = "tls13.lab.authority.Authority.create(now=datetime.now(UTC))"
    server = f"tls13.ServerConnection(tls13.ServerConfig({authority}.issue(['a']).identity))"
    code = f"import sys, tls13.lab.authority; from datetime import UTC, datetime; {server}"
    assert run(f"{code}; print([n for n in {names} if n in sys.modules])") == "[]"


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
    assert run("from tls13 import errors; print({'BadFinished', 'WantRead'} <= set(dir(errors)))") == "True"
    assert isinstance(pickle.loads(pickle.dumps(errors.WrongHost("x"))), errors.WrongHost)
    with pytest.raises(AttributeError, match="NoSuchOffence"):
        errors.NoSuchOffence  # noqa: B018


def test_what_a_transport_did_is_found_where_errors_are_and_without_the_offences() -> None:
    found = run("import sys, tls13.io.opening; from tls13.errors import *; print(WantRead.__module__, WantRead('x'))")
    assert found == "tls13.errors x"
    assert run("import sys, tls13.io.opening; print('tls13.offences' in sys.modules)") == "False"
    assert isinstance(pickle.loads(pickle.dumps(errors.NameNotFound("x"))), OSError)


def test_a_rare_event_is_found_where_events_are() -> None:
    """It is made late (tls13/rare_events.py); nobody should notice."""
    assert run("from tls13.events import *; print(KeysUpdated.__module__, Tracer.__name__)") == "tls13.events Tracer"
    event = tls13.KeysUpdated(answer_requested=True)
    assert pickle.loads(pickle.dumps(event)) == event
    assert isinstance(event, tls13.Event)
    assert run("from tls13 import events; print({'Event', 'TicketReceived'} <= set(dir(events)))") == "True"
    with pytest.raises(AttributeError, match="NoSuchEvent"):
        tls13.events.NoSuchEvent  # noqa: B018


def test_a_server_s_config_is_found_where_the_client_s_is() -> None:
    assert run("from tls13.config import ClientAuth, ServerConfig; print(ServerConfig.__name__)") == "ServerConfig"
    assert run("from tls13 import config; print('ServerConfig' in dir(config))") == "True"
    assert pickle.loads(pickle.dumps(tls13.ClientAuth.LATER)) is tls13.ClientAuth.LATER
    with pytest.raises(AttributeError, match="NoSuchConfig"):
        tls13.config.NoSuchConfig  # noqa: B018


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


def test_exceptions_of_ssl_are_made_in_one_place() -> None:
    """tls13/stdlib/failures.py, which gives each the `reason` and `library` that C never forgets."""
    for path in sorted((PACKAGE / "stdlib").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and path.name != "failures.py":
                assert not re.fullmatch(r"(ssl\.)?SSL\w*Error", ast.unparse(node.func)), f"{path.name}:{node.lineno}"


def test_no_assert_and_no_placeholder_in_the_library() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], path
        assert "raise NotImplementedError" not in path.read_text(), path
