// The queue and the history.
import * as api from "./api.js";
import { overall } from "./charts.js";
import { $, h, icon, reconcile } from "./dom.js";
import { said } from "./errors.js";
import { ago, date, lang, moment, percent, seconds, t } from "./i18n.js";
import * as local from "./local.js";
import { problem, toast, words } from "./notices.js";
import { get, on, set } from "./store.js";

const PAGE = 30;
const own = new Set();
let dead = [];
let past = null;
let more = false;
let oldest = null;
let timer = null;

export function setup() {
  on("active lang", () => {
    count();
    strip();
    if (get().view === "queue") queue();
  });
  on("job running", strip);
  on("lang", () => get().view === "history" && history());
  on("view", async ({ view }) => {
    if (view === "queue") await refreshActive();
    if (view === "history") await loadHistory();
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refreshActive());
}

/** A job that this page queued: it is told when it is done. */
export const remember = (id) => own.add(id);

/** Brings the queue from the server, and again while something moves in it. */
export async function refreshActive() {
  clearTimeout(timer);
  try {
    const inState = async (state, limit) => (await api.json("GET", `jobs?state=${state}&limit=${limit}`)).jobs;
    const jobs = (await Promise.all([inState("running", 100), inState("queued", 200)])).flat();
    if (get().view === "queue") dead = await inState("dead", 100);
    set({ active: jobs });
    for (const id of own) if (!jobs.some((j) => j.id === id)) ended(id);
  } catch {
    // The connection's banner says it.
  }
  const wait = get().active.length ? 1200 : get().view === "queue" ? 5000 : 0;
  if (wait && document.visibilityState === "visible") timer = setTimeout(refreshActive, wait);
}

async function ended(id) {
  own.delete(id);
  try {
    const job = await api.json("GET", `jobs/${encodeURIComponent(id)}`);
    toast(`${t(`state_${job.state}`)}: ${name(job)}`, { label: t("open"), run: () => (location.hash = `#job/${id}`) });
    if (get().view === "history") loadHistory();
  } catch {
    // Removed in the meantime.
  }
}

const name = (job) => (job.mode === "ask" ? job.question : t(`mode_${job.mode}`)) || t(`mode_${job.mode}`);

function count() {
  const { active } = get();
  const element = $("#queue-count");
  element.hidden = active.length === 0;
  element.textContent = active.length ? String(active.length) : "";
}

// Under the question: what else is going on.
function strip() {
  const { active, job } = get();
  const others = active.filter((j) => j.id !== job?.id).slice(0, 2);
  reconcile($("#active-jobs"), others, (j) => j.id, version, (j) =>
    h("a", { class: "active-job", href: "#queue" }, h("span", { class: "active-name" }, name(j)), h("span", { class: "quiet" }, stage(j)), bar(j)),
  );
}

const version = (j) => `${j.state} ${j.progress?.stage} ${j.progress?.fraction} ${j.attempts} ${lang()}`;

function stage(job) {
  if (job.state !== "running") return t(`state_${job.state}`);
  return job.progress?.stage ? t(`stage_${job.progress.stage}`) : t("state_running");
}

function bar(job) {
  if (job.state !== "running") return null;
  const share = overall(job.progress);
  const element = h("progress", { max: 1, "aria-label": stage(job) });
  if (share !== undefined) element.value = share;
  return element;
}

function queue() {
  const { active } = get();
  const body = $("#queue-body");
  const running = active.filter((j) => j.state === "running");
  const waiting = active.filter((j) => j.state === "queued");
  if (!active.length && !dead.length) {
    body.replaceChildren(empty(t("queue_empty"), t("queue_empty_hint")));
    return;
  }
  const groups = [
    ["running", t("queue_running"), running],
    ["waiting", t("queue_waiting"), waiting],
    ["dead", t("queue_dead"), dead],
  ].filter(([, , list]) => list.length);
  if (body.firstChild?.classList.contains("empty")) body.replaceChildren();
  reconcile(body, groups, (g) => g[0], () => lang(), ([id, title]) =>
    h("section", { class: "group-of-jobs" }, h("h3", {}, title), id === "dead" && h("p", { class: "hint" }, t("queue_dead_hint")), h("ul", { class: "jobs" })),
  );
  groups.forEach(([, , list], i) => reconcile($(".jobs", body.children[i]), list, (j) => j.id, version, row));
}

function empty(title, hint) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", { class: "hint" }, hint));
}

