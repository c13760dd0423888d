"""docs/guide: every program in every chapter runs, and prints what the chapter says that it prints."""

from __future__ import annotations

import re

import pytest

from docs import chapters
from tls13.lab.experiments import EXPERIMENTS

ALL = chapters.chapters()


@pytest.mark.parametrize("chapter", ALL, ids=lambda chapter: chapter.stem)
def test_a_chapter_says_what_happens(chapter, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(chapters.ROOT)
    session = chapters.Session(chapter, tmp_path)
    found = list(chapters.blocks(chapter.read_text()))
    assert any(block.kind == "console" or not block.path for block in found), "nothing in it can be run"
    for block in found:
        session.run(block)


def test_the_chapters_are_numbered_without_a_gap() -> None:
    assert [int(chapter.name[:2]) for chapter in ALL] == list(range(1, len(ALL) + 1))
    assert len(ALL) >= 9


@pytest.mark.parametrize("page", [*ALL, *chapters.GUIDE.glob("README.md"), *chapters.GUIDE.parent.glob("*.md")],
                         ids=lambda page: page.stem)  # fmt: skip
def test_links_and_pictures_lead_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("chapter", ALL, ids=lambda chapter: chapter.stem)
def test_sections_that_are_cited_exist(chapter) -> None:
    """RFC 9846's numbers, not RFC 8446's: every `section x.y` is one of the RFC's headings."""
    rfc = chapters.ROOT.parent / "shared/reference/rfc/rfc9846-numbered.md"
    if not rfc.exists():
        pytest.skip("../shared is not there: this clone stands alone")
    headings = set(re.findall(r"^#+ ((?:\d+|[A-F])(?:\.\d+)*)\.? ", rfc.read_text(), re.MULTILINE))
    text = re.sub(r"RFC (?!9846)\d+,\s+(?:section|appendix) [\dA-F.]+", "", chapter.read_text())
    for number in re.findall(r"(?:section|appendix) ((?:\d+|[A-F])(?:\.\d+)*)", text):
        assert number in headings, number


@pytest.mark.parametrize("chapter", ALL, ids=lambda chapter: chapter.stem)
def test_an_experiment_that_is_named_exists(chapter) -> None:
    for name in re.findall(r"tls13 break ([a-z][a-z-]+)", chapter.read_text()):
        assert name in EXPERIMENTS, name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "says\n2"),
        ("```python\nprint(1)\n```\n", "what comes is\n1"),
        ("```console\n$ echo one\ntwo\n```\n", "says\ntwo"),
        ("```python tls13/client.py\nnothing_like_this = 1\n```\n", "does not say"),
        ("```sh\nrm -rf /\n```\n", "neither run nor compared"),
    ],
)
def test_a_chapter_that_lies_is_caught(text, why, tmp_path) -> None:
    (block,) = chapters.blocks(text)
    with pytest.raises(chapters.DocumentLies, match=why):
        chapters.Session(tmp_path / "00-lies.md", tmp_path).run(block)


def test_a_program_that_fails_fails_the_chapter(tmp_path) -> None:
    (block,) = chapters.blocks("```python\nraise RuntimeError('as it happens')\n```\n")
    with pytest.raises(RuntimeError, match="as it happens"):
        chapters.Session(tmp_path / "00.md", tmp_path).run(block)


def test_a_chapter_can_be_run_from_the_command_line(capsys) -> None:
    assert chapters.main(["2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# 2. Keys out of nowhere\n")
    assert "\nX25519MLKEM768 1216 1120 True\n" in out


def test_a_chapter_that_lies_ends_with_one_and_a_sentence(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "01-lies.md").write_text("# 1. Lies\n\n```python\nprint(1)\n```\n\n```text\n2\n```\n")
    monkeypatch.setattr(chapters, "GUIDE", tmp_path)
    assert chapters.main([]) == 1
    assert "01-lies.md, line 3: the chapter says\n2" in capsys.readouterr().err
