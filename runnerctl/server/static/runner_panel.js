// One runner, closely: its facts, its log, its history.

import { isDangerous, labelOf } from "./actions.js";
import { get } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { bytes, duration, moment, percent } from "./format.js";
import { LogView } from "./log_view.js";
import { drawState } from "./runners.js";
import { acts } from "./states.js";

export class RunnerPanel {
  /** `acted(act, name)` does something to it; `usageOf(name)` is what it takes of the host. */
  constructor({ acted, usageOf }) {
    Object.assign(this, { acted, usageOf });
    this.mayChange = false;
    this.mayReadLogs = false;
    this.name = null;
    this.log = new LogView();
    this.dialog = byId("runner-panel");
    this.dialog.addEventListener("close", () => this.left());
  }

  async open(name) {
    this.name = name;
    setText(byId("panel-title"), name);
    if (!this.dialog.open) this.dialog.showModal();
    if (this.mayReadLogs) this.log.follow(name);
    else this.log.say("This token may not read logs: it lacks the scope logs:read.");
    await this.refresh();
  }

  left() {
    this.name = null;
    this.log.leave();
  }

  async refresh() {
    const name = this.name;
    if (name === null) return;
    try {
      const runner = await get(`/api/v1/runners/${encodeURIComponent(name)}`);
      if (name === this.name) this.draw(runner, this.usageOf(name));
    } catch (problem) {
      setText(byId("panel-state"), problem.sentence);
    }
  }

  draw(runner, taken) {
    drawState(byId("panel-state"), runner);
    keyed(byId("panel-acts"), this.mayChange ? acts(runner) : [], {
      key: (act) => act,
      make: (act) =>
        el("button", { type: "button", class: isDangerous(act) ? "danger" : null, onclick: () => this.acted(act, this.name) }, labelOf(act)),
    });
    drawFacts(byId("panel-facts"), facts(runner, taken));
    keyed(byId("panel-history"), [...(runner.history ?? [])].reverse(), {
      key: (event) => `${event.at} ${event.from} ${event.to}`,
      make: (event) =>
        el(
          "li",
          {},
          el("div", { class: "line" }, el("strong", {}, event.to), el("time", { class: "quiet small", datetime: event.at }, moment(event.at))),
          event.reason ? el("p", { class: "quiet small" }, event.reason) : null,
        ),
    });
  }
}

function facts(runner, taken) {
  const told = runner.github;
  const job = runner.job ?? runner.last_job;
  return [
    ["Registered in", runner.repo ?? runner.org],
    ["GitHub says", told ? `${told.status}${told.busy ? ", busy" : ""} (${duration(told.age)} ago)` : "nothing"],
    [runner.job ? "Runs the job" : "Last job", job ? [job.name, job.repository, job.result].filter(Boolean).join(", ") : "none"],
    ["Labels", (runner.labels ?? []).join(", ")],
    ["Kind", runner.ephemeral ? "ephemeral: one job" : "persistent"],
    ["Tenant", runner.tenant],
    ["Version", version(runner)],
    ["Processor", taken && taken.share !== null ? percent(taken.share) : null],
    ["Memory", taken ? bytes(taken.memory) : null],
    ["Made", moment(runner.created_at)],
    ["Process", runner.pid],
    ["Degraded", runner.degraded],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
}

function version(runner) {
  const days = runner.package?.days_left;
  return days === null || days === undefined ? runner.version : `${runner.version}, ${days} days left`;
}

export function drawFacts(list, pairs) {
  keyed(list, pairs.flatMap(([name, value]) => [{ key: `${name}:`, tag: "dt", text: name }, { key: name, tag: "dd", text: value }]), {
    key: (item) => item.key,
    make: (item) => el(item.tag),
    update: (node, item) => setText(node, item.text),
  });
}