function row(job) {
  const label = name(job);
  const button = (id, text, kind, run, sign) =>
    h("button", { type: "button", class: sign ? "icon-button" : "secondary small", title: sign ? text : undefined, dataset: { focus: id }, "aria-label": t(kind, { name: label }), onclick: run }, sign ? icon(sign) : text);
  const finished = !["queued", "running"].includes(job.state);
  const begun = job.started ?? (local.isLocal(job.id) ? job.created : null);
  const spent = begun && job.finished ? (date(job.finished) - date(begun)) / 1000 : null;
  const link = job.state !== "queued" && job.state !== "dead";
  return h(
    "li",
    { class: `job job-${job.state}` },
    h(
      "div",
      { class: "job-main" },
      link ? h("a", { class: "job-name", href: `#job/${job.id}`, dataset: { focus: "open" } }, label) : h("span", { class: "job-name" }, label),
      job.summary_line && h("p", { class: "job-line" }, job.summary_line),
      job.error && h("p", { class: "job-error" }, said(typeof job.error === "string" ? job.error : job.error.message)),
      h(
        "p",
        { class: "job-about" },
        [
          h("span", { class: `state state-${job.state}` }, stage(job)),
          job.state === "running" && overall(job.progress) ? h("span", { class: "figure" }, percent(overall(job.progress))) : null,
          h("span", {}, job.document_name ?? ""),
          job.priority && job.priority !== "normal" && !finished ? h("span", {}, t(`priority_${job.priority}`)) : null,
          job.attempts > 1 ? h("span", {}, t("attempt", { n: job.attempts })) : null,
          h("time", { datetime: date(job.finished ?? job.created).toISOString(), title: moment(job.finished ?? job.created) }, ago(job.finished ?? job.created)),
          spent !== null && spent >= 0 ? h("span", { class: "figure" }, t("took", { s: seconds(spent) })) : null,
        ].filter(Boolean),
      ),
      bar(job),
    ),
    h(
      "div",
      { class: "job-actions" },
      !finished && button("cancel", t("cancel"), "cancel_job", () => act(job, "cancel")),
      ["failed", "dead", "cancelled"].includes(job.state) && button("retry", t("retry"), "retry_job", () => act(job, "retry")),
      finished && button("delete", t("delete"), "clear_one", () => act(job, "delete"), "trash"),
    ),
  );
}

async function act(job, what) {
  const path = `jobs/${encodeURIComponent(job.id)}`;
  try {
    if (what === "delete" && local.isLocal(job.id)) await local.forget(job.id);
    else if (what === "delete") await api.json("DELETE", path);
    else await api.json("POST", `${path}/${what}`);
    if (what === "retry") {
      remember(job.id);
      toast(t("queued_note"), { label: t("see_queue"), run: () => (location.hash = "#queue") });
    }
    if (what === "delete") {
      past = past?.filter((j) => j.id !== job.id) ?? null;
      dead = dead.filter((j) => j.id !== job.id);
      if (get().job?.id === job.id) set({ job: null });
      toast(t("removed"));
    }
  } catch (error) {
    const { title, message } = words(error);
    toast(message ? `${title}: ${message}` : title);
  }
  await refreshActive();
  if (get().view === "history") {
    if (what === "delete") history();
    else await loadHistory();
  }
}

async function loadHistory(before) {
  const body = $("#history-body");
  if (!past) body.replaceChildren(h("div", { class: "skeleton tall" }), h("span", { class: "visually-hidden" }, t("loading")));
  try {
    const query = `jobs?limit=${PAGE}${before ? `&before=${encodeURIComponent(before)}` : ""}`;
    const { jobs } = await api.json("GET", query);
    more = jobs.length === PAGE;
    oldest = jobs.at(-1);
    const known = before ? past.filter((j) => !local.isLocal(j.id)) : [];
    past = await withLocal([...known, ...jobs.filter((j) => !["queued", "running"].includes(j.state))]);
    history();
  } catch (error) {
    body.replaceChildren(problem(error, { label: t("try_now"), run: () => loadHistory() }));
  }
}

// What ran at once is kept in this browser; it comes in between, as far as the list goes back.
async function withLocal(jobs) {
  const own = (await local.all()).filter((j) => !more || date(j.created) >= date(oldest.created));
  const both = [...jobs, ...own.map((j) => ({ ...j, result: undefined, summary_line: gist(j.result) }))];
  return both.sort((a, b) => date(b.finished ?? b.created) - date(a.finished ?? a.created));
}

const gist = (result) => (result?.answer?.text ?? result?.written_summary?.text ?? result?.summary?.[0]?.text ?? result?.extraction?.map((e) => e.value).join(", ") ?? "").slice(0, 200);

function history() {
  const body = $("#history-body");
  if (!past?.length) return body.replaceChildren(empty(t("history_empty"), t("history_empty_hint")));
  let list = $(".jobs", body);
  if (!list) {
    list = h("ul", { class: "jobs" });
    body.replaceChildren(list, h("div", { class: "actions" }));
  }
  reconcile(list, past, (j) => j.id, (j) => `${version(j)} ${ago(j.finished ?? j.created)}`, row);
  list.nextSibling.replaceChildren(
    ...(more ? [h("button", { type: "button", class: "secondary", onclick: () => loadHistory(oldest.id) }, t("history_more"))] : []),
  );
}
