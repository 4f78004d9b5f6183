// The form that makes a runner.

import { announce } from "./announce.js";
import { post } from "./api.js";
import { byId, setText } from "./dom.js";

export function startCreating({ created }) {
  const [dialog, form, submit] = [byId("create"), byId("create-form"), byId("create-submit")];
  byId("create-open").addEventListener("click", () => {
    setText(byId("create-error"), "");
    dialog.showModal();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    setText(byId("create-error"), "");
    const wanted = body(new FormData(form));
    try {
      const runner = await post("/api/v1/runners", wanted);
      dialog.close();
      form.reset();
      announce(`${runner.name} was made`);
      created(runner.name);
    } catch (problem) {
      setText(byId("create-error"), problem.sentence);
    } finally {
      submit.disabled = false;
    }
  });
}

function body(fields) {
  const scope = fields.get("scope").trim();
  const labels = fields.get("labels").trim();
  return {
    name: fields.get("name").trim(),
    ...(scope.includes("/") ? { repo: scope } : { org: scope }),
    ...(labels ? { labels } : {}),
    ...(fields.get("persistent") ? { ephemeral: false } : {}),
  };
}
