// Results of runs that were not queued. The server does not keep those, so this browser does: on
// disk, or until the page is closed where the server asks for a key and others may use the browser.
import { get } from "./store.js";

const MOST = 100;
const PREFIX = "local-";
const session = new Map();

/** Whether a job is kept here and not on the server. */
export const isLocal = (id) => String(id).startsWith(PREFIX);

/** An id for a run. */
export const newId = () => `${PREFIX}${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

/** Keeps a job with its result. */
export async function keep(job) {
  session.set(job.id, job);
  await work("readwrite", async (jobs) => {
    jobs.put(job);
    const ids = await done(jobs.getAllKeys());
    // Ids begin with the time, so the oldest come first.
    for (const id of ids.slice(0, Math.max(0, ids.length - MOST))) jobs.delete(id);
  });
}

/** A job with its result, or undefined. */
export async function find(id) {
  return session.get(id) ?? (await work("readonly", (jobs) => done(jobs.get(id))));
}

/** All jobs, with their results. */
export async function all() {
  const kept = (await work("readonly", (jobs) => done(jobs.getAll()))) ?? [];
  return [...new Map([...kept.map((j) => [j.id, j]), ...session]).values()];
}

/** Forgets a job. */
export async function forget(id) {
  session.delete(id);
  await work("readwrite", (jobs) => void jobs.delete(id));
}

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

let database = null;

function open() {
  const request = indexedDB.open("glyph-studio", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("jobs", { keyPath: "id" });
  return done(request);
}

async function work(mode, f) {
  if (get().config?.auth_required) return undefined;
  try {
    database ??= open();
    return await f((await database).transaction("jobs", mode).objectStore("jobs"));
  } catch {
    return undefined; // a private window: this session is kept all the same
  }
}
