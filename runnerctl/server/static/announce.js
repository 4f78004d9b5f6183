// What a screen reader is told, politely and one sentence after another.

import { byId } from "./dom.js";

const PAUSE = 800;
let last = Promise.resolve();

export function announce(sentence) {
  last = last.then(
    () =>
      new Promise((resolve) => {
        byId("announcer").textContent = sentence;
        setTimeout(resolve, PAUSE);
      }),
  );
}
