"""How a trial's outcome is told: what works, fails, hangs and is left out (interop/programs/registry.py)."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from interop.programs import every, failures, registry
from interop.programs.desk import LIBRARIES, Desk, Unexpected, same
from interop.programs.registry import Trial, perform, run


def test_the_table_of_the_issue_is_covered():
    programs = {(trial.program.split(" ")[0], trial.side) for trial in every.EVERY.values()}
    clients = {"http.client", "urllib.request", "requests", "urllib3", "httpx", "aiohttp", "websockets", "trio"}
    clients |= {"anyio", "asyncio", "smtplib", "imaplib", "ftplib", "redis-py"}
    servers = {"asyncio.start_server", "uvicorn", "hypercorn", "aiohttp.web", "http.server", "socketserver"}
    servers |= {"websockets.serve", "wsgiref"}
    assert {(name, "client") for name in clients} | {(name, "server") for name in servers} <= programs


def test_every_client_meets_every_failure():
    met = Counter(trial.program for trial in every.EVERY.values() if trial.fails)
    assert len(met) == 22
    assert set(met.values()) == {len(failures.CASES)}


def test_a_program_that_does_not_use_the_context_fails(capsys):
    assert perform(Trial("nobody", "client", "nothing", lambda desk: None), "tls13") == 1
    assert "did not use the context" in capsys.readouterr().err


def test_an_absent_program_is_left_out_by_name(capsys):
    trial = Trial("nobody", "client", "nothing", lambda desk: None, ("no_such_package_at_all",))
    assert perform(trial, "tls13") == registry.LEFT_OUT
    assert capsys.readouterr().out == "no_such_package_at_all is not installed\n"
    command = Trial("nobody", "client", "nothing", lambda desk: None, ("$no-such-command-at-all",))
    assert perform(command, "tls13") == registry.LEFT_OUT
    assert capsys.readouterr().out == "no-such-command-at-all is not installed\n"


def test_a_failure_is_told_in_one_line_with_the_whole_account():
    outcome = registry.told(Trial("p", "client", "w", lambda desk: None), 1, "Traceback\n  File\nOSError: no\n", "")
    assert (outcome.mark, outcome.reason) == ("FAILS", "OSError: no")
    assert "Traceback" in outcome.account


def test_a_hang_is_told_with_the_place_in_the_library():
    said = 'Timeout (0:00:40)!\n  File "/x/tls13/stdlib/wire.py", line 93 in _read\n  File "/y.py", line 1 in z\n'
    outcome = registry.told(Trial("p", "client", "w", lambda desk: None), 1, said, "")
    assert outcome.reason == "hangs in tls13/stdlib/wire.py:93 (_read)"


def test_what_differs_is_told():
    same("a thing", 1, 1)
    with pytest.raises(Unexpected, match="a thing: 1 and not 2"):
        same("a thing", 1, 2)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_context_that_was_used_shows_in_the_key_log(library, tmp_path):
    desk = Desk(LIBRARIES[library], tmp_path)
    every.EVERY["http.client client: GET, and POST of 1 MiB"].meet(desk)
    assert desk.handshakes() == 2


def test_a_client_that_raises_something_else_than_with_ssl_fails(tmp_path):
    """The judge itself: a context of ours that verifies nothing gets a wrong host's answer, and that is found."""

    def careless(*arguments, **options):
        context = LIBRARIES["tls13"](*arguments, **options)
        context.check_hostname = False
        return context

    with pytest.raises(Unexpected, match=r"IncompleteRead; with ssl, ssl\.SSLCertVerificationError"):
        every.EVERY["http.client client: wrong host"].meet(Desk(careless, tmp_path))


@pytest.mark.interop
def test_the_command_prints_a_line_for_each_trial_and_why_some_cannot():
    done = subprocess.run(
        [sys.executable, "-m", "interop.programs", "urllib.request", "POST"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["urllib.request", "client", "GET,", "and", "POST", "of", "1", "MiB", "works"]
    assert any(line.startswith("psycopg") and "libpq" in line for line in lines)
    assert lines[-1] == "1 works"


@pytest.mark.interop
def test_a_trial_runs_in_a_process_of_its_own():
    outcome = run(every.EVERY["http.client client: GET, and POST of 1 MiB"])
    assert (outcome.mark, outcome.reason) == ("works", "")
