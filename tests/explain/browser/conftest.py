"""One Chromium for each file of tests: real browsers are slow to start. A page is opened from disk, as a reader does.

Whatever a test does, at its end the page must have complained about nothing and asked for nothing but itself.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tls13.explain.page import page

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
FOLDED = "() => document.querySelectorAll('details:not([open])').length"


@pytest.fixture(scope="module")
def browser():
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield launched
        launched.close()


class Reader:
    """A page on disk in a window, and what it complained about or asked for."""

    def __init__(self, browser, file: Path, **context) -> None:
        self.context = browser.new_context(
            **({"viewport": {"width": 1400, "height": 900}, "reduced_motion": "reduce"} | context)
        )
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.file = file
        self.tab.goto(file.as_uri())

    def unfold(self) -> None:
        """Opens everything that opens; what was inside may open too."""
        while self.tab.evaluate(FOLDED):
            self.tab.evaluate(OPEN_ALL)
            self.tab.evaluate("() => new Promise(requestAnimationFrame)")

    def steps(self) -> range:
        return range(self.tab.locator(".step").count())

    def go(self, at: int) -> None:
        self.tab.locator(".step").nth(at).click()


@pytest.fixture
def read(browser, tmp_path):
    readers = []

    def open_one(*stories, **context) -> Reader:
        file = tmp_path / "page.html"
        file.write_text(page(list(stories)), "utf-8")
        readers.append(Reader(browser, file, **context))
        return readers[-1]

    yield open_one
    for reader in readers:
        assert reader.complaints == []
        assert reader.requests == [reader.file.as_uri()]
        reader.context.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> Path:
    """axe-core, the judge of accessibility, from the npm registry: 700 KB that need not lie in this repository."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    place = tmp_path_factory.mktemp("axe")
    got = subprocess.run(
        [npm, "pack", "--silent", "axe-core@4"], cwd=place, capture_output=True, text=True, timeout=120
    )
    if got.returncode:
        pytest.skip("npm does not bring axe-core")
    with tarfile.open(place / got.stdout.strip().splitlines()[-1]) as archive:
        archive.extractall(place, members=[archive.getmember("package/axe.min.js")], filter="data")
    return place / "package" / "axe.min.js"
