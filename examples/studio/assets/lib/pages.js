// The pages: where their pictures come from, what is drawn over them, the gallery and downloads.
import * as api from "./api.js";
import { $, $$, debounce, h, icon, roving, save, svg } from "./dom.js";
import { number, read, t, write } from "./i18n.js";
import { toast, words } from "./notices.js";
import { get, on } from "./store.js";
import { open as openViewer } from "./viewer.js";

const CHUNK = 60;
const READ = "builtin";

/** What is shown over the pages. */
export const overlays = { evidence: true, heat: true, crops: false, ...kept() };
let onlyHits = false;
let which = "read";
let shown = CHUNK;
// The pages on show: of which document, drawn how, and each page's size.
let current = { id: null, renderId: READ, pages: null, style: null, error: null };

function kept() {
  try {
    return JSON.parse(read("glyph.overlays")) ?? {};
  } catch {
    return {};
  }
}

export function setup() {
  for (const input of $$("#which input")) {
    input.addEventListener("change", () => {
      which = input.value;
      bring();
    });
  }
  const gallery = $("#gallery");
  roving(gallery, () => $$("[data-roving]", gallery), { columns });
  on("document documentGone", bring);
  on("render", debounce(() => which === "styled" && bring(), 400));
  on("job", () => {
    narrow();
    refresh();
  });
  on("lang", render);
}

/** The page list on show: `{id, renderId, pages}`. */
export const list = () => current;

/** Whether the pages on show are those that boxes belong to. */
export const boxed = () => current.renderId === READ;

/** The places that a job's result names, in its order; lines of an answer that follow each other are one. */
export function hits(job) {
  const result = job?.result;
  if (!result) return [];
  const items = [];
  const add = (group, list, joins) =>
    (list ?? []).forEach((e, index) => {
      if (!e.page || !e.bbox?.width) return;
      const text = e.text ?? e.value ?? "";
      const last = items.at(-1);
      if (joins && last?.page === e.page && last.lastLine + 1 === e.line) {
        last.boxes.push(e.bbox);
        last.bbox = union(last.bbox, e.bbox);
        last.lastLine = e.line;
        last.text = /[\u3000-\uffef]$/.test(last.text) ? last.text + text : `${last.text} ${text}`;
        last.confidence = Math.min(last.confidence ?? 1, e.confidence ?? 1);
        return;
      }
      items.push({ ...e, index, id: `${group}-${index}`, text, boxes: [e.bbox], lastLine: e.line });
    });
  add("answer", result.answer?.evidence, true);
  add("summary", result.summary);
  add("written", result.written_summary?.sections?.flatMap((section) => section.evidence ?? []));
  add("extraction", result.extraction);
  return items;
}

function union(a, b) {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
}

/** One line around boxes that stand below each other. */
export function outline(boxes, name) {
  const pad = 2;
  const right = [];
  const left = [];
  boxes.forEach((b, i) => {
    const top = i === 0 ? b.y - pad : b.y;
    const bottom = i === boxes.length - 1 ? b.y + b.height + pad : boxes[i + 1].y;
    right.push([b.x + b.width + pad, top], [b.x + b.width + pad, bottom]);
    left.push([b.x - pad, top], [b.x - pad, bottom]);
  });
  const points = [...right, ...left.reverse()].map((p) => p.join(" "));
  return svg("path", { class: name, d: `M${points.join("L")}Z` });
}

