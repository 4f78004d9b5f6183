// Jobs over time: a bar for each part of the time that is looked at, its jobs by their results.

import { el, svg } from "./dom.js";
import { counted } from "./format.js";
import { result } from "./states.js";

const KINDS = ["succeeded", "failed", "other", "running"];
const [HEIGHT, LEFT, BELOW, ABOVE] = [176, 30, 20, 8];
const LEAST = 240;
const SPANS = {
  "24h": { bars: 24, seconds: 3600, name: "the last 24 hours" },
  "7d": { bars: 28, seconds: 6 * 3600, name: "the last 7 days" },
  "30d": { bars: 30, seconds: 86400, name: "the last 30 days" },
};

export function drawChart(figure, jobs, span, { isWhole }) {
  const bars = counts(jobs, SPANS[span]);
  const width = Math.max(LEAST, figure.clientWidth); // in its own pixels: letters are not stretched
  const sums = KINDS.map((kind) => bars.reduce((sum, bar) => sum + bar[kind], 0));
  const summary = `${counted(jobs.length, "job")}${isWhole ? "" : " (the newest)"} in ${SPANS[span].name}: ${KINDS.map((kind, at) => `${sums[at]} ${kind}`).join(", ")}`;
  figure.replaceChildren(
    svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": summary }, ...drawn(bars, span, width)),
    el("figcaption", { class: "legend" }, ...KINDS.map((kind, at) => el("span", { class: kind }, `${sums[at]} ${kind}`))),
  );
}

function counts(jobs, { bars, seconds }) {
  const end = (Math.floor(Date.now() / 1000 / seconds) + 1) * seconds;
  const first = end - bars * seconds;
  const found = Array.from({ length: bars }, (_, at) => ({ from: first + at * seconds, ...Object.fromEntries(KINDS.map((kind) => [kind, 0])) }));
  for (const job of jobs) {
    const at = Math.floor((Date.parse(job.started_at) / 1000 - first) / seconds);
    if (at >= 0 && at < bars) found[at][kindOf(job)] += 1;
  }
  return found;
}

function kindOf(job) {
  const word = result(job);
  return KINDS.includes(word) ? word : "other";
}

function drawn(bars, span, width) {
  const most = Math.max(1, ...bars.map(total));
  const room = HEIGHT - BELOW - ABOVE;
  const step = (width - LEFT) / bars.length;
  return [
    svg("line", { class: "axis", x1: LEFT, x2: width, y1: HEIGHT - BELOW, y2: HEIGHT - BELOW }),
    svg("text", { x: LEFT - 6, y: ABOVE + 10, "text-anchor": "end" }, String(most)),
    svg("text", { x: LEFT - 6, y: HEIGHT - BELOW, "text-anchor": "end" }, "0"),
    ...bars.flatMap((bar, at) => stack(bar, LEFT + at * step, step, room / most)),
    ...marks(bars, step, span, width),
  ];
}

const total = (bar) => KINDS.reduce((sum, kind) => sum + bar[kind], 0);

function stack(bar, x, step, scale) {
  let y = HEIGHT - BELOW;
  return KINDS.filter((kind) => bar[kind]).map((kind) => {
    const height = bar[kind] * scale;
    y -= height;
    return svg(
      "rect",
      { class: kind, x: x + step * 0.12, y, width: step * 0.76, height },
      svg("title", {}, `${new Date(bar.from * 1000).toLocaleString([], { hour12: false })}: ${bar[kind]} ${kind}`),
    );
  });
}

function marks(bars, step, span, width) {
  const every = Math.ceil(bars.length / Math.max(2, Math.floor(width / 90)));
  return bars
    .map((bar, at) => [bar, at])
    .filter(([, at]) => at % every === 0)
    .map(([bar, at]) => svg("text", { x: LEFT + at * step, y: HEIGHT - 5 }, mark(bar.from * 1000, span)));
}

function mark(time, span) {
  const at = new Date(time);
  if (span === "24h") return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  return at.toLocaleDateString([], { day: "numeric", month: "short" });
}
