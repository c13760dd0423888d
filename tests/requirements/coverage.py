"""A pytest plugin that finds out which tests hold which requirement, and whether what they saw is what the row says.

The marks are the one source: @pytest.mark.requirement("R012", "R013"). A test that is expected to fail (xfail) holds
nothing. When the tests are run, and not only collected, every Abort that was made is noted beside the test that
provoked it: a row that names alerts needs a test that saw one of them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from tls13.errors import Abort

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from tls13.errors import AlertDescription


class Ties:
    """What the marks say, and, after a run, what came of it."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)
        self.broken: dict[str, list[str]] = defaultdict(list)
        self.failed: list[str] = []
        self.passed: set[str] = set()
        self.alerts: dict[str, set[AlertDescription]] = defaultdict(set)
        self.running: tuple[str, ...] = ()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        tied = []
        for item in items:
            ids = ids_of(item)
            into = self.broken if item.get_closest_marker("xfail") else self.tests
            for one in ids:
                into[one].append(item.nodeid)
            if ids:
                tied.append(item)
        config.hook.pytest_deselected(items=[item for item in items if item not in set(tied)])
        items[:] = tied

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        self.running = ids_of(item)
        try:
            return (yield)
        finally:
            self.running = ()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)

    def pytest_configure(self) -> None:
        """Note every Abort where it is made."""
        original = Abort.__init__

        def noting(abort: Abort, detail: object = "") -> None:
            original(abort, detail)
            for one in self.running:
                self.alerts[one].add(abort.alert)

        setattr(Abort, "__init__", noting)  # noqa: B010 - for this process, which only runs tests
        self.restore = original

    def pytest_unconfigure(self) -> None:
        setattr(Abort, "__init__", self.restore)  # noqa: B010


def ids_of(item: pytest.Item) -> tuple[str, ...]:
    return tuple(unique(one for mark in item.iter_markers("requirement") for one in mark.args))


def unique(ids: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(ids)