/** What is drawn over page `n` of the job's document, in the page's pixels; null if nothing. */
export function overlay(job, n, { width, height, mark } = {}) {
  if (!boxed() || !job?.result || job.document_id !== current.id) return null;
  const shapes = [];
  const rect = (name, { x, y, width: w, height: hgt }, more = {}) =>
    shapes.push(svg("rect", { class: name, x, y, width: w, height: hgt, ...more }));
  const { scan, crops } = job.result;
  if (overlays.heat && scan?.rows) {
    const most = Math.max(...scan.rows.map((r) => r.score), 1e-9);
    for (const row of scan.rows) {
      if (row.page === n) rect("heat", row.bbox, { "fill-opacity": (0.08 + 0.47 * (row.score / most)).toFixed(3) });
    }
  }
  if (overlays.crops) for (const crop of crops ?? []) if (crop.page === n) rect("crop", crop.bbox);
  if (overlays.evidence) {
    for (const hit of hits(job)) {
      if (hit.page === n) shapes.push(outline(hit.boxes, hit.id === mark ? "box mark" : "box"));
    }
  }
  if (!shapes.length) return null;
  const kind = overlays.heat && scan?.rows ? "overlay over-heat" : "overlay";
  return svg("svg", { class: kind, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, shapes);
}

/** The switches for what is drawn over the pages, into `element`. */
export function toggles(element, changed = refresh) {
  const job = get().job;
  const has = {
    evidence: hits(job).length > 0,
    heat: Boolean(job?.result?.scan?.rows?.length),
    crops: Boolean(job?.result?.crops?.length),
  };
  element.replaceChildren(
    ...Object.keys(has).filter((name) => has[name] && boxed()).map((name) =>
      h(
        "button",
        {
          type: "button",
          class: `toggle toggle-${name}`,
          "aria-pressed": String(overlays[name]),
          dataset: { overlay: name },
          onclick: () => {
            flip(name);
            changed();
            element.querySelector(`[data-overlay=${name}]`)?.focus();
          },
        },
        h("i", {}),
        t(`overlay_${name}`),
      ),
    ),
  );
}

/** Shows or hides one kind of overlay. */
export function flip(name) {
  overlays[name] = !overlays[name];
  write("glyph.overlays", JSON.stringify(overlays));
}

const sources = new Map();

/** The address of a page's picture: fetched with the key where one is needed. */
export async function pageSource(id, n, renderId = READ) {
  const path = `documents/${encodeURIComponent(id)}/pages/${n}.png?render=${encodeURIComponent(renderId)}`;
  if (!api.hasKey()) return api.url(path);
  if (!sources.has(path)) {
    sources.set(path, api.blob(path).then((b) => URL.createObjectURL(b)));
    sources.get(path).catch(() => sources.delete(path));
  }
  const source = sources.get(path);
  // The least recently used go first; those on show are used last.
  sources.delete(path);
  sources.set(path, source);
  if (sources.size > 200) {
    const [oldest, gone] = sources.entries().next().value;
    sources.delete(oldest);
    gone.then(URL.revokeObjectURL, () => {});
  }
  return source;
}

let bringing = null;

async function bring() {
  const { document: chosen, render: style } = get();
  $("#pages").hidden = !chosen;
  bringing?.abort();
  if (!chosen) {
    current = { id: null, renderId: READ, pages: null, error: null };
    return render();
  }
  const mine = (bringing = new AbortController());
  const id = chosen.id;
  const fresh = current.id !== id;
  if (fresh) shown = CHUNK;
  const styled = which === "styled";
  current = { id, renderId: styled ? null : READ, pages: fresh ? null : current.pages, error: null, loading: true };
  render();
  try {
    const body = styled ? style : { preset: READ };
    const drawn = await api.json("POST", `documents/${encodeURIComponent(id)}/render`, body, { signal: mine.signal });
    if (bringing !== mine) return;
    current = { id, renderId: styled ? drawn.render_id : READ, pages: drawn.pages, error: null };
  } catch (error) {
    if (mine.signal.aborted) return;
    current = { id, renderId: READ, pages: [], error };
  }
  render();
}

function columns() {
  const items = $$("[data-roving]", $("#gallery"));
  const top = items[0]?.offsetTop;
  return Math.max(1, items.filter((e) => e.offsetTop === top).length);
}

function render() {
  const { pages, error, loading } = current;
  const gallery = $("#gallery");
  $("#which").classList.toggle("disabled", !pages);
  tools();
  note();
  $("#pages-count").textContent = pages?.length ? number(pages.length) : "";
  if (error) {
    const { title, message, hint } = words(error);
    gallery.replaceChildren(h("li", { class: "gallery-note" }, h("strong", {}, title), h("p", {}, message), h("p", { class: "hint" }, hint)));
  } else if (!pages || (loading && !current.renderId)) {
    gallery.setAttribute("aria-busy", "true");
    gallery.replaceChildren(h("li", { class: "gallery-note" }, h("div", { class: "skeleton sheet-skeleton" }), h("span", { class: "visually-hidden" }, t("rendering"))));
  } else {
    gallery.removeAttribute("aria-busy");
    fill();
  }
  downloads();
}

let narrowed = null;

// A new answer in a long document: its pages come first, since one would have to search for them.
function narrow() {
  const job = get().job;
  const { pages } = current;
  if (!job?.result || job.state !== "done" || job.result === narrowed || !pages) return;
  narrowed = job.result;
  const first = Math.min(...hits(job).map((hit) => hit.page));
  onlyHits = boxed() && pages.length > 12 && Number.isFinite(first) && first > 4;
}

// Pages whose overlays changed get new ones; the pictures stay.
function refresh() {
  tools();
  note();
  if (current.pages && !current.error && current.renderId) fill();
  downloads();
}

function tools() {
  const { pages } = current;
  toggles($("#overlay-toggles"));
  const found = hits(get().job).length > 0 && boxed() && (pages?.length ?? 0) > 1;
  if (!found) onlyHits = false;
  if (found) {
    $("#overlay-toggles").append(
      h("button", { type: "button", class: "toggle", "aria-pressed": String(onlyHits), dataset: { overlay: "only" }, onclick: () => { onlyHits = !onlyHits; fill(); $("#overlay-toggles [data-overlay=only]")?.focus(); } }, t("only_hits")),
    );
  }
}

function note() {
  const element = $("#pages-note");
  const wanted = which === "styled" && get().job?.result;
  element.hidden = !wanted;
  element.textContent = wanted ? t("pages_styled_note") : "";
}

let watcher = null;

function fill() {
  const gallery = $("#gallery");
  const { pages, id, renderId } = current;
  const job = get().job;
  const counts = new Map();
  if (boxed() && job?.document_id === id) for (const hit of hits(job)) counts.set(hit.page, (counts.get(hit.page) ?? 0) + 1);
  for (const e of $("#overlay-toggles").querySelectorAll("[data-overlay=only]")) e.setAttribute("aria-pressed", String(onlyHits));
  const wanted = (onlyHits ? pages.filter((p) => counts.has(p.number)) : pages).slice(0, onlyHits ? undefined : shown);
  const old = new Map([...gallery.children].map((e) => [e.dataset.page, e]));
  const at = document.activeElement?.closest?.("[data-page]")?.dataset.page;
  watcher?.disconnect();
  watcher = new IntersectionObserver(seen, { rootMargin: "400px" });
  const elements = wanted.map((page) => {
    const key = `${id}/${renderId}/${page.number}`;
    let element = old.get(key);
    if (!element) {
      element = item(page, key);
    }
    const sheet = element.querySelector(".sheet");
    sheet.querySelector(".overlay")?.remove();
    const over = overlay(job, page.number, page);
    if (over) sheet.append(over);
    const n = counts.get(page.number) ?? 0;
    const button = element.firstChild;
    button.classList.toggle("hit", n > 0);
    button.tabIndex = -1;
    button.setAttribute("aria-label", n ? `${t("page_alt", { n: page.number })}, ${t("hits", { n })}` : t("page_alt", { n: page.number }));
    element.querySelector(".page-number").textContent = n ? `${t("page_n", { n: page.number })} · ${t("hits", { n })}` : number(page.number);
    if (!sheet.querySelector("img").src) watcher.observe(element);
    return element;
  });
  const rest = onlyHits ? 0 : pages.length - wanted.length;
  gallery.classList.toggle("one", elements.length === 1);
  gallery.classList.toggle("few", elements.length > 1 && elements.length < 5);
  gallery.replaceChildren(...elements);
  const first = elements.find((e) => e.dataset.page === at) ?? elements[0];
  if (first) first.firstChild.tabIndex = 0;
  if (at) first?.firstChild.focus({ preventScroll: true });
  if (rest > 0) {
    gallery.append(
      h("li", { class: "gallery-more" }, h("button", { type: "button", class: "secondary", onclick: () => { shown += CHUNK; fill(); } }, t("more_pages"))),
    );
  }
}

function item(page, key) {
  const sheet = h("span", { class: "sheet" }, h("img", { alt: "", decoding: "async" }));
  sheet.style.aspectRatio = `${page.width} / ${page.height}`;
  return h(
    "li",
    { dataset: { page: key, number: String(page.number) } },
    h("button", { type: "button", class: "page", dataset: { roving: "" }, onclick: () => openViewer(page.number) }, sheet, h("span", { class: "page-number" })),
  );
}

function seen(entries) {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    const image = entry.target.querySelector("img");
    const { id, renderId } = current;
    pageSource(id, entry.target.dataset.number, renderId).then(
      (source) => (image.src = source),
      () => entry.target.classList.add("broken"),
    );
  }
}

