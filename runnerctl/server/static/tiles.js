// The overview: a few numbers that say whether all is well.

import { byId, el, keyed, setAttribute, setText } from "./dom.js";
import { percent } from "./format.js";
import { result } from "./states.js";

const ORDER = ["Idle", "Busy", "Other", "Slots", "Jobs", "Failed", "Processors", "Orphans"];
const SPANS = { "24h": "24 hours", "7d": "7 days", "30d": "30 days" };

export class Tiles {
  constructor() {
    this.told = new Map();
  }

  runners(items) {
    const count = (...states) => items.filter((runner) => states.includes(runner.state)).length;
    const other = items.length - count("idle", "busy", "failed", "completed", "removed");
    this.tell("Idle", count("idle"), "take jobs");
    this.tell("Busy", count("busy"), "run a job");
    this.tell("Other", other, "start, stop, rest", null);
  }

  jobs(items, span) {
    const failed = items.filter((job) => ["failed", "abandoned"].includes(result(job))).length;
    this.tell("Jobs", items.length, SPANS[span]);
    this.tell("Failed", failed, items.length ? `${percent(failed / items.length)} of the jobs` : SPANS[span]);
  }

  host(host, share) {
    this.tell("Orphans", host.orphans, host.orphans ? "see below" : "nothing left behind", host.orphans ? "warn" : null);
    if (share !== null) this.tell("Processors", percent(share), `load ${host.processors.load}`);
    if (host.max_runners !== null) {
      const living = host.runners.reduce((sum, { count }) => sum + count, 0);
      this.tell("Slots", `${living} / ${host.max_runners}`, "runners, at most", living >= host.max_runners ? "warn" : null);
    }
  }

  clear() {
    this.told.clear();
    this.draw();
  }

  tell(name, value, more, is = null) {
    this.told.set(name, { name, value, more, is });
    this.draw();
  }

  draw() {
    keyed(byId("tiles"), ORDER.filter((name) => this.told.has(name)).map((name) => this.told.get(name)), {
      key: (tile) => tile.name,
      make: (tile) => el("div", { class: "tile" }, el("dt", {}, tile.name), el("dd", {}, el("span"), el("span", { class: "quiet" }))),
      update: (node, tile) => {
        setAttribute(node, "data-is", tile.is);
        setText(node.lastChild.firstChild, tile.value);
        setText(node.lastChild.lastChild, tile.more);
      },
    });
  }
}
