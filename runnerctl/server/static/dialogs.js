// Dialogs: the browser's own, which keep the focus inside, close on Escape and give the focus back.

import { byId, setText } from "./dom.js";

export function startDialogs() {
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
}

export function closeAll() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

/** Whether the user says yes. */
export function confirmed({ title, text, yes, danger = false }) {
  const dialog = byId("confirm");
  const [agree, refuse] = [byId("confirm-yes"), byId("confirm-no")];
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(agree, yes);
  agree.className = danger ? "danger" : "primary";
  return new Promise((resolve) => {
    let answer = false;
    agree.onclick = () => {
      answer = true;
      dialog.close();
    };
    refuse.onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    refuse.focus();
  });
}
