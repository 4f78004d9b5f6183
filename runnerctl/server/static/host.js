// This host: how busy it is, what its disks have left, what GitHub still allows, which versions run for how long.

import { byId, el, keyed, setAttribute, setText } from "./dom.js";
import { bytes, counted, duration, percent, seconds } from "./format.js";

const SCARCE = [0.8, 0.93];
const SOON_DAYS = 7;

/** `before` is the last document, out of which the processors' share comes. */
export function drawHost(host, before) {
  setText(byId("host-name"), host.name);
  setText(byId("version"), `runnerctl ${host.version}, ${host.backend} backend`);
  const groups = [
    { key: "Machine", gauges: [processors(host, before), memory(host)] },
    { key: "Disks", gauges: host.disks.map(disk) },
    { key: "GitHub’s rate limit", gauges: [rateLimit(host.rate_limit)], empty: "GitHub has not told it yet." },
    { key: "Runner versions in use", gauges: host.versions.map(version), empty: "No runner lives." },
    { key: "Degraded", gauges: host.degraded ? [{ name: host.degraded, value: "" }] : [], hidden: !host.degraded },
  ];
  keyed(byId("host-facts"), groups.filter((group) => !group.hidden), {
    key: (group) => group.key,
    make: (group) => el("section", { class: "group" }, el("h3", {}, group.key), el("div"), el("p", { class: "quiet small" })),
    update: (node, group) => drawGroup(node, group),
  });
}

function drawGroup(node, group) {
  const gauges = group.gauges.filter(Boolean);
  keyed(node.children[1], gauges, { key: (gauge) => gauge.name, make: gaugeNode, update: updateGauge });
  setText(node.children[2], gauges.length ? "" : group.empty);
}

function gaugeNode(gauge) {
  return el(
    "div",
    { class: "gauge" },
    el("span", {}, gauge.name),
    el("span", { class: "value" }),
    gauge.share === undefined
      ? null
      : el("div", { class: "track", role: "meter", "aria-label": gauge.name, "aria-valuemin": 0, "aria-valuemax": 100 }, el("div", { class: "fill" })),
  );
}

function updateGauge(node, gauge) {
  const [, value, track] = node.children;
  setText(value, gauge.value);
  setAttribute(node, "data-is", gauge.is ?? scarcity(gauge.share));
  if (!track || gauge.share === undefined) return;
  const whole = Math.round(100 * Math.min(1, Math.max(0, gauge.share)));
  setAttribute(track, "aria-valuenow", whole);
  setAttribute(track, "aria-valuetext", gauge.value);
  track.firstChild.style.inlineSize = `${whole}%`;
}

function scarcity(share) {
  if (share === undefined) return null;
  return share >= SCARCE[1] ? "bad" : share >= SCARCE[0] ? "warn" : null;
}

export function processorShare(host, before) {
  const [now, then] = [host.processors.busy_seconds, before?.processors.busy_seconds];
  const passed = before ? seconds(before.at, Date.parse(host.at)) : 0;
  if (now === null || then === null || then === undefined || passed <= 0) return null;
  return Math.min(1, Math.max(0, (now - then) / passed / host.processors.count));
}

function processors(host, before) {
  const share = processorShare(host, before);
  const { count, load } = host.processors;
  const name = counted(count, "processor");
  return share === null
    ? { name, value: `load ${load}`, share: Math.min(1, load / count), is: "" }
    : { name, value: `${percent(share)}, load ${load}`, share, is: "" };
}

function memory({ memory: told }) {
  if (!told) return null;
  return { name: "Memory", value: `${bytes(told.available_bytes)} of ${bytes(told.total_bytes)} free`, share: 1 - told.available_bytes / told.total_bytes };
}

function disk(told) {
  return {
    name: told.holds.join(", "),
    value: `${bytes(told.available_bytes)} of ${bytes(told.total_bytes)} free`,
    share: told.total_bytes ? 1 - told.available_bytes / told.total_bytes : 1,
  };
}

function rateLimit(told) {
  if (!told) return null;
  const rest = duration(seconds(new Date().toISOString(), Date.parse(told.reset_at)));
  return { name: "Calls used", value: `${told.remaining} of ${told.limit} left for ${rest}`, share: told.limit ? 1 - told.remaining / told.limit : 1 };
}

function version(told) {
  const days = told.days_left;
  const left = days === null ? "no end known" : days < 0 ? "no jobs any more" : `${counted(days, "day")} left`;
  const is = days === null ? null : days < 0 ? "bad" : days <= SOON_DAYS ? "warn" : null;
  return { name: `${told.version}: ${counted(told.runners, "runner")}`, value: told.newer ? `${left}; ${told.newer} is offered` : left, is };
}
