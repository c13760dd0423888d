/* Two handshakes side by side. What to compare was found by diff.py; here it is only shown. */

function difference(found, stories) {
  const only = el("input", { type: "checkbox", checked: true, onchange: () => board.classList.toggle("only", only.checked) });
  const board = el("div", { class: "diff only" },
    el("ul", { class: "legend-ab" }, stories.map((story, index) =>
      el("li", {}, el("b", {}, short(story, index)), " ", el("span", { class: "soft" }, `${story.variant.join(", ")}. ${story.source}`)))),
    el("div", { class: "pair" }, stories.map((story, index) => el("section", {},
      el("h2", { class: "unseen" }, `The steps of ${"AB"[index]}`), lifelines(story, (at) => visit(index, at)).board))),
    el("p", {}, el("label", {}, only, " only what differs")),
    el("h2", {}, "What was agreed"), diffTable("", found.facts.map((row) => ({ ...row, level: 0 }))),
    el("h2", {}, "Size and time"), diffTable("", found.numbers.map((row) => ({ ...row, level: 0 }))),
    el("h2", {}, "Message by message"), found.messages.map(messageDiff));
  return board;
}

/** What tells the two apart: the title, or where that is the same, what kind of connection it is. */
function short(story, index) {
  const same = stories.every((other) => other.title === story.title);
  return `${"AB"[index]}: ${same ? story.variant.join(", ") : story.title}`;
}

function messageDiff(message) {
  const { name, a, b, rows } = message;
  const changes = rows.filter((row) => !row.same).length;
  const verdict = a === null ? "only in B" : b === null ? "only in A"
    : changes ? plural(changes, "difference") : "the same fields with the same values";
  if (a === null || b === null) {
    const index = a === null ? 1 : 0;
    const at = stories[index].steps.findIndex((step) => step.id === (a ?? b));
    return el("p", { class: "message-diff alone" }, el("b", {}, name), " ", el("span", { class: "soft" }, verdict), " ",
      el("button", { type: "button", onclick: () => visit(index, at) }, "See it"));
  }
  return el("section", { class: changes ? "message-diff" : "message-diff same" },
    folded([el("b", {}, name), " ", el("span", { class: "soft" }, verdict)],
      () => diffTable("field", rows), name === "ClientHello"));
}

/** Leaves the comparison for one step of one of the two. */
function visit(index, at) {
  show(index);
  reach(`#step-${stories[index].steps[at].id}`);
  document.getElementById("stage-title").focus();
}

function diffTable(first, rows) {
  return el("table", { class: "diff-table" },
    el("thead", {}, el("tr", {}, [first, "A", "B"].map((title) =>
      el(title ? "th" : "td", title ? { scope: "col" } : {}, title)))),
    el("tbody", {}, rows.map((row) => {
      const head = el("th", { scope: "row" }, row.name);
      head.style.setProperty("--level", row.level);
      return el("tr", { class: row.same ? "same" : "differs" }, head, diffCell(row.a, "A"), diffCell(row.b, "B"));
    })));
}

function diffCell(text, whose) {
  return text === null ? el("td", { class: "absent", "data-whose": whose }, "not there") : el("td", { "data-whose": whose }, text);
}
