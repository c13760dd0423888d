"""A pytest plugin (`-p tests.skips`): a skipped test whose reason is not in allowed_skips.txt is a failure.

A test that silently stops running is worse than one that fails.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipJudge(), "skip-judge")


class SkipJudge:
    def __init__(self) -> None:
        lines = ALLOWED.read_text().splitlines() if ALLOWED.exists() else []
        self.patterns = [line for line in lines if line and not line.startswith("#")]
        self.unlisted: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
            self.judge(report.nodeid, report.longrepr[2])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self.judge(report.nodeid, report.longrepr[2])

    def judge(self, where: str, message: str) -> None:
        reason = message.removeprefix("Skipped: ")
        if not any(fnmatch(reason, pattern) for pattern in self.patterns):
            self.unlisted.append(f"{where}: {reason}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.unlisted:
            terminalreporter.write_line(f"skipped for a reason that tests/allowed_skips.txt does not list: {line}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unlisted and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
