/* One step, whole: what it is for, who knows what after it, its bytes, the records that carried it, the keys that come
   into being with it. */

function stage(story, at) {
  const step = story.steps[at];
  const travels = step.kind !== "keys";
  return el("article", { class: "stage", "aria-labelledby": "stage-title" },
    el("header", {},
      el("p", { class: "stage-way" },
        el("span", { class: step.to_server ? "of-client" : "of-server" },
          travels ? (step.to_server ? "Client → Server" : "Server → Client") : "Keys"),
        epochBadge(step.epoch),
        el("span", {}, [travels && step.length ? plural(step.length, "byte") : null, milliseconds(step.time_ms),
          step.round_trip ? `round trip ${step.round_trip}` : null].filter(Boolean).join(" · "))),
      el("h3", { id: "stage-title", tabindex: -1 }, step.name, " ", citation(step.section)),
      el("p", { class: "purpose" }, step.purpose)),
    terms(step.summary, "summary"),
    knowledge(story, at),
    keysBorn(story, step),
    step.bytes ? [
      el("h4", {}, "Byte by byte"),
      inspector(step.name, step.bytes, step.fields || unnamed(step), step.bytes_length),
    ] : null,
    step.transcript_hash ? [
      el("h4", {}, "The transcript up to here"),
      el("p", { class: "soft" }, "A hash of every handshake message so far. Keys, signatures and Finished are made over it, " +
        "so two sides that saw different bytes cannot agree. ", citation("RFC 9846, 4.1")),
      value(step.transcript_hash, "the transcript hash"),
    ] : null,
    recordsOf(story, step));
}

/** What TLS carries and does not look into: one field. */
function unnamed(step) {
  const end = step.bytes_length || pairs(step.bytes).length;
  return { name: step.name, start: 0, end, type: "opaque", value: plural(end, "byte"), meaning: step.purpose,
    section: step.section, fields: [] };
}

// --- Who knows what ----------------------------------------------------------------------------------------------------

const SIDES = [
  ["client_knows", "The client knows", "of-client"],
  ["wire_sees", "Someone on the wire sees", "of-wire"],
  ["server_knows", "The server knows", "of-server"],
];

function knowledge(story, at) {
  return el("div", { class: "knowledge" }, SIDES.map(([part, title, kind]) => {
    const now = story.steps[at][part] || [];
    const before = story.steps.slice(0, at).flatMap((step) => step[part] || []);
    return el("section", { class: `side ${kind}` },
      el("h4", {}, title),
      now.length ? list(now, "new") : el("p", { class: "soft" }, "Nothing new."),
      before.length ? folded(`and ${plural(before.length, "thing")} from before`, () => list(before, "")) : null);
  }));
}

function list(lines, kind) {
  return el("ul", { class: kind }, lines.map((line) => el("li", {}, line)));
}

function keysBorn(story, step) {
  const nodes = (step.keys || []).map((id) => story.schedule.find((node) => node.id === id)).filter(Boolean);
  if (!nodes.length) return null;
  return el("div", { class: "born" }, el("h4", {}, "Now these come into being"),
    el("ul", { class: "chips" }, nodes.map((node) =>
      el("li", {}, el("a", { class: `chip node-${node.kind}`, href: `#key-${node.id}` }, node.name)))));
}

function recordsOf(story, step) {
  const found = (step.records || []).map((id) => story.records.find((record) => record.id === id)).filter(Boolean);
  if (!found.length) return null;
  const others = story.steps.filter((other) => other !== step && other.records.some((id) => step.records.includes(id)));
  return [
    el("h4", {}, found.length === 1 ? "The record that carried it" : `The ${found.length} records that carried it`),
    others.length ? el("p", { class: "soft" }, `In company: ${others.map((other) => other.name).join(", ")}.`) : null,
    found.map((record) => recordCard(record, story, false)),
  ];
}
