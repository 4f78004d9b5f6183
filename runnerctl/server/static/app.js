// The page: who is here, and so what is shown, the login or the dashboard.

import { announce } from "./announce.js";
import { Dashboard } from "./dashboard.js";
import { closeAll, startDialogs } from "./dialogs.js";
import { byId, setText } from "./dom.js";
import { startSessions } from "./sessions.js";
import { current, logIn, logOut } from "./session.js";
import { startTheme } from "./theme.js";
import { allIsWell, trouble } from "./trouble.js";

const AGAIN = 3000;
const ENDED = "Your session has ended. Log in again.";

const dashboard = new Dashboard({ stranger, trouble });

startTheme();
startDialogs();
startSessions({ ended: () => showLogin(ENDED) });
byId("login-form").addEventListener("submit", begin);
byId("log-out").addEventListener("click", async () => {
  await logOut().catch((problem) => trouble("look", problem));
  showLogin("You have logged out.");
});
look();

async function look() {
  byId("loading").hidden = false;
  try {
    const user = await current();
    trouble("look", null);
    if (user) showDashboard(user);
    else showLogin();
  } catch (problem) {
    trouble("look", problem);
    setTimeout(look, AGAIN);
  }
}

async function begin(event) {
  event.preventDefault();
  const input = byId("login-token");
  setText(byId("login-error"), "");
  try {
    const user = await logIn(input.value.trim());
    input.value = "";
    showDashboard(user);
    announce(`Logged in as ${user.actor.name}`);
    byId("main").focus();
  } catch (problem) {
    setText(byId("login-error"), problem.status === 401 ? "That token is wrong, revoked or expired." : problem.sentence);
    input.select();
  }
}

function showDashboard(user) {
  byId("loading").hidden = byId("login").hidden = true;
  for (const id of ["dashboard", "sessions-open", "log-out", "who"]) byId(id).hidden = false;
  setText(byId("who"), user.isOperator ? "operator" : user.actor.name);
  dashboard.start(user);
}

function showLogin(why = null) {
  dashboard.stop();
  closeAll();
  allIsWell();
  for (const id of ["dashboard", "sessions-open", "log-out", "who", "loading"]) byId(id).hidden = true;
  byId("login").hidden = false;
  setText(byId("login-why"), why ?? "Use the operator's token or an API token of this host.");
  byId("login-token").focus();
}

/** Whether nobody is logged in any more; raises `Problem` where the server does not say. */
async function stranger() {
  const user = await current();
  if (!user) showLogin(ENDED);
  return !user;
}
