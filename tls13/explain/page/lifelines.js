/* Two lifelines, and between them every step of the connection in the order of time: an arrow for what travelled, a
   mark on a line for keys that came into being. The list is the picture: each step is a button, so it can be reached,
   named and pressed without seeing it. */

function lifelines(story, go) {
  const buttons = [];
  const list = el("ol", { class: "lines", "aria-label": "The steps, in the order of time" },
    flights(story.steps).map((flight, index, all) => {
      const trip = index && all[index - 1].trip === flight.trip ? null : flight.trip;
      return el("li", { class: "flight" },
        trip === null || !trip ? null : el("p", { class: "trip" }, el("span", {}, `Round trip ${trip}`)),
        el("ol", { class: "flight-steps", "aria-label": flightName(flight) }, flight.steps.map((step) => {
          const button = stepButton(step, () => go(story.steps.indexOf(step)));
          buttons[story.steps.indexOf(step)] = button;
          return el("li", {}, button);
        })));
    }));
  const board = el("div", { class: "lifelines" },
    el("div", { class: "ends", "aria-hidden": "true" },
      el("div", { class: "end-client" }, el("b", {}, "Client"), el("span", {}, story.client)),
      el("div", { class: "end-server" }, el("b", {}, "Server"), el("span", {}, story.server))),
    list);
  return { board, show: (at) => buttons.forEach((button, index) => mark(button, index, at, list)) };
}

/** Steps that one side sent without waiting for the other. */
function flights(steps) {
  const found = [];
  for (const step of steps) {
    const last = found[found.length - 1];
    if (last && last.toServer === step.to_server && last.trip === step.round_trip) last.steps.push(step);
    else found.push({ toServer: step.to_server, trip: step.round_trip, steps: [step] });
  }
  return found;
}

function flightName(flight) {
  return `${flight.toServer ? "The client's" : "The server's"} flight, round trip ${flight.trip}`;
}

function stepButton(step, go) {
  const way = step.to_server ? "to-server" : "to-client";
  const keys = step.kind === "keys";
  const fatal = step.kind === "alert" && !/close_notify|user_canceled|^warning/.test(step.name);  // section 6.1: those two only close
  return el("button", { type: "button", class: `step ${way} kind-${step.kind} epoch-${step.epoch}${fatal ? " fatal" : ""}`, onclick: go },
    el("span", { class: "step-time" }, milliseconds(step.time_ms)),
    el("span", { class: "step-lane" },
      el("span", { class: "step-name" }, step.epoch === "initial" || keys ? null : padlock(), step.name,
        el("span", { class: "unseen" }, keys ? "" : step.to_server ? ", client to server" : ", server to client")),
      el("span", { class: "arrow", "aria-hidden": "true" })));
}

function milliseconds(time) {
  if (time === null || time === undefined) return "";
  return time < 10 ? `${time.toFixed(1)} ms` : time < 10000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}

function mark(button, index, at, list) {
  button.classList.toggle("past", index < at);
  button.classList.toggle("future", index > at);
  if (index !== at) { button.removeAttribute("aria-current"); return; }
  button.setAttribute("aria-current", "step");
  const top = button.getBoundingClientRect().top - list.getBoundingClientRect().top + list.scrollTop;
  if (top < list.scrollTop || top + button.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTop = top - list.clientHeight / 3;
  }
}

// --- The player: forwards, backwards, by itself ------------------------------------------------------------------------

const PACE = 2600;  // milliseconds a step: time to read its name and its sentence

const ICONS = {  // drawn, because few fonts have these signs, and some show them as coloured pictures
  first: "M3 3h2v10H3z M13 3v10L6 8z", back: "M11 3v10L4 8z", play: "M4 2.5v11L13 8z", pause: "M4 3h3v10H4z M9 3h3v10H9z",
  on: "M5 3v10l7-5z", last: "M11 3h2v10h-2z M3 3v10l7-5z",
};

function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

function player(story, onStep) {
  const count = story.steps.length;
  let at = 0, clock = null;
  const button = (name, label, act) =>
    el("button", { type: "button", "aria-label": label, title: label, onclick: act }, icon(name));
  const slider = el("input", { type: "range", min: 1, max: count, value: 1, "aria-label": "Step",
    oninput: () => { stop(); go(Number(slider.value) - 1); } });
  const where = el("output", { class: "where" });
  const play = button("play", "Play", () => (clock ? stop() : start()));
  const parts = {
    first: button("first", "First step", () => { stop(); go(0); }),
    back: button("back", "Step back", () => { stop(); go(at - 1); }),
    on: button("on", "Step forward", () => { stop(); go(at + 1); }),
    last: button("last", "Last step", () => { stop(); go(count - 1); }),
  };
  const bar = el("div", { class: "player", role: "toolbar", "aria-label": "Play the handshake" },
    parts.first, parts.back, play, parts.on, parts.last, slider, where);

  function go(to) {
    if (to < 0 || to >= count) return stop();
    at = to;
    slider.value = at + 1;
    slider.setAttribute("aria-valuetext", `${at + 1} of ${count}: ${story.steps[at].name}`);
    where.textContent = `${at + 1} / ${count}`;
    parts.first.disabled = parts.back.disabled = at === 0;
    parts.on.disabled = parts.last.disabled = at === count - 1;
    onStep(at);
  }

  function start() {
    if (at === count - 1) go(0);
    clock = setInterval(() => (at === count - 1 ? stop() : go(at + 1)), PACE);
    show(true);
  }

  function stop() {
    clearInterval(clock);
    clock = null;
    show(false);
  }

  function show(playing) {
    play.replaceChildren(icon(playing ? "pause" : "play"));
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    play.title = playing ? "Pause" : "Play";
    bar.classList.toggle("playing", playing);
  }

  return { bar, go, stop, at: () => at };
}
