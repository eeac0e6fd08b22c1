// The documents: adding, choosing, deleting, and the card of the chosen one.
import * as api from "./api.js";
import { $, h, icon, reconcile } from "./dom.js";
import { bytes, lang, number, percent, read, t, write } from "./i18n.js";
import { announce, confirm, opened, problem, toast, words } from "./notices.js";
import { get, on, set } from "./store.js";

const IMAGES = /\.(png|jpe?g)$/i;
const TEXTS = /\.(txt|md|markdown|pdf|docx)$/i;
const natural = new Intl.Collator(undefined, { numeric: true });

/** The samples that one can try at once: a file, and a question to begin with. */
export const SAMPLES = [
  {
    id: "lighthouse",
    file: "lighthouse.txt",
    lang: "en",
    questions: ["Who built the lighthouse at Corran Point?", "When does work begin?", "How many steps of the stair are cracked?"],
  },
  {
    id: "tea_garden",
    file: "tea_garden.txt",
    lang: "zh",
    questions: ["园中最老的茶树有多少年树龄？", "制茶学堂每期招收多少名学员？", "冻雨造成的损失约为多少？"],
  },
];

export function setup() {
  $("#file").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  $("#paste-open").addEventListener("click", pasteText);
  drops();
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      add(files);
    }
  });
  on("documents document lang config", render);
}

/** Brings the list from the server. */
export async function load() {
  const answer = await api.json("GET", "documents");
  const documents = Array.isArray(answer) ? answer : answer.documents;
  set({ documents });
}

/** Chooses a document by id, from the list or the server. */
export async function choose(id, { keepJob = false } = {}) {
  const known = get().documents?.find((d) => d.id === id);
  const patch = { documentGone: false, ...(keepJob || get().document?.id === id ? {} : { job: null }) };
  if (known) {
    write("glyph.document", id);
    set({ document: known, ...patch });
    return true;
  }
  try {
    set({ document: await api.json("GET", `documents/${encodeURIComponent(id)}`), ...patch });
    return true;
  } catch (error) {
    if (error.status !== 404) throw error;
    set({ document: null, documentGone: true });
    return false;
  }
}

/** The document that was open last, or the newest. */
export async function chooseFirst() {
  const { documents } = get();
  if (!documents?.length) return set({ document: null });
  const kept = read("glyph.document");
  await choose((documents.find((d) => d.id === kept) ?? documents[0]).id);
}

/** Adds a sample and chooses it. */
export async function addSample(sample) {
  const response = await fetch(new URL(`samples/${sample.file}`, document.baseURI));
  const blob = await response.blob();
  return send([new File([blob], sample.file, { type: "text/plain" })]);
}

/** Adds files: images make one document, others one each. */
export async function add(files) {
  const pictures = files.filter((f) => IMAGES.test(f.name) || f.type.startsWith("image/"));
  const others = files.filter((f) => !pictures.includes(f));
  if (pictures.length) {
    pictures.sort((a, b) => natural.compare(a.name, b.name));
    await send(pictures);
  }
  for (const file of others) await send([file]);
}

function refusal(files) {
  const max = get().config?.limits?.max_upload_bytes;
  const total = files.reduce((sum, f) => sum + f.size, 0);
  const name = files.length > 1 ? t("page_images") : files[0].name;
  const odd = files.find((f) => !IMAGES.test(f.name) && !TEXTS.test(f.name));
  if (odd) return new api.ApiError(415, "unsupported", t("err_unsupported_client", { name: odd.name }));
  const empty = files.find((f) => f.size === 0);
  if (empty) return new api.ApiError(400, "empty", t("err_empty_client", { name: empty.name }));
  if (max && total > max) {
    return new api.ApiError(413, "too_large", t("err_too_large_client", { name, size: bytes(total), max: bytes(max) }));
  }
  return null;
}

async function send(files) {
  const name = files.length > 1 ? `${files[0].name} … ${files.at(-1).name}` : files[0].name;
  const bar = h("progress", { max: 1, value: 0, "aria-label": name });
  const label = h("span", {});
  const row = h("div", { class: "upload" }, label, bar);
  $("#uploads").append(row);
  try {
    const refused = refusal(files);
    if (refused) throw refused;
    label.textContent = t("uploading", { name, percent: percent(0) });
    const form = new FormData();
    for (const file of files) form.append("file", file, file.name);
    const { status, body } = await api.upload("documents", form, (share) => {
      bar.value = share;
      label.textContent = share < 1 ? t("uploading", { name, percent: percent(share) }) : t("reading_file", { name });
      if (share >= 1) bar.removeAttribute("value");
    });
    row.remove();
    announce(t(status === 200 ? "already_there" : "added", { name: body.name }));
    const rest = (get().documents ?? []).filter((d) => d.id !== body.id);
    set({ documents: [body, ...rest] });
    await choose(body.id);
    return body;
  } catch (error) {
    row.replaceChildren(
      problem(error, { label: t("dismiss"), run: () => row.remove() }),
    );
    return null;
  }
}

