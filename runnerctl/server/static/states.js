// States and results: how they look, and which of a runner's states allow what.

export const LIVE = ["pending", "registered", "starting", "connecting", "idle", "busy", "stopping", "stopped", "removing"];

const LOOKS = {
  idle: "good",
  busy: "busy",
  starting: "warn",
  connecting: "warn",
  stopping: "warn",
  removing: "warn",
  failed: "bad",
  succeeded: "good",
  running: "busy",
  abandoned: "bad",
  cancelled: "warn",
};

export const look = (word) => LOOKS[word] ?? null;

export const isLive = (runner) => LIVE.includes(runner.state);

/** It goes once its job has ended. */
export const isDraining = (runner) => ["stopping", "removing"].includes(runner.state) && runner.job !== null;

/** What can be done with a runner now, in the order of the buttons. */
export function acts(runner) {
  if (!isLive(runner)) return [];
  if (isDraining(runner)) return ["undrain", "remove"];
  if (runner.state === "removing") return [];
  const running = ["starting", "connecting", "idle", "busy"].includes(runner.state);
  return [
    running ? "drain" : null,
    running && !runner.ephemeral ? "restart" : null,
    running && !runner.ephemeral ? "stop" : null,
    runner.state === "stopped" ? "start" : null,
    "remove",
  ].filter(Boolean);
}

/** A job's result; what only a log says is marked, for a job can forge it. */
export function result(job) {
  if (job.result === null) return job.ended_at === null ? "running" : "unknown";
  return job.result;
}

export const isForgeable = (job) => job.told_by?.result === "log";
