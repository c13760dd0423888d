"""The key schedule as a graph: RFC 8448's values, and snippets that print what they stand beside."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.vectors_reader import RFC8448, unhex
from tls13.crypto.groups import GROUPS
from tls13.explain.demos import demo
from tls13.explain.dissect import dissect
from tls13.explain.recorder import fresh_private_key
from tls13.explain.snippets_dh import exchange
from tls13.explain.story import Story
from tls13.explain.telling import tell
from tls13.explain.vectors import read_vectors
from tls13.wire.registry import NamedGroup

VECTORS = Path(__file__).parents[1] / "vectors" / "rfc8448.json"
SECRETS = {
    "early_secret": "early_secret",
    "binder_key": "binder_key",
    "client_early_traffic_secret": "client_early_traffic_secret",
    "early_exporter_master_secret": "early_exporter_secret",
    "handshake_secret": "handshake_secret",
    "client_handshake_traffic_secret": "client_handshake_traffic_secret",
    "server_handshake_traffic_secret": "server_handshake_traffic_secret",
    "master_secret": "main_secret",
    "client_application_traffic_secret_0": "client_application_traffic_secret_0",
    "server_application_traffic_secret_0": "server_application_traffic_secret_0",
    "exporter_master_secret": "exporter_secret",
    "resumption_master_secret": "resumption_secret",
    "resumption_psk": "resumption_psk_0",
}
"""RFC 8448's names, and the nodes'."""


@cache
def traced(name: str) -> Story:
    return tell(read_vectors(VECTORS.read_bytes(), name))


@cache
def made(variant: str) -> Story:
    return tell(demo(variant))


def values(story: Story) -> dict[str, bytes | None]:
    return {node.id: node.value for node in story.schedule}


@pytest.mark.parametrize("name", RFC8448)
def test_the_secrets_are_those_of_rfc_8448(name) -> None:
    found = values(traced(name))
    for theirs, secret in RFC8448[name]["secrets"].items():
        assert found[SECRETS[theirs]] == unhex(secret), theirs


@pytest.mark.parametrize("name", RFC8448)
def test_keys_finished_and_hashes_are_those_of_rfc_8448(name) -> None:
    trace, found = RFC8448[name], values(traced(name))
    for place, keys in trace["traffic_keys"].items():
        who, epoch = place.split("_")
        end = "_0" if epoch == "application" else ""
        assert found[f"{who}_{epoch}_traffic_key{end}"] == unhex(keys["key"]), place
        assert found[f"{who}_{epoch}_traffic_iv{end}"] == unhex(keys["iv"]), place
    for mac in trace["finished"]:
        which = "binder" if mac["what"] == "binder" else f"{mac['role']}_finished"
        assert found[which] == unhex(mac["verify_data"])
        assert found[which.replace("binder", "binder_finished") + "_key"] == unhex(mac["finished_key"])


@pytest.mark.parametrize("name", RFC8448)
def test_the_binder_and_every_finished_is_what_the_message_holds(name) -> None:
    macs = [node for node in traced(name).schedule if node.kind == "mac"]
    assert len(macs) == len(RFC8448[name]["finished"])
    for node in macs:
        assert node.meaning.endswith("It is what the message holds.")


def test_a_forged_finished_is_shown_beside_what_it_should_have_been() -> None:
    story = made("alert-forged-finished")
    node = next(one for one in story.schedule if one.id == "server_finished")
    sent = next(step for step in story.steps if step.name == "Finished").bytes[4:]
    assert node.value != sent
    assert node.meaning.endswith("The message holds something else!")


EVERYTHING = ("1-rtt", "hello-retry", "0-rtt", "0-rtt-rejected", "post-handshake-auth", "key-update", "x25519mlkem768")


@pytest.mark.parametrize("variant", EVERYTHING)
def test_each_node_comes_after_its_inputs_and_has_its_step(variant) -> None:
    story, seen = made(variant), set()
    for node in story.schedule:
        assert node.id not in seen
        assert set(node.inputs) <= seen
        seen.add(node.id)
        assert node.step is not None
        assert node.id in story.steps[node.step].keys
        assert node.meaning.endswith((".", "!"))
        assert node.section


# --- snippets ---------------------------------------------------------------------------------------------------------

RUN_ALL = """
import contextlib, io, json, sys
results = []
for code in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})
    results.append(out.getvalue())
