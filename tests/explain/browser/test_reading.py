"""The page in Chromium, as a reader meets it: with mouse and with keys, wide and narrow, light and dark, on paper.

Nothing here waits for time to pass: where the page has a clock of its own, the test moves it.
"""

from __future__ import annotations

import pytest

from tests.explain.told import EVIL, Told, protection, record, step, story
from tls13.explain.demos import demo
from tls13.explain.telling import tell

pytestmark = pytest.mark.interop


# --- Keys and clock ---------------------------------------------------------------------------------------------------


def test_the_whole_page_is_walked_by_keyboard(read) -> None:
    tab = read(Told(story())).tab
    tab.locator(".step").first.focus()
    tab.keyboard.press("ArrowDown")
    assert tab.inner_text("[aria-current=step]").startswith("1.5 ms")
    assert tab.evaluate("document.activeElement.getAttribute('aria-current')") == "step"
    tree = tab.locator(".stage > .inspector [role=treeitem]")
    tree.first.focus()
    for key, name in [
        ("ArrowDown", "msg_type"),
        ("End", "extensions"),
        ("ArrowLeft", "extensions"),
        ("Home", "ClientHello"),
    ]:
        tab.keyboard.press(key)
        if name != "extensions":
            assert tab.locator(":focus .field-name").inner_text() == name
    tab.keyboard.press("ArrowLeft")
    assert tree.first.get_attribute("aria-expanded") == "false"
    assert not tree.nth(1).is_visible()
    tab.keyboard.press("ArrowRight")
    grid = tab.locator(".stage > .inspector .hex")
    grid.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".stage > .inspector .row.lit .field-name").inner_text() == "random"
    node = tab.locator(".node[data-node=early]")
    node.focus()
    tab.keyboard.press("Enter")
    assert "what Early Secret is" in tab.inner_text(".node-detail")


FOCUSED = """() => {
  const { className, tagName } = document.activeElement;
  const { outlineStyle } = getComputedStyle(document.activeElement);
  return [className.baseVal ?? (className || tagName), outlineStyle];
}"""


def test_tab_stops_at_everything_that_can_be_used_and_shows_where_it_is(read) -> None:
    tab = read(Told(story())).tab
    seen = {}
    for _ in range(80):
        tab.keyboard.press("Tab")
        kind, outline = tab.evaluate(FOCUSED)
        seen[kind.split()[0]] = outline
    assert {"theme", "copy", "hex", "graph", "step", "row", "node"} <= set(seen)
    assert (
        seen.pop("node") == "none"
    )  # a node of the graph has a thick border instead: outlines of SVG are not drawn everywhere
    assert {kind for kind, outline in seen.items() if outline == "none"} <= {"BODY"}


def test_it_plays_by_itself_and_stops_at_the_end(read) -> None:
    tab = read(Told(story())).tab
    tab.clock.install()
    tab.get_by_role("button", name="Play").click()
    tab.clock.run_for(2700)
    assert "2 / 5" in tab.inner_text(".where")
    tab.clock.run_for(60_000)
    assert "5 / 5" in tab.inner_text(".where")
    assert tab.get_by_role("button", name="Play").is_visible()


@pytest.mark.parametrize(("wish", "display"), [("reduce", "none"), ("no-preference", "block")])
def test_who_has_asked_for_less_motion_gets_none(read, wish, display) -> None:
    tab = read(Told(story()), reduced_motion=wish).tab
    dot = "getComputedStyle(document.querySelector('.step[aria-current] .arrow'), '::after').display"
    assert tab.evaluate(dot) == display


def test_a_snippet_is_copied_as_it_is(read) -> None:
    told = story()
    reader = read(Told(told), permissions=["clipboard-read", "clipboard-write"])
    reader.tab.get_by_role("button", name="Copy the Python").first.click()
    reader.tab.get_by_role("button", name="Copy the Python").first.get_by_text("Copied").wait_for()
    assert reader.tab.evaluate("navigator.clipboard.readText()") == told["schedule"][2]["python"]


def test_a_link_leads_to_a_step_and_to_a_key(read) -> None:
    reader = read(Told(story()))
    reader.tab.goto(reader.file.as_uri() + "#step-3")
    assert "application_data" in reader.tab.inner_text("#stage-title")
    reader.requests.clear()
    reader.requests.append(reader.file.as_uri())
    reader.tab.locator(".born a").first.click()
    assert "what Early Secret is" in reader.tab.inner_text(".node-detail")


# --- Hostile words, long data, two stories, paper ---------------------------------------------------------------------


