"use strict";
/* Making elements. Nothing in this program parses markup: every word of the data reaches the page as a text
   node. The words were chosen by whoever was at the other end of the connection. */

/** An element: el("p", {class: "soft", onclick: f}, "text", another, [more]). null and false are left out. */
function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG, whose elements live in a namespace of their own. */
function svg(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** "0a0b" -> ["0a", "0b"] */
function pairs(hex) {
  return (hex || "").match(/../g) || [];
}

/** Hex in groups of eight characters: where lines may break, and where the eye rests. */
function spaced(hex) {
  return (hex || "").replace(/.{8}(?=.)/g, "$& ");
}

function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** "RFC 9846, 4.2.2" as a link to that section; a bare "4.2.2" is one of RFC 9846. Following it is the reader's choice. */
function citation(text) {
  if (!text) return null;
  const found = /^(?:RFC (\d+), )?(?:section |appendix )?([A-Z]?[\d.]*\d|[A-Z])$/.exec(text);
  if (!found) return el("span", { class: "citation" }, text);
  const [, rfc = "9846", part] = found;
  const anchor = /^[A-Z]/.test(part) ? `appendix-${part}` : `section-${part}`;
  return el("a", {
    class: "citation", rel: "noreferrer", href: `https://www.rfc-editor.org/rfc/rfc${rfc}.html#${anchor}`,
  }, `RFC ${rfc}, ${part}`);
}

function copyButton(text, what) {
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, onclick: copy }, "Copy");
  async function copy() {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // a page from disk, or an old browser: the way before there was a clipboard interface
      const field = el("textarea", { class: "unseen" });
      field.value = text;
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
      button.focus();
    }
    button.textContent = done ? "Copied" : "Select and copy by hand";
    say(button.textContent);
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }
  return button;
}

/** A program or a command to take away. The box scrolls by itself, so it can be focused (and so be scrolled by keys). */
function snippet(language, text) {
  if (!text) return null;
  return el("figure", { class: "snippet" },
    el("figcaption", {}, el("span", {}, language), copyButton(text, `the ${language}`)),
    el("pre", { tabindex: 0, role: "group", "aria-label": language }, el("code", {}, text)));
}

/** A long value: hex that may be broken anywhere, with a way to take it. */
function value(hex, what) {
  return el("div", { class: "value" }, el("code", {}, spaced(hex)), copyButton(hex, what));
}

/** [[label, text], ...] as a list of terms. A text may be an element. */
function terms(rows, kind = "") {
  const known = rows.filter(([, text]) => text !== null && text !== undefined && text !== "");
  if (!known.length) return null;
  return el("dl", { class: `terms ${kind}` }, known.map(([label, text]) =>
    el("div", {}, el("dt", {}, label), el("dd", {}, text))));
}

/** What opens when it is asked for; what is inside is made only then. */
function folded(title, make, open = false) {
  const box = el("details", { class: "folded" }, el("summary", {}, title));
  let made = false;
  function unfold() {
    if (made || !box.open) return;
    made = true;
    box.append(...[make()].flat(Infinity).filter(Boolean));
  }
  box.addEventListener("toggle", unfold);
  box.open = open;
  if (open) unfold();
  return box;
}

/** Says `text` to those who listen to the page rather than see it. */
function say(text) {
  document.getElementById("said").textContent = text;
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const EPOCHS = {
  initial: "in the clear",
  early: "early data keys",
  handshake: "handshake keys",
  application: "application keys",
};

function epochBadge(epoch) {
  return el("span", { class: `badge epoch-${epoch}` }, epoch === "initial" ? null : padlock(), EPOCHS[epoch] || epoch);
}

function padlock() {
  return svg("svg", { class: "padlock", viewBox: "0 0 12 14", "aria-hidden": "true" },
    svg("path", { d: "M3.2 6V4a2.8 2.8 0 0 1 5.6 0v2", fill: "none", stroke: "currentColor", "stroke-width": 1.6 }),
    svg("rect", { x: 1.2, y: 6, width: 9.6, height: 7, rx: 1.4, fill: "currentColor" }));
}