async function pasteText() {
  const body = $("#paste-body");
  const name = $("#paste-name");
  body.value = "";
  name.value = t("pasted_name");
  if (!(await opened($("#paste-dialog"))) || !body.value.trim()) return;
  const title = name.value.trim().replace(/[\\/:*?"<>|]/g, " ") || t("pasted_name");
  await send([new File([body.value], `${title}.txt`, { type: "text/plain" })]);
}

function drops() {
  const veil = $("#dropveil");
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("dragleave", (event) => {
    if (!files(event)) return;
    depth -= 1;
    if (depth <= 0) veil.hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    add([...event.dataTransfer.files]);
  });
}

async function remove(item) {
  const sure = await confirm(t("delete_document_title"), t("delete_document_text", { name: item.name }), t("delete"));
  if (!sure) return;
  try {
    await api.json("DELETE", `documents/${encodeURIComponent(item.id)}`);
  } catch (error) {
    if (error.status !== 404) return toast(words(error).title);
  }
  const documents = get().documents.filter((d) => d.id !== item.id);
  set({ documents });
  if (get().document?.id === item.id) {
    set({ job: null });
    await chooseFirst();
  }
  toast(t("deleted"));
}

/** A document's pages, in words. */
export function pagesOf(item) {
  const n = item.pages ?? item.pages_estimate;
  if (n === undefined || n === null) return "";
  return t(item.pages === undefined && item.kind !== "images" ? "about_pages" : "n_pages", { n });
}

function render() {
  const { documents, document: chosen, config } = get();
  const list = $("#documents");
  reconcile(
    list,
    documents ?? [],
    (d) => d.id,
    (d) => `${d.id === chosen?.id} ${lang()}`,
    (d) =>
      h(
        "li",
        { class: d.id === chosen?.id ? "chosen" : "" },
        h(
          "button",
          {
            type: "button",
            class: "document",
            dataset: { focus: "open" },
            "aria-current": d.id === chosen?.id ? "true" : undefined,
            onclick: () => choose(d.id),
          },
          h("span", { class: "document-name" }, d.name || t("untitled")),
          h("span", { class: "document-about" }, [kindOf(d), pagesOf(d)].filter(Boolean).join(" · ")),
        ),
        h(
          "button",
          {
            type: "button",
            class: "icon-button",
            dataset: { focus: "delete" },
            "aria-label": t("delete_document", { name: d.name }),
            title: t("delete"),
            onclick: () => remove(d),
          },
          icon("trash"),
        ),
      ),
  );
  $("#drop").classList.toggle("small", Boolean(documents?.length));
  card(chosen);
  const version = config?.version;
  if (version) {
    $("#colophon").replaceChildren(
      h("span", {}, t("colophon", { version, model: config.model?.name ?? t("built_in") })),
      h("a", { href: "openapi.json" }, t("api_docs")),
    );
  }
}

function card(chosen) {
  const element = $("#document-card");
  const sections = (chosen?.sections ?? []).filter((s) => s.title);
  element.hidden = !chosen || sections.length < 2;
  if (element.hidden) return element.replaceChildren();
  const open = element.querySelector("details")?.open ?? false;
  const top = Math.min(...sections.map((s) => s.level ?? 1));
  element.replaceChildren(
    h(
      "details",
      { open },
      h("summary", {}, t("outline"), h("span", { class: "quiet" }, ` ${number(sections.length)}`)),
      h(
        "ol",
        { class: "outline", tabindex: "0", "aria-label": t("outline") },
        sections.slice(0, 400).map((s) => h("li", { class: `level-${Math.min((s.level ?? 1) - top, 3)}` }, s.title)),
      ),
    ),
  );
}

/** TXT, PDF, … */
export function kindOf(item) {
  const kind = String(item.kind ?? "").toLowerCase();
  if (kind.includes("image")) return t("page_images");
  return { text: "TXT", txt: "TXT", markdown: "Markdown", md: "Markdown", pdf: "PDF", docx: "DOCX" }[kind] ?? kind.toUpperCase();
}
