// Glyph Studio's page: puts the parts together, and follows the address.
import * as api from "./lib/api.js";
import * as composer from "./lib/composer.js";
import * as documents from "./lib/documents.js";
import { $, $$, h, icon, svg } from "./lib/dom.js";
import { lang, read, setLang, t, translate, write } from "./lib/i18n.js";
import * as jobs from "./lib/jobs.js";
import * as notices from "./lib/notices.js";
import * as pages from "./lib/pages.js";
import * as result from "./lib/result.js";
import * as run from "./lib/run.js";
import * as settings from "./lib/settings.js";
import { get, on, set } from "./lib/store.js";
import * as viewer from "./lib/viewer.js";

const VIEWS = ["read", "queue", "history"];
const THEMES = ["auto", "light", "dark"];

api.connect({ askKey: notices.askKey, reached: notices.online, unreachable: () => notices.offline(check) });

language();
theme();
for (const part of [documents, settings, composer, pages, viewer, result, jobs]) part.setup();
on("lang", () => {
  language();
  theme();
  welcome();
});
on("document", ({ job, document: chosen }) => {
  if (job?.document_id !== chosen?.id) run.detach();
});
$("#lang").addEventListener("click", () => {
  setLang(lang() === "en" ? "zh" : "en");
  set({ lang: lang() });
});
$("#theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length];
  write("glyph.theme", next === "auto" ? null : next);
  theme(next);
});
addEventListener("hashchange", route);
$(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is a view's, not an anchor's
  $("#main").focus();
});

start();

async function start() {
  route({ first: true });
  if (!(await check())) return;
  jobs.refreshActive();
  await route();
}

// Whether the server answers; brings what the page needs of it.
async function check() {
  try {
    set({ config: await api.json("GET", "config") });
    await documents.load();
    if (!get().document) {
      welcome();
      if (!location.hash.startsWith("#job/")) await documents.chooseFirst();
    }
    if (get().view === "queue") jobs.refreshActive();
    return true;
  } catch (error) {
    if (error.status !== 0) $("#welcome").replaceChildren(notices.problem(error, { label: t("try_now"), run: () => start() }));
    $("#welcome").hidden = Boolean(get().document);
    return false;
  }
}

// #read, #queue, #history, #job/ID
async function route({ first = false } = {}) {
  const [name, id] = location.hash.slice(1).split("/");
  const view = VIEWS.includes(name) ? name : "read";
  const moved = view !== get().view;
  for (const other of VIEWS) $(`#view-${other}`).hidden = other !== view;
  for (const link of $$("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  set({ view });
  title();
  if (moved) {
    scrollTo(0, 0);
    $("#main").focus({ preventScroll: true });
  }
  if (name === "job" && id && !first) await openJob(decodeURIComponent(id));
}

async function openJob(id) {
  if (get().job?.id === id) return;
  try {
    const job = await run.show(id);
    composer.recall(job);
    await documents.choose(job.document_id, { keepJob: true });
    $("#result").scrollIntoView({ block: "nearest" });
  } catch (error) {
    notices.toast(notices.words(error).title);
    history.replaceState(null, "", "#read");
    if (!get().document) await documents.chooseFirst();
  }
}

function title() {
  const { view } = get();
  $("#view-title").textContent = `Glyph Studio: ${t(`view_${view}`)}`;
}

function language() {
  document.documentElement.lang = lang() === "zh" ? "zh-CN" : "en";
  translate();
  title();
  const button = $("#lang");
  button.textContent = t("language_other");
  button.lang = lang() === "zh" ? "en" : "zh-CN";
  button.setAttribute("aria-label", t("language_switch"));
}

function chosenTheme() {
  const kept = read("glyph.theme");
  return THEMES.includes(kept) ? kept : "auto";
}

function theme(name = chosenTheme()) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  const button = $("#theme");
  button.replaceChildren(icon(name));
  button.title = t(`theme_${name}`);
  button.setAttribute("aria-label", t(`theme_${name}`));
}

function welcome() {
  $("#welcome").replaceChildren(
    h("h2", {}, t("welcome_title")),
    h("p", { class: "lead" }, t("welcome_text")),
    figure(),
    h("h3", {}, t("welcome_samples")),
    h(
      "div",
      { class: "samples" },
      documents.SAMPLES.map((sample) =>
        h(
          "article",
          { class: "sample" },
          h("h4", { lang: sample.lang }, t(`sample_${sample.id}`)),
          h("p", { class: "quiet" }, t(`sample_${sample.id}_about`)),
          h("p", { class: "sample-question", lang: sample.lang }, sample.questions[0]),
          h("button", { type: "button", class: "primary", dataset: { sample: sample.id }, onclick: () => trySample(sample) }, t("sample_try")),
        ),
      ),
    ),
    h("p", { class: "quiet" }, h("label", { class: "link", for: "file" }, t("choose_file")), " ", t("welcome_own")),
  );
}

async function trySample(sample) {
  if (await documents.addSample(sample)) composer.ask(sample.questions[0]);
}

// A page of text becomes a few tokens: drawn, not said.
function figure() {
  const lines = [];
  for (let row = 0; row < 11; row += 1) {
    let x = 8;
    while (x < 96) {
      const width = 4 + ((row * 37 + x * 13) % 11);
      if (x + width > 104) break;
      lines.push(svg("rect", { class: row === 6 && x > 24 && x < 84 ? "ink found" : "ink", x, y: 10 + row * 11, width, height: 4, rx: 1 }));
      x += width + 3;
    }
  }
  const grid = [];
  for (let row = 0; row < 5; row += 1) {
    for (let column = 0; column < 5; column += 1) {
      grid.push(svg("rect", { class: row === 2 && column > 0 && column < 4 ? "token found" : "token", x: 152 + column * 17, y: 27 + row * 17, width: 13, height: 13, rx: 2 }));
    }
  }
  return svg(
    "svg",
    { class: "figure-art", viewBox: "0 0 420 138", "aria-hidden": "true" },
    svg("rect", { class: "sheet-line", x: 0.5, y: 0.5, width: 112, height: 137, rx: 3 }),
    lines,
    svg("path", { class: "arrow", d: "M122 69h18m-5-5l5 5-5 5" }),
    grid,
    svg("path", { class: "arrow", d: "M246 69h18m-5-5l5 5-5 5" }),
    svg("rect", { class: "ink strong", x: 276, y: 55, width: 132, height: 6, rx: 2 }),
    svg("rect", { class: "ink strong", x: 276, y: 68, width: 96, height: 6, rx: 2 }),
    svg("rect", { class: "found", x: 276, y: 84, width: 44, height: 5, rx: 2 }),
  );
}

