// What could not be cleared when its runner went: why, when it is tried again, and the command that clears it.

import { get, remove } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { confirmed } from "./dialogs.js";
import { ago, counted, duration, seconds } from "./format.js";

export class Orphans {
  constructor({ failed }) {
    this.failed = failed;
  }

  async refresh() {
    const { items } = await get("/api/v1/orphans");
    keyed(byId("orphan-list"), items, { key: (orphan) => orphan.id, make: (orphan) => this.line(orphan), update });
    setText(byId("orphans-note"), items.length ? "" : "Nothing is left behind.");
    return items.length;
  }

  line(orphan) {
    return el(
      "li",
      {},
      el("div", { class: "line" }, el("strong", {}, orphan.what), el("button", { type: "button", "aria-label": `Forget ${orphan.what}`, onclick: () => this.forget(orphan) }, "Forget")),
      el("p"),
      el("p", { class: "quiet small" }),
      el("p", { class: "small" }, "On the host: ", el("code", {}, orphan.command)),
    );
  }

  async forget(orphan) {
    const text = "It stays where it is; runnerctl only stops trying to clear it.";
    if (!(await confirmed({ title: `Forget ${orphan.what}?`, text, yes: "Forget" }))) return;
    try {
      await remove(`/api/v1/orphans/${orphan.id}`);
      await this.refresh();
    } catch (problem) {
      this.failed(problem);
    }
  }
}

function update(node, orphan) {
  setText(node.children[1], [orphan.reason, orphan.hint].filter(Boolean).join(". "));
  const next = orphan.next_try ? seconds(new Date().toISOString(), Date.parse(orphan.next_try)) : null;
  const again = next === null ? "" : next > 0 ? `, next try in ${duration(next)}` : ", next try now";
  setText(node.children[2], `Left ${ago(orphan.since)}, tried ${counted(orphan.tries, "time")}${again}`);
}
