/* Bytes and what they mean, side by side. A field on one side lights its bytes on the other, and a byte its field.

   Pointing shows; clicking, or moving there with the keys, keeps. The tree follows the ARIA tree pattern (one stop for
   Tab, arrows inside). The bytes are one stop as well: arrows move a cursor over them, which is how somebody without
   a mouse asks what a byte is. */

const ROOMY = 90;  // rows: a tree up to this size is shown open
const FEW = 160;  // bytes: up to so many are shown without a box that scrolls

/** The tree of `root` as rows in reading order: {field, level, parent, last, depth}. `last` is its last descendant. */
function flatten(root) {
  const rows = [];
  (function walk(field, level, parent) {
    const row = { field, level, parent, last: 0, open: true, index: rows.length };
    rows.push(row);
    for (const child of field.fields || []) walk(child, level + 1, row.index);
    row.last = rows.length - 1;
  })(root, 1, -1);
  return rows;
}

/** Which leaf each byte belongs to. */
function leaves(rows, length) {
  const owner = new Array(length).fill(-1);
  for (const row of rows) {
    if (row.last !== row.index) continue;
    for (let at = row.field.start; at < Math.min(row.field.end, length); at++) owner[at] = row.index;
  }
  return owner;
}

/** `hex` opened by `root`. `whole`: how many bytes there were, if the page holds only the first of them. */
function inspector(label, hex, root, whole) {
  const bytes = pairs(hex);
  const rows = flatten(root);
  const owner = leaves(rows, bytes.length);
  const state = { rows, owner, bytes, kept: 0, cursor: 0, lit: [], cells: [], items: [] };
  const tree = treeOf(label, state);
  const grid = gridOf(label, state);
  const told = el("div", { class: "told", "aria-live": "polite" });
  const board = el("div", { class: "inspector" },
    el("div", { class: "tree-side" }, rows.length > ROOMY ? openers(state) : null, tree),
    el("div", { class: "hex-side" }, told, grid, cutNote(bytes.length, whole)));
  state.grid = grid;
  state.light = (index) => light(state, told, index);
  listen(state, tree, grid);
  if (rows.length > ROOMY) for (const row of rows) row.open = row.level < 3;
  refold(state);
  state.light(0);
  return board;
}

function cutNote(shown, whole) {
  if (!whole || whole === shown) return null;
  return el("p", { class: "note" },
    `The first ${shown.toLocaleString("en")} of ${whole.toLocaleString("en")} bytes: the others are left out of this ` +
    "page to keep it small.");
}

// --- The two sides ---------------------------------------------------------------------------------------------------

function treeOf(label, state) {
  const tree = el("div", { class: "tree", role: "tree", "aria-label": `The fields of ${label}` });
  state.items = state.rows.map((row, index) => {
    const { field, level, last } = row;
    const item = el("div", {
      class: `row level-${Math.min(level, 12)}`, role: "treeitem", tabindex: index ? -1 : 0, "data-row": index,
      "aria-level": level, "aria-expanded": last === index ? null : "true", "aria-selected": "false",
    },
      el("span", { class: "twist", "aria-hidden": "true" }),
      el("span", { class: "field-name" }, field.name), " ",
      el("span", { class: "field-value" }, field.value || ""),
      el("span", { class: "field-size", "aria-hidden": "true" }, String(field.end - field.start)));
    item.style.setProperty("--level", level);
    return item;
  });
  tree.append(...state.items);
  return tree;
}

function gridOf(label, state) {
  const grid = el("div", {
    class: state.bytes.length > FEW ? "hex" : "hex few", role: "group", tabindex: 0,
    "aria-label": `The bytes of ${label}: arrow keys move, byte by byte`,
  });
  let stripe = false, before = -1;
  state.cells = state.bytes.map((byte, at) => {
    if (state.owner[at] !== before) { stripe = !stripe; before = state.owner[at]; }  // neighbours can be told apart
    return el("span", { class: stripe ? "byte" : "byte other", "data-at": at }, byte);
  });
  grid.append(...state.cells);
  return grid;
}

function openers(state) {
  const set = (open) => () => {
    for (const row of state.rows) row.open = open || row.level < 2;
    refold(state);
  };
  return el("div", { class: "openers" }, el("button", { type: "button", onclick: set(true) }, "Open all"),
    el("button", { type: "button", onclick: set(false) }, "Close all"));
}

/** Shows the rows whose every ancestor is open. */
function refold({ rows, items }) {
  const shown = [];
  rows.forEach((row, index) => {
    shown[index] = row.parent < 0 || (shown[row.parent] && rows[row.parent].open);
    items[index].hidden = !shown[index];
    if (row.last !== index) items[index].setAttribute("aria-expanded", String(row.open));
  });
}

function reveal(state, index) {
  let changed = false;
  for (let up = state.rows[index].parent; up >= 0; up = state.rows[up].parent) {
    if (!state.rows[up].open) changed = state.rows[up].open = true;
  }
  if (changed) refold(state);
}

// --- Light -----------------------------------------------------------------------------------------------------------

function light(state, told, index) {
  const { rows, items, cells, grid } = state;
  if (state.shown === index) return;  // a pointer that moves over one long field changes nothing
  state.shown = index;
  grid.classList.toggle("whole", index === 0);  // all of it: a soft light, or the page would glare
  for (const node of state.lit) node.classList.remove("lit", "above");
  const { field } = rows[index];
  state.lit = cells.slice(field.start, field.end);
  state.lit.push(items[index]);
  for (const node of state.lit) node.classList.add("lit");
  for (let up = rows[index].parent; up >= 0; up = rows[up].parent) {
    items[up].classList.add("above");
    state.lit.push(items[up]);
  }
  told.replaceChildren(...tell(rows, index));
}