function downloads() {
  const { id, renderId, pages } = current;
  const { document: chosen, job } = get();
  const element = $("#downloads");
  if (!id || !pages?.length || !renderId) return element.replaceChildren();
  const name = (chosen?.name ?? "document").replace(/\.[^.]+$/, "");
  const path = `documents/${encodeURIComponent(id)}`;
  element.replaceChildren(
    h("h3", {}, t("downloads")),
    download(t("download_pages"), `${path}/pages.zip?render=${encodeURIComponent(renderId)}`, `${name}-pages.zip`),
    download(t("download_text"), `${path}/text`, `${name}.txt`, t("download_text_title")),
    job?.state === "done" && job.document_id === id ? resultFile(job, `${name}-result.json`) : "",
  );
}

// The result is here already.
function resultFile(job, name) {
  const { document_id, document_name, mode, question, result } = job;
  const text = JSON.stringify({ document_id, document_name, mode, question, result }, null, 2);
  return h(
    "button",
    { type: "button", class: "download", onclick: () => save(new Blob([text], { type: "application/json" }), name) },
    icon("down"),
    h("span", {}, t("download_result")),
  );
}

// Fetched, so that a key goes along and an error can be said; the file is saved from memory.
function download(label, path, name, title) {
  const text = h("span", {}, label);
  const button = h("button", { type: "button", class: "download", title }, icon("down"), text);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    text.textContent = t("preparing");
    try {
      save(await api.blob(path), name);
    } catch (error) {
      const { title: what, message } = words(error);
      toast(message ? `${what}: ${message}` : what);
    } finally {
      button.removeAttribute("aria-disabled");
      text.textContent = label;
    }
  });
  return button;
}
