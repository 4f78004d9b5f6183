// Who uses this browser: logging in by a token, logging out, and what the token may do.

import { get, post, proveWith, remove } from "./api.js";

/** `{session, actor}`, or null where nobody is logged in. */
export async function current() {
  const told = await get("/api/v1/session");
  proveWith(told.csrf_token);
  return told.session ? whoever(told.session) : null;
}

export async function logIn(token) {
  const told = await post("/api/v1/session", undefined, { headers: { Authorization: `Bearer ${token}` } });
  proveWith(told.csrf_token);
  return whoever(told.session);
}

export async function logOut() {
  await remove("/api/v1/session");
  proveWith("");
}

async function whoever(session) {
  const actor = await get("/api/v1/whoami");
  return {
    session,
    actor,
    isOperator: actor.limits === null,
    may: (scope) => actor.scopes.includes(scope),
  };
}
