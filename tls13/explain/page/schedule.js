/* The key schedule as a graph: everything that is secret in this connection, and what each value was made from.

   Wide: columns from left to right, a node one column after the latest of its inputs, so that the spine of RFC 9846's
   section 7.1 (Early Secret, Handshake Secret, Main Secret) runs through the middle. Narrow: one node a line, indented below
   what it was made from, as in the RFC's own drawing. Both are positions only; the drawing is the same. */

const NODE = { width: 158, height: 30, gapX: 34, gapY: 12, indent: 13 };

const KINDS = {
  input: "comes from outside", extract: "HKDF-Extract", derive: "Derive-Secret", expand: "HKDF-Expand-Label",
  hash: "transcript hash", mac: "HMAC",
};

function schedule(story) {
  const nodes = story.schedule;
  const detail = el("div", { class: "node-detail", "aria-live": "polite" });
  const canvas = el("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "The key schedule, as a graph" });
  let chosen = null, wide = null;

  function choose(id) {
    if (!nodes.some((node) => node.id === id)) return;
    chosen = id;
    light();
    detail.replaceChildren(...nodeDetail(story, nodes.find((node) => node.id === id)));
  }

  function light() {
    const before = lineage(nodes, chosen, (node) => node.inputs);
    const after = lineage(nodes, chosen, (node) =>
      nodes.filter((other) => other.inputs.includes(node.id)).map((other) => other.id));
    for (const one of canvas.querySelectorAll("[data-node]")) {
      const id = one.dataset.node;
      one.classList.toggle("chosen", id === chosen);
      one.classList.toggle("before", before.has(id) && id !== chosen);
      one.classList.toggle("after", after.has(id) && id !== chosen);
      if (one.tagName === "a") one.setAttribute("aria-current", String(id === chosen));
    }
    for (const edge of canvas.querySelectorAll("[data-from]")) {
      const { from, to } = edge.dataset;
      edge.classList.toggle("before", before.has(from) && before.has(to));
      edge.classList.toggle("after", after.has(from) && after.has(to));
    }
  }

  function draw() {
    const room = canvas.clientWidth;
    const isWide = room >= 900;
    if (isWide === wide || !room) return;
    wide = isWide;
    canvas.replaceChildren(picture(nodes, isWide ? columns(nodes) : lines(nodes), isWide));
    light();
  }

  new ResizeObserver(draw).observe(canvas);
  choose((nodes.find((node) => node.name === "Handshake Secret") || nodes.find((node) => node.kind === "extract") || nodes[0]).id);
  return { board: el("div", { class: "schedule" }, el("div", {}, legend(nodes), canvas), detail), choose };
}

/** All that can be reached from `id` by `next`, itself included. */
function lineage(nodes, id, next) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const found = new Set();
  const waiting = [id];
  while (waiting.length) {
    const node = byId.get(waiting.pop());
    if (!node || found.has(node.id)) continue;
    found.add(node.id);
    waiting.push(...next(node));
  }
  return found;
}

// --- Where each node stands --------------------------------------------------------------------------------------------

/** How many nodes lie on the longest way to this one. What is only an input stands just left of its first use. */
function depths(nodes) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const known = new Map();
  const depth = (node) => {
    if (!known.has(node.id)) {
      known.set(node.id, 0);  // a circle would be the data's fault; it must not hang the page
      const inputs = node.inputs.map((id) => byId.get(id)).filter(Boolean);
      known.set(node.id, inputs.length ? 1 + Math.max(...inputs.map(depth)) : 0);
    }
    return known.get(node.id);
  };
  nodes.forEach(depth);
  for (const node of nodes) {
    if (node.inputs.length) continue;
    const users = nodes.filter((other) => other.inputs.includes(node.id)).map((other) => known.get(other.id));
    if (users.length) known.set(node.id, Math.min(...users) - 1);
  }
  return known;
}

