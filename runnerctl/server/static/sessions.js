// The sessions of this token, or for the operator of all: which one is this, and ending others.

import { get, remove } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { ago, moment } from "./format.js";

export function startSessions({ ended }) {
  byId("sessions-open").addEventListener("click", async () => {
    byId("sessions").showModal();
    await refresh(ended);
  });
}

async function refresh(ended) {
  try {
    const { items } = await get("/api/v1/sessions");
    keyed(byId("session-list"), items, { key: (session) => session.id, make: (session) => line(session, ended) });
    setText(byId("sessions-error"), "");
  } catch (problem) {
    setText(byId("sessions-error"), problem.sentence);
  }
}

function line(session, ended) {
  return el(
    "li",
    {},
    el(
      "div",
      { class: "line" },
      el("strong", {}, session.current ? `${session.actor} (this one)` : session.actor),
      el("span", { class: "quiet" }, `from ${session.source}`),
      el("button", { type: "button", "aria-label": `End the session from ${session.source}, begun ${moment(session.created_at)}`, onclick: () => end(session, ended) }, "End"),
    ),
    el("p", { class: "small" }, session.browser),
    el("p", { class: "quiet small" }, `Begun ${ago(session.created_at)}, last used ${ago(session.last_used_at)}, ends ${moment(session.expires_at)}`),
  );
}

async function end(session, ended) {
  try {
    await remove(`/api/v1/sessions/${session.id}`);
    if (session.current) ended();
    else await refresh(ended);
  } catch (problem) {
    setText(byId("sessions-error"), problem.sentence);
  }
}
