/* Paper cannot be clicked: before printing, every step is written out below each other, and taken away afterwards. */

const PAPER_BYTES = 96;  // of a leaf: enough for keys, hashes and signatures of the elliptic curves

function onPaper(shown) {
  const unfolded = [];
  addEventListener("beforeprint", () => {
    const story = shown();
    if (!story) return;
    document.getElementById("page").append(el("section", { id: "paper" },
      el("h2", {}, "Every step, every field"), story.steps.map((step) => paperStep(story, step)),
      el("h2", {}, "Every value of the key schedule"), story.schedule.map(paperNode)));
    for (const box of document.querySelectorAll(".lessons details, .network details")) if (!box.open) { box.open = true; unfolded.push(box); }
  });
  addEventListener("afterprint", () => {
    for (const box of unfolded.splice(0)) box.open = false;
    document.getElementById("paper")?.remove();
  });
}

function paperStep(story, step) {
  const bytes = pairs(step.bytes);
  const rows = step.fields ? flatten(step.fields) : [];
  return el("article", { class: "paper-step" },
    el("h3", {}, `${step.name} `, el("span", { class: "soft" },
      [step.kind === "keys" ? "" : step.to_server ? "client → server" : "server → client", step.length ? plural(step.length, "byte") : "",
        EPOCHS[step.epoch], step.section].filter(Boolean).join(", "))),
    el("p", {}, step.purpose),
    terms(SIDES.map(([part, title]) => [title, (step[part] || []).join("; ")])),
    rows.length ? el("table", {}, el("tbody", {}, rows.map((row) => paperField(row, bytes)))) : null);
}

function paperField(row, bytes) {
  const { field, index, last } = row;
  const name = el("th", { scope: "row" }, field.name);
  name.style.setProperty("--level", row.level);
  const own = bytes.slice(field.start, field.end);
  const hex = last !== index ? "" : own.slice(0, PAPER_BYTES).join("") + (own.length > PAPER_BYTES ? `… (${own.length} bytes)` : "");
  return el("tr", {}, name, el("td", {}, field.value || "", " ", el("code", {}, spaced(hex))), el("td", {}, field.meaning));
}

function paperNode(node) {
  return el("p", { class: "paper-node" }, el("b", {}, node.name), ` ${node.rfc || ""} `,
    el("code", {}, node.value ? spaced(node.value) : node.why_unknown || ""));
}
