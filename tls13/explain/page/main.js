/* The page, put together: a head, and a section for each way of looking at the same connection. With two
   connections, a switch above all chooses between the first, the second and the difference. */

const { stories, diff } = JSON.parse(document.getElementById("data").textContent);
let current = null;  // the story that is shown, or null while it is the difference

function show(which) {
  current = which === "diff" ? null : stories[which];
  const main = document.getElementById("main");
  main.replaceChildren(...(current ? storyView(current) : diffView()));
  for (const button of document.querySelectorAll(".switch button")) {
    button.setAttribute("aria-pressed", String(button.dataset.which === String(which)));
  }
}

let views = null;  // of the current story: what a link inside the page can ask for

function storyView(story) {
  const sections = [
    ["handshake", "The handshake", "Step through it: each arrow is what one side sent, and beside it stands who knows what by then.", () => handshake(story)],
    ["keys", "The keys", "Every secret of this connection, and what it was made from. Choose a node to see its value and how to compute it.",
      () => (story.schedule.length ? (views.keys = schedule(story)).board : null)],
    ["chain", "The certificates", "Who the server is, on whose word.", () => (story.chain.length ? chain(story) : null)],
    ["lessons", "Why it is built like this", "Shown with this connection's own values.", () => (story.lessons.length ? lessons(story) : null)],
    ["network", "The layer beneath", "What TCP did meanwhile.", () => (story.network ? network(story.network) : null)],
  ];
  views = {};
  const made = sections.map(([id, title, lead, make]) => [id, title, lead, make()]).filter(([, , , board]) => board);
  return [
    el("h1", {}, story.title), head(story),
    el("nav", { class: "contents", "aria-label": "On this page" }, el("ul", {}, made.map(([id, title]) =>
      el("li", {}, el("a", { href: `#${id}` }, title))))),
    ...made.map(([id, title, lead, board]) => el("section", { id, "aria-labelledby": `${id}-title`, tabindex: -1 },
      el("h2", { id: `${id}-title` }, title), el("p", { class: "lead" }, lead), ...[board].flat(3).filter(Boolean))),
  ];
}

function handshake(story) {
  const place = el("div", { class: "stage-place" });
  const time = lifelines(story, (at) => {
    control.stop();
    control.go(at);
    if (place.getBoundingClientRect().top > innerHeight * 0.7) place.scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
  });
  const control = player(story, (at) => {
    time.show(at);
    place.replaceChildren(stage(story, at));
    say(`Step ${at + 1} of ${story.steps.length}: ${story.steps[at].name}`);
    if (at || location.hash.startsWith("#step-")) history.replaceState(null, "", `#step-${story.steps[at].id}`);
  });
  views.steps = control;
  const board = el("div", { class: "handshake" }, el("div", { class: "handshake-side" }, control.bar, time.board), place);
  board.querySelector(".handshake-side").addEventListener("keydown", (event) => arrows(event, control, time));
  control.go(0);
  return board;
}

/** Up and down walk the steps from wherever the focus is on the lifelines or the buttons. */
function arrows(event, control, time) {
  const by = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || event.target.type === "range") return;
  event.preventDefault();
  control.stop();
  control.go(control.at() + by);
  if (event.target.classList.contains("step")) time.board.querySelector("[aria-current]").focus();
}

function diffView() {
  views = {};
  return [el("h1", {}, "Two handshakes, side by side"), difference(diff, stories)];
}

/** Follows a link inside the page: to a step or to a key. (Those to sections the browser follows by itself.) */
function reach(hash) {
  const [, kind, id] = /^#(step|key)-(.+)$/.exec(decodeURIComponent(hash)) || [];
  if (kind === "step" && views.steps) {
    const at = current.steps.findIndex((step) => String(step.id) === id);
    if (at < 0) return;
    views.steps.stop();
    views.steps.go(at);
    document.getElementById("handshake").scrollIntoView();
  } else if (kind === "key" && views.keys) {
    views.keys.choose(id);
    const { top } = document.querySelector(".node-detail").getBoundingClientRect();
    if (top < 0 || top > innerHeight * 0.7) document.getElementById("keys").scrollIntoView();
  }
}

// --- Above all: the switch between two handshakes, and light or dark ---------------------------------------------------

const THEMES = { auto: "light dark", light: "light", dark: "dark" };

function themeButton() {
  let theme = "auto";
  const button = el("button", { type: "button", class: "theme", onclick: () => {
    theme = { auto: "light", light: "dark", dark: "auto" }[theme];
    document.documentElement.style.colorScheme = THEMES[theme];
    name();
  } });
  const name = () => { button.textContent = { auto: "◐ as the system", light: "○ light", dark: "● dark" }[theme]; };
  name();
  return button;
}

function storySwitch() {
  if (stories.length < 2) return null;
  const button = (which, title) =>
    el("button", { type: "button", "data-which": which, "aria-pressed": "false", onclick: () => show(which) }, title);
  return el("div", { class: "switch", role: "group", "aria-label": "Which handshake" },
    button("diff", "A | B"), stories.map((story, index) => button(index, short(story, index))));
}

document.getElementById("page").append(
  el("header", { class: "top" }, el("span", { class: "brand" }, "TLS 1.3, ", el("span", {}, "seen")), storySwitch(), themeButton()),
  el("main", { id: "main" }),
  el("div", { id: "said", class: "unseen", role: "status" }),
  el("footer", {}, "Made by tls13 explain. Sections are those of RFC 9846 unless another RFC is named."));
addEventListener("hashchange", () => reach(location.hash));
onPaper(() => current);
show(diff ? "diff" : 0);
reach(location.hash);
