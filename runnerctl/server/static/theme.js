// Light, dark, or as the system says; kept in this browser.

import { byId } from "./dom.js";

const KEPT = "runnerctl-theme";
const CHOICES = ["auto", "light", "dark"];

export function startTheme() {
  const button = byId("theme");
  let chosen = kept();
  show(button, chosen);
  button.addEventListener("click", () => {
    chosen = CHOICES[(CHOICES.indexOf(chosen) + 1) % CHOICES.length];
    keep(chosen);
    show(button, chosen);
  });
}

function show(button, chosen) {
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  button.textContent = `Theme: ${chosen}`;
}

function kept() {
  try {
    const found = localStorage.getItem(KEPT);
    return CHOICES.includes(found) ? found : "auto";
  } catch {
    return "auto"; // storage is turned off
  }
}

function keep(chosen) {
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // storage is turned off: it counts until the page is left
  }
}
