/* Records: what went over the wire. A protected one is shown twice, as everybody saw it and as the two ends read it,
   with the pieces that lead from one to the other. */

function recordCard(record, story, open) {
  const way = record.to_server ? "client → server" : "server → client";
  const size = record.bytes_length || pairs(record.bytes).length;
  const guard = record.protection;
  const title = [
    el("span", { class: "record-title" }, `Record ${record.id}`), el("span", { class: "soft" }, ` ${way}, `),
    plural(size, "byte"), " ", guard && guard.opened !== false ? epochBadge(guard.epoch) : null,
  ];
  return folded(title, () => [
    el("h5", {}, guard ? "What everybody on the way saw" : "The record, in the clear"),
    inspector(`record ${record.id}`, record.bytes, record.fields, record.bytes_length),
    guard ? (guard.opened === false ? unopened(guard) : opened(record, guard, story)) : null,
  ], open);
}

function unopened(guard) {
  return el("p", { class: "note" }, "Not opened: ", guard.why);
}

function opened(record, guard, story) {
  return el("div", { class: "opened" },
    el("h5", {}, "How it was sealed"), sealedStrip(guard),
    el("p", {}, "The nonce is the write IV with the number of the record (counted from 0 under each key) XORed into " +
      "its end, so that no key ever sees the same nonce twice. ", citation("RFC 9846, 5.3")),
    nonceRows(guard),
    terms([
      ["key", guard.key ? keyLink(guard.key_node, guard.key, story) : null],
      ["additional data", noted(guard.additional_data, "the record's header: not secret, and it cannot be changed either")],
      ["tag", noted(guard.tag, "one flipped bit anywhere above, and this no longer fits")],
    ]),
    snippet("Python", guard.python),
    el("h5", {}, "What was inside"),
    inspector(`the inside of record ${record.id}`, guard.inner, guard.inner_fields, guard.inner_length));
}

function noted(hex, note) {
  return [el("code", {}, spaced(hex)), " ", el("span", { class: "soft" }, note)];
}

/** Header, ciphertext and tag in proportion: most of a small record is not the message. */
function sealedStrip(guard) {
  const parts = [
    ["header", pairs(guard.additional_data).length],
    ["ciphertext", guard.ciphertext_length || pairs(guard.ciphertext).length],
    ["tag", pairs(guard.tag).length],
  ];
  return el("div", { class: "strip" }, parts.map(([name, size]) => {
    const part = el("div", { class: `strip-part strip-${name}` }, el("b", {}, name), el("span", {}, plural(size, "byte")));
    part.style.flexGrow = Math.max(size, 12);
    return part;
  }));
}

/** iv, sequence number and nonce, one below the other; what the sequence number has changed is marked. */
function nonceRows(guard) {
  const nonce = pairs(guard.nonce);
  const number = pairs(guard.sequence.toString(16).padStart(nonce.length * 2, "0"));
  const iv = guard.iv ? pairs(guard.iv) : nonce.map((byte, at) =>
    (parseInt(byte, 16) ^ parseInt(number[at], 16)).toString(16).padStart(2, "0"));
  const row = (name, bytes) => el("tr", {}, el("th", { scope: "row" }, name), bytes.map((byte, at) =>
    el("td", { class: number[at] === "00" ? null : "changed" }, byte)));
  return el("div", { class: "nonce", tabindex: 0, role: "group", "aria-label": "How the nonce is made" },
    el("table", {}, el("tbody", {}, row("IV", iv), row(`⊕ ${guard.sequence}`, number), row("nonce", nonce))));
}

function keyLink(node, hex, story) {
  const known = story.schedule.find((one) => one.id === node);
  return [el("code", {}, spaced(hex)), known ? [" ", el("a", { href: `#key-${node}` }, `how it was made: ${known.name}`)] : null];
}