/** What is said of a field: where it is, what it is, what it is for, and where the RFC says so. */
function tell(rows, index) {
  const { field } = rows[index];
  const path = [];
  for (let up = index; up >= 0; up = rows[up].parent) path.unshift(rows[up].field.name);
  const where = field.end - field.start === 1 ? `byte ${field.start}`
    : field.end === field.start ? `empty, at ${field.start}` : `bytes ${field.start} to ${field.end - 1}`;
  return [
    el("p", { class: "told-path" }, path.slice(-3).join(" › "), el("span", { class: "told-where" }, where)),
    field.value ? el("p", { class: "told-value" }, field.value) : "",
    el("p", { class: "told-meaning" }, field.meaning),
    el("p", { class: "told-type" }, el("code", {}, field.type), " ", citation(field.section)),
  ];
}

/** Keeps a field: it stays lit when the pointer has gone, and Tab comes back to it. */
function keep(state, index, focus) {
  state.items[state.kept].tabIndex = -1;
  state.items[state.kept].setAttribute("aria-selected", "false");
  state.kept = index;
  state.items[index].tabIndex = 0;
  state.items[index].setAttribute("aria-selected", "true");
  reveal(state, index);
  state.light(index);
  if (focus) state.items[index].focus();
  else within(state.items[index]);
  const first = state.cells[state.rows[index].field.start];
  if (first && focus) within(first);
}

/** Scrolls the box that `node` is in, and never the page: that would take away what the reader looks at. */
function within(node) {
  const box = node.closest(".tree, .hex");
  const top = node.offsetTop;  // from the box, which is positioned
  if (top < box.scrollTop) box.scrollTop = top - 8;
  else if (top + node.offsetHeight > box.scrollTop + box.clientHeight) {
    box.scrollTop = top + node.offsetHeight - box.clientHeight + 8;
  }
}

// --- Pointer and keys --------------------------------------------------------------------------------------------------

function listen(state, tree, grid) {
  const rowOf = (event) => { const row = event.target.closest("[data-row]"); return row ? Number(row.dataset.row) : -1; };
  const leafOf = (event) => {
    const byte = event.target.closest("[data-at]");
    return byte ? state.owner[Number(byte.dataset.at)] : -1;
  };
  for (const [box, find] of [[tree, rowOf], [grid, leafOf]]) {
    box.addEventListener("pointerover", (event) => {
      const index = event.pointerType === "touch" ? -1 : find(event);
      if (index < 0 || index === state.shown) return;
      if (box === grid) { reveal(state, index); within(state.items[index]); }
      state.light(index);
    });
    box.addEventListener("pointerleave", () => state.light(state.kept));
  }
  tree.addEventListener("click", (event) => {
    const index = rowOf(event);
    if (index < 0) return;
    const row = state.rows[index];
    if (index === state.kept || event.target.closest(".twist")) row.open = !row.open;
    refold(state);
    keep(state, index, true);
  });
  tree.addEventListener("focusin", (event) => { const index = rowOf(event); if (index >= 0) state.light(index); });
  tree.addEventListener("keydown", (event) => treeKey(state, event));
  grid.addEventListener("click", (event) => {
    const byte = event.target.closest("[data-at]");
    if (byte) point(state, Number(byte.dataset.at));
  });
  grid.addEventListener("keydown", (event) => gridKey(state, event));
}

function treeKey(state, event) {
  const { rows, items, kept } = state;
  const row = rows[kept];
  const step = (by) => {
    let to = kept + by;
    while (to > 0 && to < rows.length && items[to].hidden) to += by;
    return rows[to] ? to : kept;
  };
  let to;
  if (event.key === "ArrowDown") to = step(1);
  else if (event.key === "ArrowUp") to = step(-1);
  else if (event.key === "Home") to = 0;
  else if (event.key === "End") { to = rows.length - 1; while (items[to].hidden) to--; }
  else if (event.key === "ArrowRight" && row.last !== kept) { to = row.open ? kept + 1 : kept; row.open = true; }
  else if (event.key === "ArrowLeft") {
    if (row.open && row.last !== kept) { row.open = false; to = kept; } else to = Math.max(row.parent, 0);
  } else if (event.key === "Enter" || event.key === " ") { row.open = !row.open; to = kept; }
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  refold(state);
  keep(state, to, true);
}

/** Puts the cursor on a byte, and keeps the leaf it belongs to. */
function point(state, at) {
  state.cells[state.cursor].classList.remove("cursor");
  state.cursor = at;
  state.cells[at].classList.add("cursor");
  within(state.cells[at]);
  if (state.owner[at] >= 0) keep(state, state.owner[at], false);
}

function gridKey(state, event) {
  const { cells, cursor } = state;
  if (!cells.length) return;
  const wide = cells.findIndex((cell) => cell.offsetTop > cells[0].offsetTop);  // bytes in a line, however wide it is now
  const line = wide < 0 ? cells.length : wide;
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: line, ArrowUp: -line, Home: -cursor, End: cells.length };
  if (!(event.key in moves)) return;
  event.preventDefault();
  event.stopPropagation();
  point(state, Math.max(0, Math.min(cells.length - 1, cursor + moves[event.key])));
}
