// What went wrong, each thing until it goes right.

import { byId, setText } from "./dom.js";

const told = new Map();

/** `what` tells one kind of trouble from another; without a problem it is over. */
export function trouble(what, problem) {
  if (problem) told.set(what, problem.sentence ?? String(problem));
  else told.delete(what);
  const sentences = [...new Set(told.values())];
  setText(byId("trouble"), sentences.join(" "));
  byId("trouble").hidden = !sentences.length;
}

export function allIsWell() {
  told.clear();
  trouble(null, null);
}
