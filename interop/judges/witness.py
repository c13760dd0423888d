"""The process in which a judge's tests run: python -m interop.judges.witness JUDGE STACK DESCRIPTOR DONE

STACK is `ssl` or `tls13`, DESCRIPTOR where to tell what happens (a line of JSON for each test that begins and ends),
DONE a file with the names of tests that are not to be run again. Whoever started this ends it when a test hangs.
"""

from __future__ import annotations

import importlib
import json
import os
import ssl
import sys
import traceback
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tls13
from tls13.stdlib import context

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

Fault = tuple[type[BaseException], BaseException, Any] | tuple[None, None, None]


class Witness:
    """Says what happens, and whether a test wraps a socket or a pair of BIOs."""

    def __init__(self, descriptor: int, done: frozenset[str]) -> None:
        self._descriptor = descriptor
        self.done = done
        self._wrapped = 0
        self._count_wraps()

    def _count_wraps(self) -> None:
        """All connections are made in one of two class methods, of which ours are inherited."""
        kinds: tuple[Any, ...] = (ssl.SSLSocket, ssl.SSLObject)
        for kind in kinds:
            make = vars(kind)["_create"].__func__

            def counted(cls: type, /, *arguments: Any, make: Any = make, **named: Any) -> Any:
                self._wrapped += 1
                return make(cls, *arguments, **named)

            kind._create = classmethod(counted)

    def begins(self, test: str) -> None:
        self._wrapped = 0
        self._say(test=test, state="begun")

    def ends(self, test: str, state: str, text: str = "") -> None:
        self._say(test=test, state=state, text=text, wraps=self._wrapped > 0)

    def _say(self, **what: object) -> None:
        os.write(self._descriptor, json.dumps(what).encode() + b"\n")


# --- unittest's judges ------------------------------------------------------------------------------------------------


def name_of(test: unittest.TestCase) -> str:
    return ".".join(test.id().split(".")[-2:])


class Result(unittest.TestResult):
    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness
        self._state = ("pass", "")

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._state = ("pass", "")
        self._witness.begins(name_of(test))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self._witness.ends(name_of(test), *self._state)

    def addError(self, test: unittest.TestCase, err: Fault) -> None:
        self._state = ("fail", "".join(traceback.format_exception(*err)))
        if not isinstance(test, unittest.TestCase):  # setUpClass and its like have no test of their own
            self._witness.ends(str(test), *self._state)

    addFailure = addError

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Fault | None) -> None:
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if self._state[0] == "pass":
            self._state = ("skip", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Fault) -> None:
        pass

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._state = ("fail", "it was expected to fail")


def run_unittest(module: str, witness: Witness) -> None:
    support: Any = importlib.import_module("test.support")
    support.use_resources = {"cpu": None, "walltime": None}  # no network
    found = unittest.defaultTestLoader.loadTestsFromName(module)
    wanted = unittest.TestSuite(test for test in _flat(found) if name_of(test) not in witness.done)
    wanted.run(Result(witness))


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from _flat(one)
        else:
            yield one


# --- pytest's ---------------------------------------------------------------------------------------------------------


class Plugin:
    """For trio's tests, which pytest runs."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._state = ("pass", "")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.name not in self._witness.done]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._state = ("pass", "")
        self._witness.begins(nodeid.split("::")[-1])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._state = ("fail", report.longreprtext)
        elif report.skipped and self._state[0] == "pass":
            self._state = ("skip", report.longreprtext)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._witness.ends(nodeid.split("::")[-1], *self._state)


def run_pytest(module: str, plugins: list[str], witness: Witness) -> None:
    import pytest

    arguments = ["-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-q", "--pyargs", module]
    for plugin in plugins:
        arguments += ["-p", plugin]
    pytest.main(arguments, plugins=[Plugin(witness)])


def main(judge: str, stack: str, descriptor: str, done: str) -> None:
    witness = Witness(int(descriptor), frozenset(json.loads(Path(done).read_text())))
    if stack == "tls13":
        ssl.SSLContext = tls13.SSLContext  # type: ignore[misc]  # what a judge is about
        ssl.create_default_context = context.create_default_context
    if judge == "trio":
        run_pytest("trio._tests.test_ssl", ["trio._tests.pytest_plugin"], witness)
    else:
        run_unittest({"test_ssl": "test.test_ssl", "test_asyncio": "test.test_asyncio.test_ssl"}[judge], witness)


if __name__ == "__main__":
    main(*sys.argv[1:])
