// What is done to a runner: asked back first, then told how it went.

import { announce } from "./announce.js";
import { Problem, post, remove } from "./api.js";
import { confirmed } from "./dialogs.js";

const path = (name, rest = "") => `/api/v1/runners/${encodeURIComponent(name)}${rest}`;

const ACTS = {
  drain: {
    label: "Drain",
    text: (name) => `${name} takes no further job, finishes the one that runs, and is removed then.`,
    ask: (name) => remove(path(name, "?drain=true")),
  },
  undrain: { label: "Undrain", ask: (name) => post(path(name, "/undrain")) },
  restart: {
    label: "Restart",
    text: (name) => `${name} is stopped and started again. A job that runs is finished first.`,
    ask: (name) => post(path(name, "/restart")),
  },
  stop: {
    label: "Stop",
    text: (name) => `${name} takes no further job until it is started again. A job that runs is finished first.`,
    ask: (name) => post(path(name, "/stop")),
  },
  start: { label: "Start", ask: (name) => post(path(name, "/start")) },
  remove: {
    label: "Remove",
    danger: true,
    text: (name) => `${name} is removed from this host and from GitHub. While a job runs, nothing is removed.`,
    ask: (name) => remove(path(name)),
  },
};
const FORCE = {
  title: (name) => `${name} runs a job`,
  text: "Removing it now kills the job. Draining removes it once the job has ended.",
  yes: "Kill the job and remove",
  danger: true,
};

export const labelOf = (act) => ACTS[act].label;
export const isDangerous = (act) => ACTS[act].danger === true;

/** Raises `Problem`; false where the user thought better of it. */
export async function perform(act, name) {
  const { label, text, danger, ask } = ACTS[act];
  if (text && !(await confirmed({ title: `${label} ${name}?`, text: text(name), yes: label, danger }))) return false;
  announce(`${label} ${name}: asked for`);
  try {
    const told = await ask(name);
    announce(`${name}: ${told.status}`);
  } catch (problem) {
    if (act !== "remove" || !(problem instanceof Problem) || problem.code !== "runner_busy") throw problem;
    return forced(name);
  }
  return true;
}

async function forced(name) {
  if (!(await confirmed({ ...FORCE, title: FORCE.title(name) }))) return false;
  await remove(path(name, "?force=true"));
  announce(`${name}: removed`);
  return true;
}