def test_hostile_words_are_words(read) -> None:
    reader = read(Told(story()))
    for at in reader.steps():
        reader.go(at)
        reader.unfold()
    tab = reader.tab
    assert tab.title() == story()["title"]
    assert tab.locator("img, iframe, object, embed, link").count() == 0
    assert tab.locator("script").count() == 2
    assert EVIL in tab.inner_text("#chain")


def test_what_was_cut_says_how_much_there_was(read) -> None:
    body = bytes(range(256)) * 64
    steps = [step(at, "data", kind="application_data", bytes=body.hex(), records=[at]) for at in range(40)]
    records = [record(at, body, protection=protection(body)) for at in range(40)]
    reader = read(Told(story(steps=steps, records=records)))
    assert "of 16,384 bytes" in reader.tab.inner_text(".stage > .inspector")


def test_two_handshakes_are_compared_and_each_is_shown(read) -> None:
    other = story(title="the other", variant=["resumption"])
    tab = read(Told(story()), Told(other)).tab
    assert "Two handshakes" in tab.inner_text("h1")
    assert tab.locator(".diff-table .differs").count() > 0
    before = tab.locator(".diff-table tr:visible").count()
    tab.get_by_label("only what differs").uncheck()
    assert tab.locator(".diff-table tr:visible").count() > before
    tab.get_by_role("button", name="B: the other").click()
    assert tab.inner_text("h1") == "the other"
    assert tab.locator(".step").count() == 5


def test_a_step_in_the_comparison_leads_to_it_in_its_own_handshake(read) -> None:
    tab = read(Told(story()), Told(story(title="the other", steps=[step(7, "ServerHello", to_server=False)]))).tab
    tab.get_by_role("button", name="See it").last.click()
    assert tab.inner_text("h1") == story()["title"]
    tab.get_by_role("button", name="A | B").click()
    tab.locator(".pair section:last-child .step").click()
    assert tab.inner_text("h1") == "the other"
    assert "ServerHello" in tab.inner_text("#stage-title")


def test_on_paper_there_is_every_step_and_every_value(read) -> None:
    tab = read(Told(story())).tab
    tab.evaluate(
        "addEventListener('beforeprint', () => { window.paper = document.getElementById('paper').textContent; })"
    )
    assert tab.pdf().startswith(b"%PDF")
    paper = tab.evaluate("window.paper")
    for one in story()["steps"]:
        assert one["purpose"] in paper
    assert "what extension_data is for" in paper
    assert "Early Secret" in paper
    assert tab.locator("#paper").count() == 0


def test_a_redacted_story_can_be_walked_and_says_that_it_can_be_shared(read) -> None:
    reader = read(tell(demo("mutual-tls"), redact=True))
    for at in reader.steps():
        reader.go(at)
        reader.unfold()
    assert "It can be shared" in reader.tab.inner_text(".head")
    assert "holds the secrets" not in reader.tab.inner_text(".head")
    reader.tab.locator(".node.unknown").first.dispatch_event("click")
    assert reader.tab.locator(".node-detail .value").count() == 0


# --- Small windows, contrast ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 360, 768, 1400])
@pytest.mark.parametrize("variant", ["mutual-tls", "x25519mlkem768"])
def test_the_page_never_scrolls_sideways(read, variant, width) -> None:
    reader = read(tell(demo(variant)), viewport={"width": width, "height": 780})
    for at in reader.steps():
        reader.go(at)
        if at < 3:
            reader.unfold()
        assert reader.tab.evaluate("document.documentElement.scrollWidth") == width


def test_a_comparison_does_not_scroll_sideways_either(read) -> None:
    reader = read(tell(demo("1-rtt")), tell(demo("resumption")), viewport={"width": 360, "height": 780})
    reader.unfold()
    assert reader.tab.evaluate("document.documentElement.scrollWidth") == 360


AXE = """async () => (await axe.run(document, {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
})).violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 200))])"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_axe_finds_nothing_to_blame(read, axe, theme, width) -> None:
    """Contrast at level AA, names, roles, order of headings. (The driver brings its script past the policy.)"""
    reader = read(Told(story()), color_scheme=theme, viewport={"width": width, "height": 800}, bypass_csp=True)
    reader.tab.add_script_tag(path=axe)
    for at in reader.steps():
        reader.go(at)
        reader.unfold()
        assert reader.tab.evaluate(AXE) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_a_real_handshake_and_a_comparison(read, axe, theme) -> None:
    reader = read(tell(demo("mutual-tls")), tell(demo("resumption")), color_scheme=theme, bypass_csp=True)
    reader.tab.add_script_tag(path=axe)
    reader.unfold()
    assert reader.tab.evaluate(AXE) == []
    reader.tab.get_by_role("button", name="A:").click()
    for at in (0, 2, 6):
        reader.go(at)
        assert reader.tab.evaluate(AXE) == []
