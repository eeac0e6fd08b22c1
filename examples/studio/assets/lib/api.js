// Talks to the server: JSON, uploads, downloads, and events.

const ROOT = new URL("api/v1/", document.baseURI);
const KEY = "glyph.key";
let key = sessionKey();
let hooks = { askKey: async () => null, reached: () => {}, unreachable: () => {} };

/** What went wrong: `status` 0 is no connection. */
export class ApiError extends Error {
  constructor(status, code, message, { param = null, retryAfter = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }
}

/** `askKey(wrong)` gives a key or null; the others hear whether the server answers. */
export function connect(functions) {
  hooks = { ...hooks, ...functions };
}

/** The address of an endpoint. */
export const url = (path) => new URL(path, ROOT).href;

/** Whether requests carry a key, so that pictures can't be plain `src`s. */
export const hasKey = () => key !== null;

/** A request that answers JSON. */
export async function json(method, path, body, { signal } = {}) {
  const response = await send(method, path, body, { signal });
  if (response.status === 204) return null;
  return response.json();
}

/** A request that answers bytes. */
export async function blob(path, { signal } = {}) {
  return (await send("GET", path, undefined, { signal })).blob();
}

/** A request for events: yields `{event, data}` until the server ends them. */
export async function* events(method, path, body, { signal } = {}) {
  const response = await send(method, path, body, { signal, accept: "text/event-stream" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      let part;
      try {
        part = await reader.read();
      } catch (error) {
        if (signal?.aborted) throw error;
        throw new ApiError(0, "network", String(error.message ?? error));
      }
      if (part.done) return;
      buffer = (buffer + part.value).replace(/\r\n?/g, "\n");
      let end;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        const message = parseEvent(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
        if (message) yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parseEvent(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (!data.length) return null;
  try {
    return { event, data: JSON.parse(data.join("\n")) };
  } catch {
    return { event, data: data.join("\n") };
  }
}

/** Sends files; `progress(share)` tells how much has left. `fetch` can't. */
export async function upload(path, form, progress, again = false) {
  const used = key;
  const answer = await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url(path));
    if (used) request.setRequestHeader("Authorization", `Bearer ${used}`);
    request.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    request.onload = () => resolve(request);
    request.onerror = () => reject(new ApiError(0, "network", ""));
    request.send(form);
  }).catch((error) => {
    hooks.unreachable();
    throw error;
  });
  hooks.reached();
  if (answer.status === 401 && (await renewKey(used, again))) return upload(path, form, progress, true);
  if (answer.status >= 400) {
    throw problem(answer.status, answer.responseText, answer.getResponseHeader("Retry-After"));
  }
  return { status: answer.status, body: JSON.parse(answer.responseText) };
}

async function send(method, path, body, { signal, accept, again = false } = {}) {
  const headers = {};
  const used = key;
  if (used) headers.Authorization = `Bearer ${used}`;
  if (accept) headers.Accept = accept;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url(path), {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    hooks.unreachable();
    throw new ApiError(0, "network", "");
  }
  hooks.reached();
  if (response.status === 401 && (await renewKey(used, again))) {
    return send(method, path, body, { signal, accept, again: true });
  }
  if (!response.ok) {
    throw problem(response.status, await response.text(), response.headers.get("Retry-After"));
  }
  return response;
}

function problem(status, text, retry) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // Not the server's own answer, such as a proxy's page.
  }
  const wait = Number.parseFloat(retry);
  return new ApiError(status, error.code ?? "", error.message ?? `HTTP ${status}`, {
    param: error.param ?? null,
    retryAfter: Number.isFinite(wait) ? wait : null,
  });
}

let asking = null;

// Several requests may be refused at once; the reader is asked once.
async function renewKey(used, again) {
  if (key !== used) return true;
  asking ??= hooks.askKey(again || used !== null).finally(() => (asking = null));
  const entered = await asking;
  if (!entered) return false;
  key = entered;
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // Kept in memory only.
  }
  return true;
}

function sessionKey() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