function columns(nodes) {
  const depth = depths(nodes);
  const filled = [];
  const places = new Map();
  for (const node of nodes) (filled[depth.get(node.id)] ||= []).push(node);
  const tallest = Math.max(...filled.filter(Boolean).map((column) => column.length));
  filled.forEach((column, x) => {
    const weight = (node) => {  // beside the secret it was made from, as far as there is room; what is no secret, below
      const rows = node.inputs.map((id) => places.get(id)).filter((place) => place && !place.root).map((place) => place.row);
      return rows.length ? rows.reduce((sum, row) => sum + row, 0) / rows.length : filled.length > 1 && x ? nodes.length : 0;
    };
    const ordered = column.map((node, index) => [weight(node), index, node]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    ordered.forEach(([, , node], index) => {
      const row = (index + 0.5) * (tallest / column.length) - 0.5;
      places.set(node.id, {
        row, root: !node.inputs.length, x: x * (NODE.width + NODE.gapX), y: 4 + row * (NODE.height + NODE.gapY), width: NODE.width,
      });
    });
  });
  return places;
}

function lines(nodes) {
  const depth = depths(nodes);
  const order = [...nodes].sort((a, b) => depth.get(a.id) - depth.get(b.id));
  const children = new Map();
  const roots = [];
  for (const node of order) {  // hang each below the deepest of its inputs
    const parent = node.inputs.filter((id) => depth.has(id)).sort((a, b) => depth.get(b) - depth.get(a))[0];
    if (parent === undefined) roots.push(node);
    else children.set(parent, [...(children.get(parent) || []), node]);
  }
  const places = new Map();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const put = (node, level) => places.set(node.id, {
    row: places.size, x: Math.min(level, 9) * NODE.indent, y: 4 + places.size * (NODE.height + 6), width: 190,
  });
  const walk = (node, level) => {
    if (places.has(node.id)) return;
    for (const id of node.inputs) {  // what comes from outside stands right above its first use
      if (byId.has(id) && !places.has(id) && roots.includes(byId.get(id))) put(byId.get(id), level);
    }
    put(node, level);
    for (const child of children.get(node.id) || []) walk(child, level + 1);
  };
  for (const node of roots) if (!nodes.some((other) => other.inputs.includes(node.id))) put(node, 0);
  for (const node of order) if (node.inputs.length) walk(node, Math.max(0, depth.get(node.id) - 1));
  return places;
}

// --- The drawing -------------------------------------------------------------------------------------------------------

function picture(nodes, places, wide) {
  const all = [...places.values()];
  const width = Math.max(...all.map((place) => place.x + place.width)) + 4;
  const height = Math.max(...all.map((place) => place.y)) + NODE.height + 4;
  const edges = nodes.flatMap((node) => node.inputs.filter((id) => places.has(id)).map((id) =>
    svg("path", { class: "edge", "data-from": id, "data-to": node.id, d: curve(places.get(id), places.get(node.id), wide) })));
  return svg("svg", { class: wide ? "wide" : "narrow", viewBox: `-2 0 ${width + 2} ${height}`, width: width + 2, height, role: "group",
    "aria-label": "Each node is a link to its values" }, edges, nodes.map((node) => drawn(node, places.get(node.id))));
}

function curve(from, to, wide) {
  const middle = (place) => place.y + NODE.height / 2;
  if (!wide) {
    const gutter = from.x + 5;
    return to.y > from.y ? `M${gutter},${from.y + NODE.height} V${middle(to)} H${to.x}`
      : `M${from.x + from.width},${middle(from)} h10 V${middle(to)} H${to.x + to.width}`;
  }
  const [x1, y1, x2, y2] = [from.x + from.width, middle(from), to.x, middle(to)];
  const bend = Math.min((x2 - x1) / 2, 60);
  return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}

function drawn(node, place) {
  const name = inLines(node.name, place.width);
  return svg("a", { class: `node node-${node.kind}${node.value ? "" : " unknown"}`, "data-node": node.id, href: `#key-${node.id}`,
    "aria-label": `${node.name}, ${KINDS[node.kind] || node.kind}` },
    svg("title", {}, node.name),
    svg("rect", { x: place.x, y: place.y, width: place.width, height: NODE.height, rx: node.kind === "input" ? 15 : 5 }),
    svg("text", { class: name.length > 1 ? "small" : null, "text-anchor": "middle" }, name.map((line, index) => svg("tspan", {
      x: place.x + place.width / 2, y: place.y + NODE.height / 2 + (name.length > 1 ? index * 12 - 2 : 4),
    }, line))));
}

/** A name that is too long for one line in two, broken where its words are. What is still too long is cut. */
function inLines(name, width) {
  if (name.length <= width / 7) return [name];
  const room = Math.floor(width / 6);
  const breaks = [...name.matchAll(/[_ .(-]+/g)].map((found) => found.index + found[0].length);
  const best = breaks.sort((a, b) => Math.abs(a - name.length / 2) - Math.abs(b - name.length / 2))[0] || room;
  const cut = (line) => (line.length > room ? `${line.slice(0, room - 1)}…` : line);
  return [cut(name.slice(0, best)), cut(name.slice(best))];
}

function legend(nodes) {
  const used = Object.keys(KINDS).filter((kind) => nodes.some((node) => node.kind === kind));
  return el("ul", { class: "chips legend" }, used.map((kind) => el("li", { class: `chip node-${kind}` }, KINDS[kind])));
}

// --- One node ----------------------------------------------------------------------------------------------------------

function nodeDetail(story, node) {
  const link = (id) => {
    const other = story.schedule.find((one) => one.id === id);
    return other ? el("li", {}, el("a", { href: `#key-${id}` }, other.name),
      other.value ? el("code", { class: "peek" }, spaced(other.value)) : null) : null;
  };
  const users = story.schedule.filter((other) => other.inputs.includes(node.id));
  const step = story.steps.find((one) => one.id === node.step);
  const facts = [
    el("h3", { id: "node-title" }, node.name, " ", citation(node.section)),
    el("p", {}, node.meaning),
    node.rfc ? el("p", { class: "rfc-line" }, el("code", {}, node.rfc)) : null,
    node.value ? value(node.value, node.name) : el("p", { class: "note" }, node.why_unknown || "Not known."),
    terms([
      ["operation", KINDS[node.kind] || node.kind],
      ["label", node.label ? el("code", {}, `"${node.label}"`) : null],
      ["transcript hash", node.transcript_hash ? el("code", {}, spaced(node.transcript_hash)) : null],
      ["comes into being", step ? el("a", { href: `#step-${step.id}` }, `with ${step.name}`) : null],
    ]),
    node.inputs.length ? [el("h4", {}, "Made from"), el("ul", { class: "inputs" }, node.inputs.map(link))] : null,
    users.length ? [el("h4", {}, "Used for"), el("ul", { class: "inputs" }, users.map((other) =>
      el("li", {}, el("a", { href: `#key-${other.id}` }, other.name))))] : null,
  ];
  const programs = [snippet("Python", node.python), snippet("Shell", node.shell)].filter(Boolean);
  return [el("div", {}, facts), programs.length ? el("div", {}, el("h4", {}, "Compute it yourself"), programs) : ""];
}
