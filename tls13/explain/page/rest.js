/* The head of the page, the lessons, and the network below. */

function head(story) {
  const bytes = story.records.reduce((sum, one) => sum + (one.bytes_length || pairs(one.bytes).length), 0);
  const messages = story.steps.filter((step) => step.kind === "message").length;
  const agreed = story.negotiated || {};
  return el("div", { class: "head" },
    el("p", { class: "source" }, story.source),
    el("ul", { class: "chips variants", "aria-label": "What kind of connection this is" },
      story.variant.map((one) => el("li", { class: "chip" }, one))),
    el("p", { class: `outcome outcome-${story.outcome.kind}` }, story.outcome.text),
    terms([...Object.entries(AGREED).map(([name, label]) => [label, agreed[name]]),
      ["on the wire", `${plural(messages, "message")} in ${plural(story.records.length, "record")}, ${plural(bytes, "byte")}`]], "facts"),
    el("p", { class: story.redacted ? "note" : "note secret" }, story.redacted
      ? "Redacted: no secret of this connection is in this page, nor what only its secrets reveal. It can be shared."
      : "This page holds the secrets of this connection: whoever has it can read everything that was sent. " +
        "To share one, make it with --redact."),
    (story.notes || []).map((note) => el("p", { class: "note" }, note)));
}

const AGREED = {
  server_name: "server name", cipher_suite: "cipher suite", group: "key exchange", signature_scheme: "signature",
  alpn: "protocol inside", psk: "pre-shared key", early_data: "early data",
};

function lessons(story) {
  return el("div", { class: "lessons" }, story.lessons.map((lesson) =>
    el("article", { class: "lesson", id: `lesson-${lesson.id}` },
      el("div", {}, el("h3", {}, lesson.title), lesson.text.map((paragraph) => el("p", {}, paragraph))),
      el("div", {}, lesson.shown.length ? el("table", { class: "shown" }, el("tbody", {}, lesson.shown.map(([what, result]) =>
        el("tr", {}, el("th", { scope: "row" }, what), el("td", {}, hexOrWords(result)))))) : null,
      snippet("Python", lesson.python)))));
}

function hexOrWords(text) {
  return /^[0-9a-f]{16,}$/.test(text) ? el("code", {}, spaced(text)) : String(text);
}

// --- The layer beneath (network.py) ------------------------------------------------------------------------------------

const PHASES = { dns: "name lookup", tcp: "TCP handshake", tls: "TLS handshake" };

function network(facts) {
  const raw = facts.tcp_info;
  return el("div", { class: "network" },
    phases(facts.times_ms || {}),
    el("table", { class: "shown meant" }, el("tbody", {}, (facts.rows || []).map(([what, result, meaning]) =>
      el("tr", {}, el("th", { scope: "row" }, what), el("td", {}, el("b", {}, result), el("span", {}, meaning)))))),
    (facts.verdicts || []).length ? [el("h3", {}, "Did TCP hold this connection back?"),
      terms(facts.verdicts)] : null,
    raw ? folded("What the kernel said (TCP_INFO)", () => terms(Object.entries(raw).map(([name, fact]) =>
      [name.replaceAll("_", " "), Array.isArray(fact) ? fact.join(", ") : String(fact)]))) : null);
}

/** The three waits in proportion. */
function phases(times) {
  const known = Object.entries(PHASES).filter(([name]) => typeof times[name] === "number");
  const all = known.reduce((sum, [name]) => sum + times[name], 0);
  if (!all) return null;
  return el("div", { class: "strip phases" }, known.map(([name, title]) => {
    const part = el("div", { class: `strip-part phase-${name}` }, el("b", {}, title), el("span", {}, milliseconds(times[name])));
    part.style.flexGrow = Math.max(times[name] / all, 0.02) * 100;
    return part;
  }));
}
