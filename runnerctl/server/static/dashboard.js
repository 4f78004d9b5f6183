// The dashboard of whoever is logged in: what is read when, and where it is shown.

import { perform } from "./actions.js";
import { announce } from "./announce.js";
import { get } from "./api.js";
import { startCreating } from "./create.js";
import { byId, setText } from "./dom.js";
import { Events } from "./events.js";
import { drawHost, processorShare } from "./host.js";
import { Jobs } from "./jobs.js";
import { Live } from "./live.js";
import { Orphans } from "./orphans.js";
import { Repeating } from "./repeating.js";
import { drawFacts, RunnerPanel } from "./runner_panel.js";
import { Runners } from "./runners.js";
import { isLive } from "./states.js";
import { Tiles } from "./tiles.js";

const MOST = 500;
const ENDED_STAYS = 60000;
const [QUIET, LOST] = [15000, 3000];

export class Dashboard {
  /** `stranger()`: nobody is logged in any more. */
  constructor({ stranger, trouble }) {
    Object.assign(this, { stranger, trouble });
    this.user = null;
    this.isLive = false;
    this.ended = new Map();
    this.known = new Map();
    const acted = (act, name) => this.act(act, name);
    this.panel = new RunnerPanel({ acted, usageOf: (name) => this.runners.taken.get(name) });
    this.runners = new Runners({ opened: (name) => this.panel.open(name), acted });
    this.tiles = new Tiles();
    this.events = new Events();
    this.jobs = new Jobs({ counted: (items, span) => this.tiles.jobs(items, span), changed: () => this.readJobs.soon() });
    this.orphans = new Orphans({ failed: (problem) => trouble("act", problem) });
    startCreating({ created: () => this.readRunners.soon() });
    const pace = () => (this.isLive ? QUIET : LOST);
    this.readRunners = this.reading(() => this.refreshRunners(), pace, 300);
    this.readUsages = this.reading(() => this.refreshUsages(), () => (this.sampled ? 5000 : 2500));
    this.readJobs = this.reading(() => this.jobs.refresh(), () => 4 * pace(), 1000);
    this.readHost = this.reading(() => this.refreshHost(), () => 10000, 1000);
    this.readings = [this.readRunners, this.readUsages, this.readJobs, this.readHost];
    this.live = new Live({
      heard: (event) => this.hear(event),
      missed: (first) => this.readAll(first),
      changed: (state) => this.showConnection(state),
      refused: () => this.isStranger(),
    });
  }

  async start(user) {
    this.user = user;
    this.runners.mayChange = this.panel.mayChange = user.may("runners:write");
    this.panel.mayReadLogs = user.may("logs:read");
    byId("create-open").hidden = !this.runners.mayChange;
    byId("host").hidden = byId("orphans").hidden = !user.isOperator;
    this.showBudget();
    if (!user.may("runners:read")) {
      setText(byId("runners-note"), "This token may not see runners: it lacks the scope runners:read.");
      byId("runners-note").hidden = false;
      return;
    }
    await this.readRunners.start();
    await Promise.all(this.readings.slice(1).map((reading) => reading.start()));
    this.live.start();
  }

  stop() {
    this.live.stop();
    for (const reading of this.readings) reading.stop();
    this.ended.clear();
    this.known.clear();
    this.tiles.clear();
    this.events.clear();
    this.runners.show([], false);
    byId("connection").hidden = true;
  }

  /** A failure is shown, and tried again: the page keeps what it had. */
  reading(act, every, least) {
    return new Repeating(
      async () => {
        try {
          await act();
          this.trouble(act, null);
        } catch (problem) {
          if (problem.status === 401) await this.isStranger();
          else this.trouble(act, problem);
        }
      },
      { every, least },
    );
  }

  async refreshRunners() {
    const { items, next } = await get(`/api/v1/runners?limit=${MOST}`);
    await this.noteEnds(items);
    const shown = [...items, ...this.ended.values()];
    this.known = new Map(items.map((runner) => [runner.id, runner]));
    this.tiles.runners(items);
    this.runners.show(shown, next !== null);
    await this.panel.refresh();
  }

  /** Who was here a moment ago stays for a minute, with how it ended. */
  async noteEnds(items) {
    const here = new Set(items.map((runner) => runner.id));
    const gone = [...this.known.values()].filter((runner) => !here.has(runner.id));
    for (const runner of gone.slice(0, 10)) {
      const now = await get(`/api/v1/runners/${encodeURIComponent(runner.name)}`).catch(() => null);
      if (!now || now.id !== runner.id || isLive(now)) continue;
      this.ended.set(now.id, now);
      announce(`${now.name}: ${now.state}`);
      setTimeout(() => this.ended.delete(now.id), ENDED_STAYS);
    }
    for (const id of here) this.ended.delete(id);
  }

  async refreshUsages() {
    if (!this.known.size || document.hidden) return;
    const { items } = await get("/api/v1/runners:usage");
    const at = performance.now() / 1000;
    const before = this.runners.taken;
    this.sampled = before.size > 0;
    this.runners.use(new Map(items.map((usage) => [usage.name, taken(usage, before.get(usage.name), at)])));
  }

  async refreshHost() {
    if (!this.user.isOperator) return;
    const [before, host] = [this.host, await get("/api/v1/host")];
    this.host = host;
    drawHost(host, before);
    this.tiles.host(host, processorShare(host, before));
    await this.orphans.refresh();
  }

  showBudget() {
    const { limits, budget, name } = this.user.actor;
    byId("budget").hidden = limits === null;
    if (limits === null) return;
    drawFacts(byId("budget-facts"), [
      ["Token", name],
      ["Tenant", limits.tenant ?? "all"],
      ["Repositories", [...limits.repos, ...limits.orgs].join(", ") || "none"],
      ["Runners", limits.max_runners === null ? "no limit" : `${limits.max_runners} at most`],
      ["GitHub calls", budget ? `${budget.left} of ${budget.github_calls} left this hour` : "no limit"],
    ]);
  }

  hear(event) {
    this.events.add(event);
    this.readRunners.soon();
    if (event.type === "job") this.readJobs.soon();
  }

  /** `first`: the live events begin there, and none was shown before. */
  readAll(first = null) {
    for (const reading of [this.readRunners, this.readJobs, this.readHost]) reading.soon();
    if (first !== null) this.events.begin(first).catch((problem) => this.trouble("events", problem));
  }

  showConnection(state) {
    const was = this.isLive;
    this.isLive = state === "live";
    const place = byId("connection");
    place.hidden = false;
    place.dataset.is = state;
    setText(place, this.isLive ? "Live" : "Not connected, trying again");
    if (was !== this.isLive) this.readRunners.soon();
  }

  async isStranger() {
    try {
      return await this.stranger();
    } catch {
      return false; // the server does not answer: that says nothing of the session
    }
  }

  async act(act, name) {
    try {
      this.trouble("act", null);
      await perform(act, name);
    } catch (problem) {
      if (problem.status === 401) await this.isStranger();
      else this.trouble("act", problem);
    }
    this.readRunners.soon();
  }
}

function taken(usage, before, at) {
  const passed = before ? at - before.at : 0;
  const share = passed > 0.5 ? Math.max(0, (usage.cpu_seconds - before.cpu) / passed) : (before?.share ?? null);
  return { at: passed > 0.5 || !before ? at : before.at, cpu: passed > 0.5 || !before ? usage.cpu_seconds : before.cpu, memory: usage.memory_bytes, share };
}
