// Jobs: the latest in a table, all of the time that is looked at in a chart.

import { get } from "./api.js";
import { drawChart } from "./chart.js";
import { byId, el, keyed, setAttribute, setText } from "./dom.js";
import { ago, duration } from "./format.js";
import { isForgeable, look, result } from "./states.js";

const A_PAGE = 1000;
const MOST_PAGES = 5;
const SHOWN = 10;

export class Jobs {
  /** `counted(items, span)` is told all of them; `changed()`: another time is looked at. */
  constructor({ counted, changed }) {
    this.counted = counted;
    this.items = [];
    this.isWhole = true;
    this.most = SHOWN;
    byId("jobs-span").addEventListener("change", changed);
    byId("jobs-more").addEventListener("click", () => {
      this.most += 2 * SHOWN;
      this.draw();
    });
    new ResizeObserver(() => this.drawChart()).observe(byId("chart"));
  }

  get span() {
    return byId("jobs-span").value;
  }

  async refresh() {
    const span = this.span;
    const items = [];
    let cursor = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const told = await get(`/api/v1/jobs?since=${span}&limit=${A_PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      items.push(...told.items);
      cursor = told.next;
      if (!cursor) break;
    }
    if (span !== this.span) return;
    this.items = items.sort((one, other) => Date.parse(other.started_at) - Date.parse(one.started_at));
    this.isWhole = cursor === null;
    this.draw();
    this.counted(items, span);
  }

  draw() {
    this.drawChart();
    keyed(byId("jobs").tBodies[0], this.items.slice(0, this.most), {
      key: (job) => job.id,
      make: row,
      update,
    });
    setText(byId("jobs-note"), this.items.length ? "" : "No job ran in this time.");
    byId("jobs-note").hidden = this.items.length > 0;
    byId("jobs").hidden = !this.items.length;
    byId("jobs-more").hidden = this.items.length <= this.most;
  }

  drawChart() {
    drawChart(byId("chart"), this.items, this.span, { isWhole: this.isWhole });
  }
}

function row() {
  const cell = (label, kind = null) => el("td", { "data-label": label, class: kind });
  return el("tr", {}, el("th", { scope: "row" }, el("span", { class: "clamped" })), cell("Result"), cell("Repository"), cell("Runner"), cell("Took", "number"), cell("Began", "number"));
}

function update(node, job) {
  const [name, outcome, repository, runner, took, began] = node.cells;
  setText(name.firstChild, job.name);
  setAttribute(name.firstChild, "title", job.name);
  if (!outcome.firstChild) outcome.append(el("span", { class: "badge" }), el("span", { class: "quiet" }));
  setText(outcome.firstChild, result(job));
  setAttribute(outcome.firstChild, "data-is", look(result(job)));
  setText(outcome.lastChild, job.reason ?? (isForgeable(job) ? "by its log" : ""));
  if (!repository.firstChild) repository.append(el("span"), el("span", { class: "quiet" }));
  setText(repository.firstChild, job.repository ?? job.scope);
  setText(repository.lastChild, job.workflow);
  setText(runner, job.runner);
  setText(took, job.seconds === null ? "–" : duration(job.seconds));
  setText(began, ago(job.started_at));
}
