// Runs a task: now, with its events; or queued. A stream that breaks off is taken up again.
import * as api from "./api.js";
import { ApiError } from "./api.js";
import { t } from "./i18n.js";
import * as local from "./local.js";
import { announce, toast } from "./notices.js";
import { get, set } from "./store.js";

const FINAL = new Set(["done", "failed", "cancelled", "dead"]);
const PATHS = { ask: "ask", summarize: "summarize", extract: "extract" };
const stageText = (stage) => t(`stage_${stage}`);

// The run that is on show. Others go on unseen and say when they are done.
let shown = null;

/** Whether a job has come to its end. */
export const finished = (job) => FINAL.has(job.state);

/** Runs `request` at once and shows what happens. */
export function runNow(request, documentName) {
  const run = begin({ ...request, document_name: documentName, state: "queued", progress: null, created: new Date().toISOString() });
  const { mode, ...body } = request;
  return drive(run, () => api.events("POST", PATHS[mode], { ...body, stream: true }, { signal: run.abort.signal }));
}

/** Shows a job, with its events while it has not come to an end. */
export async function show(id) {
  const job = local.isLocal(id) ? await local.find(id) : await api.json("GET", `jobs/${encodeURIComponent(id)}`);
  if (!job) throw new ApiError(404, "not_found", "");
  if (finished(job)) {
    shown = null;
    set({ job, running: false, partial: "", drafting: false, progress: null, waiting: null, jobError: null });
    return job;
  }
  follow(begin(job));
  return job;
}

/** Puts `request` into the queue. */
export const enqueue = (request) => api.json("POST", "jobs", request);

/** Stops the run on show. */
export async function stop() {
  const run = shown;
  if (!run) return;
  run.stopped = true;
  if (run.job.id) {
    try {
      await api.json("POST", `jobs/${encodeURIComponent(run.job.id)}/cancel`);
      return; // its events end with "cancelled"
    } catch {
      // Gone or done already: nothing is left to stop.
    }
  }
  run.abort.abort();
  if (!finished(run.job)) end(run, { state: "cancelled" });
}

/** Leaves the run on show to itself. */
export function detach() {
  shown = null;
  set({ running: false, progress: null, partial: "", drafting: false, waiting: null, jobError: null });
}

function begin(job) {
  const run = { job, partial: "", abort: new AbortController(), stopped: false };
  shown = run;
  set({ job, running: true, partial: "", drafting: false, progress: null, waiting: null, jobError: null });
  return run;
}

async function drive(run, open) {
  for (let tries = 0; ; tries += 1) {
    try {
      await listen(run, open());
      return;
    } catch (error) {
      if (run.stopped || run.abort.signal.aborted) return;
      if (error.status === 429 && tries < 8) {
        await pause(run, Math.ceil(error.retryAfter ?? 2));
        if (run.stopped) return;
        continue;
      }
      if (error.status === 0 && run.job.id) return follow(run);
      return fail(run, error);
    }
  }
}

async function follow(run) {
  for (let tries = 0; !finished(run.job); tries += 1) {
    try {
      await listen(run, api.events("GET", `jobs/${encodeURIComponent(run.job.id)}/events`, undefined, { signal: run.abort.signal }));
      if (finished(run.job)) return;
    } catch (error) {
      if (run.stopped || run.abort.signal.aborted) return;
      if (error.status !== 0 && error.status !== 429 && error.status < 500) return fail(run, error);
      if (run === shown) set({ waiting: t("reconnecting") });
    }
    await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** tries, 10_000)));
  }
}

async function listen(run, stream) {
  for await (const { event, data } of stream) {
    if (run === shown && get().waiting) set({ waiting: null });
    receive(run, event, data);
    if (finished(run.job)) return;
  }
  // The stream ended before the job did.
  if (!finished(run.job)) throw new ApiError(0, "network", "");
}

function receive(run, event, data) {
  const visible = run === shown;
  switch (event) {
    case "job":
      run.job = { ...run.job, ...data };
      if (visible) set({ job: run.job });
      break;
    case "progress": {
      const before = run.job.progress?.stage;
      run.job = { ...run.job, state: "running", progress: data };
      if (!visible) break;
      set({ progress: data });
      if (before !== data.stage) announce(stageText(data.stage));
      break;
    }
    case "scan":
      run.job = { ...run.job, result: { ...run.job.result, scan: data } };
      if (visible) set({ job: run.job });
      break;
    case "draft":
      run.partial = data.begins ? data.text : run.partial + data.text;
      run.drafted = true;
      if (visible) set({ partial: run.partial, drafting: true });
      break;
    case "delta":
      // The answer takes the place of the draft that it was made of.
      run.partial = (run.drafted ? "" : run.partial) + (data.text ?? "");
      run.drafted = false;
      if (visible) set({ drafting: false });
      if (visible) set({ partial: run.partial });
      break;
    case "done":
      end(run, data.state ? data : { state: "done", result: data.result ?? data });
      break;
    case "failed":
    case "error":
      end(run, data.state ? data : { state: "failed", error: data.error ?? data });
      break;
    case "cancelled":
      end(run, data?.state ? data : { state: "cancelled" });
      break;
    default: // an event of a newer server
  }
}

function end(run, last) {
  const result = last.result ? { ...run.job.result, ...last.result } : run.job.result;
  run.job = { ...run.job, ...last, result };
  if (!run.job.id && run.job.state === "done") {
    run.job = { ...run.job, id: local.newId(), finished: new Date().toISOString() };
    local.keep(run.job);
  }
  if (run === shown) {
    shown = null;
    set({ job: run.job, running: false, progress: null, partial: "", drafting: false, waiting: null });
    announce(run.job.state === "done" ? t("answer_done") : t(`state_${run.job.state}`));
  } else if (run.job.state === "done") {
    toast(t("answer_done"), { label: t("open"), run: () => (location.hash = `#job/${run.job.id}`) });
  }
}

function fail(run, error) {
  run.job = { ...run.job, state: "failed" };
  if (run !== shown) return;
  shown = null;
  set({ job: run.job, running: false, progress: null, partial: "", drafting: false, waiting: null, jobError: error });
}

async function pause(run, seconds) {
  for (let left = seconds; left > 0 && !run.stopped; left -= 1) {
    if (run === shown) set({ waiting: t("busy_retry", { n: left }) });
    await new Promise((done) => setTimeout(done, 1000));
  }
  if (run === shown) set({ waiting: null });
}