print(json.dumps(results))
"""


def printed(snippets: list[str]) -> list[str]:
    """What each program prints, each with names of its own, in an interpreter that has only the standard library."""
    arguments = [sys.executable, "-I", "-S", "-c", RUN_ALL]
    done = subprocess.run(arguments, input=json.dumps(snippets), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def check_python(story: Story) -> int:
    nodes = [(node.python, node.value) for node in story.schedule if node.python is not None]
    records = [
        (one.protection.python, one.protection.nonce) for one in story.records if hasattr(one.protection, "nonce")
    ]
    for (code, value), output in zip(nodes + records, printed([code for code, _ in nodes + records]), strict=True):
        assert output == value.hex() + "\n", code
    return len(nodes)


@pytest.mark.parametrize("name", RFC8448)
def test_every_python_snippet_of_rfc_8448_prints_its_value(name) -> None:
    assert check_python(traced(name)) >= 30


@pytest.mark.parametrize("variant", EVERYTHING)
def test_every_python_snippet_of_a_variant_prints_its_value(variant) -> None:
    story = made(variant)
    assert check_python(story) == len(story.schedule) - sum(
        1 for node in story.schedule if node.kind == "input" and node.python is None
    )


@pytest.mark.parametrize("group", ["x25519", "x448", "secp256r1", "secp384r1", "secp521r1"])
def test_the_key_exchange_is_done_again_by_arithmetic(group) -> None:
    """Held against `cryptography`: RFC 7748's ladder, and points added one by one."""
    code = NamedGroup[group]
    mine, theirs = fresh_private_key(GROUPS[code]), GROUPS[code].generate()
    share = GROUPS[code].from_private(mine)
    secret = share.finish(theirs.public)
    program = exchange(code, mine, theirs.public, ("client", "server"))
    assert printed([program]) == [secret.hex() + "\n"]


def test_the_key_exchange_of_rfc_8448_is_done_again() -> None:
    node = next(one for one in traced("hello_retry_request").schedule if one.id == "ecdhe")
    assert printed([node.python]) == [RFC8448["hello_retry_request"]["shared_secret"] + "\n"]
    assert next(one for one in made("x25519mlkem768").schedule if one.id == "ecdhe").python is None  # ML-KEM is long


def test_a_snippet_pasted_into_a_fresh_python_prints_its_value() -> None:
    for node in traced("resumed_0rtt").schedule:
        if node.kind in ("mac", "extract") and node.python is not None and node.value is not None:
            done = subprocess.run([sys.executable, "-"], input=node.python, capture_output=True, text=True, check=True)
            assert done.stdout == node.value.hex() + "\n"


def check_shell(story: Story) -> None:
    lines = [(node.shell, node.value) for node in story.schedule if node.shell is not None]
    script = "\n".join(f"{line}\necho" for line, _ in lines)
    done = subprocess.run(["sh", "-e"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [value.hex() for _, value in lines]


@pytest.mark.parametrize("variant", ["0-rtt", "key-update"])
def test_every_shell_line_prints_its_value(variant) -> None:
    check_shell(made(variant))


@pytest.mark.slow
@pytest.mark.parametrize("name", RFC8448)
def test_every_shell_line_of_rfc_8448_prints_its_value(name) -> None:
    check_shell(traced(name))


# --- what is not known ------------------------------------------------------------------------------------------------

KEY_LOG = ("CLIENT_", "SERVER_", "EXPORTER_", "EARLY_")


def with_a_key_log_only(variant: str):
    capture = demo(variant)
    capture.secrets = {label: one for label, one in capture.secrets.items() if label.startswith(KEY_LOG)}
    return capture


@pytest.mark.parametrize("variant", EVERYTHING)
def test_with_a_key_log_everything_opens_and_the_inputs_stay_unknown(variant) -> None:
    story = tell(with_a_key_log_only(variant))
    assert all(one.protection is None or one.protection.opened for one in story.records)
    unknown = {node.id: node.why_unknown for node in story.schedule if node.value is None}
    assert {"handshake_secret", "main_secret", "ecdhe"} <= set(unknown)
    assert "key log" in unknown["ecdhe"]
    assert all(unknown.values())
    given = next(node for node in story.schedule if node.id == "client_handshake_traffic_secret")
    assert given.value is not None
    assert given.python is None  # what it is made of is not known, so there is nothing to compute it from
    check_python(story)


def test_what_follows_from_a_key_log_is_computed() -> None:
    """The KeyUpdates' secrets come from the first one, which the log has."""
    capture = with_a_key_log_only("key-update")
    story = tell(capture)
    assert values(story)["server_application_traffic_secret_1"] is not None
    records = dissect(capture).records
    assert records[-1].keys is not None
    assert records[-1].keys.name == "server_application_traffic_secret_1"
