// The task: its kind, its text, and what starts it.
import { $, $$, h, roving } from "./dom.js";
import { read, t, write } from "./i18n.js";
import { SAMPLES, kindOf, pagesOf } from "./documents.js";
import { refreshActive, remember } from "./jobs.js";
import { toast, words } from "./notices.js";
import * as run from "./run.js";
import { get, on, set } from "./store.js";

const MODES = ["ask", "summarize", "extract"];

export function setup() {
  for (const tab of $$("[role=tab]")) {
    tab.dataset.roving = "";
    tab.addEventListener("click", () => setMode(tab.dataset.mode));
  }
  roving($("#mode-tabs"), () => $$("[role=tab]"), { activate: (tab) => setMode(tab.dataset.mode) });
  const question = $("#question");
  $("#task-form").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      enqueue();
    } else if (event.target === question) {
      event.preventDefault();
      submit();
    }
  });
  question.addEventListener("input", () => {
    clearError();
    grow();
  });
  $("#task-form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  $("#enqueue").addEventListener("click", enqueue);
  $("#stop").addEventListener("click", () => run.stop());
  on("document documents documentGone lang config", render);
  on("running", buttons);
  on("config lang", writers);
  setMode(MODES.includes(read("glyph.mode")) ? read("glyph.mode") : "ask");
  buttons();
}

/** Changes the kind of task. */
export function setMode(mode) {
  set({ mode });
  write("glyph.mode", mode);
  clearError();
  for (const tab of $$("[role=tab]")) {
    const chosen = tab.dataset.mode === mode;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    $(`#panel-${tab.dataset.mode}`).hidden = !chosen;
  }
}

/** Puts a question into the box and asks it. */
export function ask(text) {
  setMode("ask");
  $("#question").value = text;
  grow();
  submit();
}

/** Shows what a job was asked. */
export function recall(job) {
  setMode(job.mode);
  if (job.mode === "ask") $("#question").value = job.question ?? "";
  if (job.sentences) $("#sentences").value = job.sentences;
  if (job.fields) $("#fields").value = job.fields.join(", ");
  if ([...$("#writer").options].some((o) => o.value === job.writer)) $("#writer").value = job.writer;
  grow();
}

function grow() {
  const box = $("#question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 240)}px`;
}

// The request as the server takes it, or null after saying what is wrong.
function request() {
  const { mode, document: chosen, render } = get();
  if (!chosen) return null;
  const body = { document_id: chosen.id, mode, render };
  if (mode === "ask") {
    body.question = $("#question").value.trim();
    if (!body.question) return refuse("question_missing", $("#question"));
  } else if (mode === "summarize") {
    body.sentences = $("#sentences").valueAsNumber;
    if (!(body.sentences >= 1 && body.sentences <= 40)) return refuse("sentences_bad", $("#sentences"));
  } else {
    const fields = $("#fields").value.split(/[,，、;；\n]/).map((f) => f.trim()).filter(Boolean);
    if (fields.length) body.fields = fields;
    const schema = $("#schema").value.trim();
    if (schema && !$("#schema-field").hidden) {
      try {
        body.schema = JSON.parse(schema);
      } catch (error) {
        return refuse("schema_bad", $("#schema"), { message: error.message });
      }
    }
  }
  const budget = $("#budget").valueAsNumber;
  if (Number.isFinite(budget)) body.max_vision_tokens = budget;
  const writer = $("#writer").value;
  if (writer && !$("#writer-field").hidden) body.writer = writer;
  return body;
}

function refuse(key, field, values) {
  const error = $("#task-error");
  error.textContent = t(key, values);
  error.hidden = false;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", "task-error");
  field.focus();
  return null;
}

function clearError() {
  $("#task-error").hidden = true;
  for (const field of $$("[aria-invalid]", $("#task-form"))) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

async function submit() {
  if (get().running) return;
  clearError();
  const body = request();
  if (!body) return;
  if (location.hash !== "#read") history.replaceState(null, "", "#read");
  const running = run.runNow(body, get().document.name);
  bringIntoView($("#result"));
  await running;
}

// On a phone the result lies below the fold.
function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  if (top < innerHeight - 160) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

async function enqueue() {
  clearError();
  const body = request();
  if (!body) return;
  $("#enqueue").disabled = true;
  try {
    const job = await run.enqueue({ ...body, priority: $("#priority").value });
    remember(job.id);
    toast(t("queued_note"), { label: t("see_queue"), run: () => (location.hash = "#queue") });
    refreshActive();
  } catch (error) {
    const { title, message, hint } = words(error);
    $("#task-error").textContent = [title, message, hint].filter(Boolean).join(". ").replaceAll("..", ".");
    $("#task-error").hidden = false;
  } finally {
    $("#enqueue").disabled = false;
  }
}

function buttons() {
  const { running } = get();
  // The focus goes with the button that is replaced.
  const focused = document.activeElement;
  $("#run").hidden = running;
  $("#stop").hidden = !running;
  if (running && focused === $("#run")) $("#stop").focus();
  if (!running && focused === $("#stop")) $("#run").focus();
}

function writers() {
  const list = get().config?.writers ?? [];
  const chosen = $("#writer").value;
  const models = list.filter((w) => !/^(none|builtin|built_in|quote|extractive)/.test(w.kind ?? w.id));
  $("#writer-field").hidden = models.length === 0;
  $("#schema-field").hidden = models.length === 0;
  $("#writer").replaceChildren(
    h("option", { value: "" }, t("writer_none")),
    ...models.map((w) => h("option", { value: w.id }, w.id)),
  );
  $("#writer").value = models.some((w) => w.id === chosen) ? chosen : "";
}

function render() {
  const { document: chosen, documents, documentGone } = get();
  $("#task").hidden = !chosen;
  $("#welcome").hidden = Boolean(chosen) || documentGone;
  if (!chosen) return;
  const sample = SAMPLES.find((s) => s.file === chosen.name);
  $("#about-document").replaceChildren(
    h("strong", {}, chosen.name || t("untitled")),
    h(
      "span",
      { class: "quiet" },
      [kindOf(chosen), pagesOf(chosen), chosen.chars ? t("n_characters", { n: chosen.chars }) : "", chosen.text_tokens ? t("n_tokens", { n: chosen.text_tokens }) : ""]
        .filter(Boolean)
        .join(" · "),
    ),
  );
  $("#suggestions").replaceChildren(
    ...(sample?.questions ?? []).map((q) => h("button", { type: "button", class: "chip", lang: sample.lang, onclick: () => ask(q) }, q)),
  );
  $("#task").dataset.documents = documents?.length ?? 0;
  document.title = `${chosen.name} · Glyph Studio`;
}
