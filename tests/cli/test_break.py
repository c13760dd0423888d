"""tls13 break, from the outside: what it prints, and how it exits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tls13.cli import main
from tls13.cli.break_ import _capture
from tls13.explain.telling import tell
from tls13.lab.experiments import EXPERIMENTS, perform
from tls13.lab.experiments.model import goes_on


def said(capsys, *arguments: str, code: int = 0) -> str:
    assert main(["break", *arguments]) == code
    out, err = capsys.readouterr()
    assert bool(err) is (code == 2)
    return err if code == 2 else out


@pytest.mark.parametrize("arguments", [[], ["--list"]], ids=["nothing", "--list"])
def test_the_menu(arguments, capsys) -> None:
    menu = said(capsys, *arguments)
    for one in EXPERIMENTS.values():
        assert f"  {one.name} " in menu
        assert one.title in menu


def test_the_menu_as_json(capsys) -> None:
    menu = json.loads(said(capsys, "--list", "--json"))
    assert [one["name"] for one in menu] == list(EXPERIMENTS)
    assert set(menu[0]) == {"name", "part", "title", "attack", "what", "should", "why", "section", "openssl"}


def test_one_experiment_is_told_from_intention_to_outcome(capsys) -> None:
    told = said(capsys, "forge-server-finished")
    order = ["What", "Should", "Why", "Rule", "Predicted", "raises BadFinished", "sends alert decrypt_error", "Seen"]
    places = [told.index(word) for word in order]
    assert places == sorted(places)
    assert "as predicted" in told
    assert "ServerHello, EncryptedExtensions, Certificate, CertificateVerify, Finished" in " ".join(told.split())
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 100


def test_more_detail(capsys) -> None:
    short, long, bytes_too = (said(capsys, "forge-server-finished", *more) for more in ([], ["-v"], ["-vv"]))
    assert len(short) < len(long) < len(bytes_too)
    assert "Finished (36 bytes)" in long
    assert "14000020" not in long
    assert "14000020" in bytes_too


def test_what_is_repeated_is_counted(capsys) -> None:
    assert "KeyUpdate (40 times)" in said(capsys, "key-update-flood")


def test_several_are_a_line_each_and_a_sum(capsys) -> None:
    lines = said(capsys, "expired", "wrong-host").splitlines()
    assert lines[0].split() == [
        "ok",
        "expired",
        "the",
        "client",
        "raises",
        "CertificateExpired,",
        "alert",
        "certificate_expired",
    ]
    assert lines[-1] == "2 experiments against our own client and server: 2 as predicted"


def test_all_of_them(capsys) -> None:
    lines = said(capsys, "--all").splitlines()
    assert sum(line.startswith("ok ") for line in lines) == len(EXPERIMENTS)
    assert lines[-1].endswith(f": {len(EXPERIMENTS)} as predicted")


def test_as_json(capsys) -> None:
    answer = json.loads(said(capsys, "unknown-ca", "unknown-things", "--json"))
    assert answer["failed"] == 0
    refused, lives = answer["experiments"]
    ending = {"by": "client", "exception": "UnknownIssuer", "alert": "unknown_ca"}
    assert refused["predicted"] == {**ending, "because": None}
    assert {key: refused["seen"][key] for key in ending} == ending
    assert "not in the trust store" in refused["seen"]["error"]
    assert refused["happened"][0]["text"] == "ClientHello"
    assert refused["happened"][0]["bytes"].startswith("01")
    assert lives["seen"] == {"by": None, "exception": None, "alert": None, "error": None}
    assert [one["holds"] for one in lives["happened"] if one["kind"] == "claim"] == [True] * 4


def test_a_wrong_prediction_fails(capsys, monkeypatch) -> None:
    wrong = replace(EXPERIMENTS["expired"], prediction=goes_on())
    monkeypatch.setitem(EXPERIMENTS, "expired", wrong)
    told = said(capsys, "expired", code=1)
    assert "DIFFERENT" in told
    assert "as predicted" not in told
    line, *_, last = said(capsys, "expired", "wrong-host", code=1).splitlines()
    assert line.split()[:2] == ["FAIL", "expired"]
    assert last.endswith(": 1 as predicted, 1 NOT")
    answer = json.loads(said(capsys, "expired", "--json", code=1))
    assert answer["failed"] == 1
    assert answer["experiments"][0]["differences"][0].startswith("predicted: nobody ends the connection; seen: ")


@pytest.mark.parametrize("experiment", [pytest.param(one, id=one.name) for one in EXPERIMENTS.values()])
def test_the_page_tells_the_same_end(experiment) -> None:
    """What the experiment saw from within, the explainer finds in the bytes and the secrets alone."""
    result = perform(experiment)
    story = tell(_capture(result))
    if result.outcome.alert is not None:
        side, alert = result.outcome.by, result.outcome.alert.name
        told = f"the {side} ended the connection with the alert {alert}"
        assert story.outcome == {"kind": "alert", "text": told}
    else:
        assert story.outcome["kind"] in ("completed", "cut")


def test_a_page(capsys, tmp_path) -> None:
    file = tmp_path / "page.html"
    assert main(["break", "flip-certificate", "-o", str(file)]) == 0
    assert str(file) in capsys.readouterr().err
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "tls13 break flip-certificate" in text
    assert "bad_record_mac" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-thing"], "there is no experiment 'no-such-thing'; tls13 break --list"),
        (["\x1b[2J"], "there is no experiment"),
        (["expired", "--all"], "not both"),
        (["expired", "wrong-host", "-o", "x.html"], "name one"),
        (["--all", "-o", "x.html"], "name one"),
        (["nonce-reuse", "--against", "openssl"], "nonce-reuse is not run against OpenSSL: "),
    ],
    ids=["unknown", "escapes", "names and --all", "two on a page", "all on a page", "not against OpenSSL"],
)
def test_a_wrong_command(arguments, says, capsys) -> None:
    told = said(capsys, *arguments, code=2)
    assert says in told
    assert "\x1b" not in told
    assert told.count("\n") == 1


def test_a_peer_that_is_none(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["break", "--all", "--against", "nobody"])
    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
