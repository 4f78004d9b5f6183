// The API: JSON in and out, problems as errors, and the word that proves that this page asks.

let csrfToken = "";

export function proveWith(token) {
  csrfToken = token ?? "";
}

/** What the server refused, in its own words; `status` 0: it did not answer. */
export class Problem extends Error {
  constructor({ status, code = "", detail, hint = "" }) {
    super(detail);
    Object.assign(this, { status, code, hint });
  }

  get sentence() {
    return this.hint ? `${this.message}. ${this.hint}.` : `${this.message}.`;
  }
}

export const get = (path, options = {}) => ask("GET", path, options);
export const post = (path, body, options = {}) => ask("POST", path, { ...options, body });
export const remove = (path, options = {}) => ask("DELETE", path, options);

/** The answer itself, for whoever reads it as it comes. */
export async function open(method, path, options = {}) {
  const answer = await send(method, path, options);
  if (answer.ok) return answer;
  // Somebody has logged in anew in another tab: this one's proof is the old session's.
  if (answer.status === 403 && method !== "GET" && (await hasNewProof())) {
    const again = await send(method, path, options);
    if (again.ok) return again;
    throw await problem(again);
  }
  throw await problem(answer);
}

async function hasNewProof() {
  const before = csrfToken;
  const answer = await send("GET", "/api/v1/session");
  if (answer.ok) proveWith((await answer.json()).csrf_token);
  return csrfToken !== before && csrfToken !== "";
}

async function send(method, path, { body, headers = {}, signal } = {}) {
  const told = { ...headers };
  if (method !== "GET" && csrfToken) told["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) told["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method,
      headers: told,
      signal,
      credentials: "same-origin",
      redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, detail: "The server does not answer" });
  }
}

async function ask(method, path, options) {
  const answer = await open(method, path, options);
  return answer.json();
}

async function problem(answer) {
  try {
    return new Problem({ ...(await answer.json()), status: answer.status });
  } catch {
    return new Problem({ status: answer.status, detail: `The server answered ${answer.status}` });
  }
}
