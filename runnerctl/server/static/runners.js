// The table of runners: sorted, filtered, and brought up to date where something differs.

import { isDangerous, labelOf } from "./actions.js";
import { byId, el, keepFocus, keyed, setAttribute, setText } from "./dom.js";
import { bytes, counted, duration, percent, seconds } from "./format.js";
import { acts, isDraining, isLive, LIVE, look } from "./states.js";

const COLUMNS = {
  name: { title: "Name", value: (runner) => runner.name.toLowerCase() },
  state: { title: "State", value: (runner) => LIVE.indexOf(runner.state) },
  github: { title: "GitHub", value: (runner) => runner.github?.status ?? "" },
  job: { title: "Job", value: (runner) => runner.job?.name ?? "" },
  age: { title: "Age", value: (runner) => -Date.parse(runner.created_at) },
  cpu: { title: "CPU", value: (runner, taken) => taken?.share ?? -1 },
  memory: { title: "Memory", value: (runner, taken) => taken?.memory ?? -1 },
};
const DIFFERS = ["offline", "unknown"];

export class Runners {
  /** `opened(name)` shows one; `acted(act, name)` does something to it; `mayChange` whether buttons are offered. */
  constructor({ opened, acted }) {
    Object.assign(this, { opened, acted });
    this.mayChange = false;
    this.sorted = { by: "name", up: true };
    this.items = [];
    this.taken = new Map();
    this.more = false;
    this.body = byId("runners").tBodies[0];
    this.makeHeads();
    byId("runner-filter").addEventListener("input", () => this.draw());
    byId("runner-state").append(...LIVE.map((state) => el("option", { value: state }, state)));
    byId("runner-state").addEventListener("change", () => this.draw());
  }

  show(items, more) {
    this.items = items;
    this.more = more;
    this.draw();
  }

  use(taken) {
    this.taken = taken;
    this.draw();
  }

  makeHeads() {
    for (const head of document.querySelectorAll("#runners th[data-sort]")) {
      const by = head.dataset.sort;
      head.append(el("button", { type: "button", class: "sort", onclick: () => this.sortBy(by) }, COLUMNS[by].title));
    }
    this.markHeads();
  }

  sortBy(by) {
    this.sorted = { by, up: this.sorted.by === by ? !this.sorted.up : true };
    this.markHeads();
    this.draw();
  }

  markHeads() {
    for (const head of document.querySelectorAll("#runners th[data-sort]")) {
      const chosen = head.dataset.sort === this.sorted.by;
      setAttribute(head, "aria-sort", chosen ? (this.sorted.up ? "ascending" : "descending") : null);
    }
  }

  chosen() {
    const words = byId("runner-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = byId("runner-state").value;
    const { value } = COLUMNS[this.sorted.by];
    const by = (runner) => value(runner, this.taken.get(runner.name));
    return this.items
      .filter((runner) => (!state || runner.state === state) && words.every((word) => haystack(runner).includes(word)))
      .sort((one, other) => compare(by(one), by(other), this.sorted.up) || compare(one.name, other.name, true));
  }

  draw() {
    const chosen = this.chosen();
    keepFocus(this.body, byId("runner-filter"), () =>
      keyed(this.body, chosen, {
        key: (runner) => runner.id,
        make: (runner) => this.row(runner),
        update: (row, runner) => this.update(row, runner),
      }),
    );
    this.note(chosen.length);
  }

  note(count) {
    const note = byId("runners-note");
    let text = "";
    if (!this.items.length) {
      text = this.mayChange
        ? "There are no runners. “New runner” makes one; so does `runnerctl create` on the host."
        : "There are no runners.";
    } else if (!count) text = "No runner fits the filter.";
    else if (this.more) text = `The first ${counted(this.items.length, "runner")} are shown; the command line lists all.`;
    setText(note, text);
    note.hidden = !text;
  }

  row(runner) {
    const cell = (label, kind = "") => el("td", { "data-label": label, class: kind || null });
    return el(
      "tr",
      { "data-runner": runner.name },
      el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => this.opened(runner.name) }, runner.name), el("span", { class: "quiet small" })),
      cell("State"),
      cell("GitHub"),
      cell("Job"),
      cell("Age", "number"),
      cell("CPU", "number"),
      cell("Memory", "number"),
      el("td", { class: "acts" }),
    );
  }

  update(row, runner) {
    const [name, state, github, job, age, cpu, memory, buttons] = row.cells;
    const taken = this.taken.get(runner.name);
    setAttribute(row, "data-ended", isLive(runner) ? null : "");
    setText(name.lastChild, runner.repo ?? runner.org);
    drawState(state, runner);
    drawGitHub(github, runner);
    drawJob(job, runner);
    setText(age, duration(seconds(runner.created_at)));
    setText(cpu, taken && taken.share !== null ? percent(taken.share) : "–");
    setText(memory, taken ? bytes(taken.memory) : "–");
    keepFocus(buttons, name.firstChild, () => this.drawActs(buttons, runner));
  }

  drawActs(cell, runner) {
    keyed(cell, this.mayChange ? acts(runner) : [], {
      key: (act) => act,
      make: (act) =>
        el("button", { type: "button", class: isDangerous(act) ? "plain" : null, "aria-label": `${labelOf(act)} ${runner.name}`, onclick: () => this.acted(act, runner.name) }, labelOf(act)),
    });
  }
}

function haystack(runner) {
  return [runner.name, runner.repo, runner.org, runner.tenant, runner.job?.name, ...(runner.labels ?? [])].join(" ").toLowerCase();
}

function compare(one, other, up) {
  const order = one < other ? -1 : one > other ? 1 : 0;
  return up ? order : -order;
}

function badge(cell) {
  if (!cell.firstChild) cell.append(el("span", { class: "badge" }), el("span", { class: "quiet" }));
  return [cell.firstChild, cell.lastChild];
}

export function drawState(cell, runner) {
  const [word, more] = badge(cell);
  setText(word, runner.state);
  setAttribute(word, "data-is", look(runner.state));
  setText(more, runner.reason ?? (isDraining(runner) ? "after its job" : ""));
}

/** GitHub's word beside ours: it is marked where the two do not fit. */
function drawGitHub(cell, runner) {
  const [word, more] = badge(cell);
  const told = runner.github;
  const status = told ? `${told.status}${told.busy ? ", busy" : ""}` : "–";
  setText(word, status);
  const odd = told && runner.state !== "starting" && (DIFFERS.includes(told.status) || (told.busy && runner.state === "idle"));
  setAttribute(word, "data-is", odd ? "warn" : told ? null : "nothing");
  setText(more, told ? `${duration(told.age)} ago` : "");
}

function drawJob(cell, runner) {
  if (!cell.firstChild) cell.append(el("span", { class: "clamped" }), el("span", { class: "quiet" }));
  const job = runner.job;
  setText(cell.firstChild, job ? job.name : "–");
  setAttribute(cell.firstChild, "title", job?.name);
  setText(cell.lastChild, job ? [job.repository, job.started_at ? `for ${duration(seconds(job.started_at))}` : null].filter(Boolean).join(", ") : "");
}
