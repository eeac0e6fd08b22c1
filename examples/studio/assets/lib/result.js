// What came out: progress, answer, evidence, summary, key information, tokens and times.
import { bars, overall, times } from "./charts.js";
import { $, h, icon, svg } from "./dom.js";
import { has, number, percent, ratio, t } from "./i18n.js";
import { ApiError } from "./api.js";
import { boxed, hits, list, outline, pageSource } from "./pages.js";
import { problem, toast } from "./notices.js";
import { get, on } from "./store.js";
import { open as openViewer } from "./viewer.js";

const section = () => $("#result");

export function setup() {
  on("job document lang jobError running documentGone", render);
  on("progress waiting", progress);
  on("partial drafting", partial);
}

function render() {
  const { job, jobError, running, document: chosen, documentGone } = get();
  const element = section();
  element.hidden = !job;
  if (!job) return element.replaceChildren();
  element.setAttribute("aria-busy", String(running));
  const title = job.mode === "ask" ? job.question : t(`mode_${job.mode}`);
  const elsewhere = job.document_name && job.document_id !== chosen?.id;
  element.replaceChildren(
    h(
      "header",
      { class: "result-head" },
      h("h2", { id: "h-result" }, title),
      elsewhere && h("p", { class: "quiet" }, job.document_name),
      documentGone && h("p", { class: "quiet" }, t("no_pages")),
    ),
    ...body(job, running, jobError),
  );
  if (running) {
    progress();
    partial();
  }
}

function body(job, running, jobError) {
  const again = { label: t("again"), run: () => $("#run").click() };
  if (running) {
    return [
      h("div", { class: "progress", id: "run-progress" }, h("p", {}, h("span", { id: "run-stage" }), h("span", { class: "figure", id: "run-percent" })), h("progress", { max: 1, "aria-label": t("result") })),
      h("p", { class: "answer streaming", id: "partial", hidden: true }),
      h("p", { class: "hint", id: "drafting", hidden: true }, t("drafting")),
    ];
  }
  if (jobError) return [problem(jobError, again)];
  if (job.state === "cancelled") return [h("p", { class: "quiet" }, t("cancelled")), h("div", { class: "actions" }, h("button", { class: "secondary", type: "button", onclick: again.run }, again.label))];
  if (job.state === "failed" || job.state === "dead") {
    const error = typeof job.error === "string" ? { message: job.error, code: "" } : (job.error ?? { message: "", code: "" });
    return [problem(new ApiError(error.status ?? statusOf(error.code), error.code ?? "", error.message ?? ""), again)];
  }
  const result = job.result ?? {};
  return [
    result.answer && answer(job, result.answer),
    result.summary && summary(job, result.summary),
    result.written_summary && written(job, result.written_summary),
    result.extraction && extraction(job, result.extraction),
    result.json !== undefined && result.json !== null && json(result.json, result.json_writing),
    figures(result),
  ].filter(Boolean);
}

const statusOf = (code) => (/timeout/.test(code) ? 408 : /invalid|unsupported|too_/.test(code) ? 400 : 500);

function progress() {
  const { running, progress: now, waiting } = get();
  const bar = $("#run-progress progress");
  if (!running || !bar) return;
  const stage = now?.stage ?? "wait";
  const total = boxed() ? list().pages?.length : undefined;
  const place = now?.pages && now.stage === "scan" ? ` · ${t(total ? "stage_pages_of" : "stage_pages", { n: now.pages, total })}` : "";
  $("#run-stage").textContent = waiting ?? `${t(`stage_${stage}`)}${place}`;
  const share = overall(now);
  $("#run-percent").textContent = share === undefined ? "" : percent(share);
  if (share === undefined) bar.removeAttribute("value");
  else bar.value = share;
}

function partial() {
  const element = $("#partial");
  const { partial: text, drafting, job } = get();
  if (!element) return;
  $("#drafting").hidden = !drafting;
  // What is quoted for a summary or found is shown as a list once it is there.
  if (job.mode !== "ask" && !drafting) return void (element.hidden = true);
  element.hidden = !text;
  element.textContent = text;
}

function answer(job, found) {
  const writing = found.writing && draft(found.writing);
  if (found.found === false || !found.text) {
    // Its own words, which also say where the pages could not be read.
    return h("div", { class: "nothing" }, h("p", { class: "answer" }, found.text || t("not_found")), h("p", { class: "hint" }, t("not_found_hint")), writing);
  }
  const places = hits(job);
  return h(
    "div",
    {},
    h("p", { class: "answer", id: "answer" }, found.text),
    h(
      "div",
      { class: "answer-foot" },
      h("span", { class: "quiet" }, t("confidence", { percent: percent(found.confidence ?? 0, 1) })),
      h("button", { class: "link", type: "button", onclick: () => copy(found.text) }, t("copy")),
    ),
    writing,
    places.length > 0 && h("h3", {}, t("evidence")),
    places.length > 0 && h("ol", { class: "evidence" }, places.map((place) => card(job, place))),
  );
}

// How far what a model wrote can be trusted, which is never folded away, and what it wrote.
function draft(writing) {
  const left = writing.unsupported ?? [];
  return [
    verdict(writing, "quoted_instead"),
    h(
      "details",
      { class: "draft" },
      h("summary", {}, t("draft"), h("span", { class: "quiet" }, writing.writer)),
      writing.thinking && h("p", { class: "quiet" }, writing.thinking),
      h("p", {}, writing.draft),
      left.length > 0 && h("p", { class: "caution" }, t("left_out", { sentences: left.join(" · ") })),
    ),
  ];
}

function verdict({ checked, quoted }, whenQuoted) {
  return h("p", { class: checked && !quoted ? "hint" : "caution" }, t(!checked ? "unchecked" : quoted ? whenQuoted : "checked"));
}

// A place on a page: the strip of pixels, what was read there, and the way to it.
function card(job, place) {
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "card",
        "aria-label": `${t("show_on_page", { page: place.page })}: ${place.text}`,
        onclick: () => openViewer(place.page, { hit: place.id }),
      },
      strip(job, place),
      h("span", { class: "card-read" }, place.text),
      h(
        "span",
        { class: "card-foot" },
        h("span", {}, where(place)),
        place.confidence !== undefined && h("span", { class: "quiet figure" }, percent(place.confidence, 1)),
      ),
    ),
  );
}

function strip(job, place) {
  const { page_width: pageWidth = 700, page_height: pageHeight = 994 } = job.result.scan ?? {};
  if (!place.bbox || get().documentGone) return h("span", { class: "card-text" }, place.text);
  const { y, height: hgt } = place.bbox;
  // One line more on both sides, so that the eye finds where it is.
  const line = place.boxes[0].height;
  const top = Math.max(0, y - line - 2);
  const bottom = Math.min(pageHeight, y + hgt + line + 2);
  const image = svg("image", { x: 0, y: 0, width: pageWidth, height: pageHeight });
  const element = svg(
    "svg",
    { class: "strip", viewBox: `0 ${top} ${pageWidth} ${bottom - top}`, "aria-hidden": "true", preserveAspectRatio: "xMidYMid slice" },
    image,
    outline(place.boxes, "box"),
  );
  pageSource(job.document_id, place.page, "builtin").then(
    (source) => image.setAttribute("href", source),
    () => element.replaceWith(h("span", { class: "card-text" }, place.text)),
  );
  return element;
}

function where({ page, line, lastLine }) {
  if (!line) return t("page_n", { n: page });
  return line === lastLine ? t("page_line", { page, line }) : t("page_lines", { page, line, last: lastLine });
}

function summary(job, sentences) {
  const places = hits(job);
  return h(
    "ol",
    { class: "summary" },
    sentences.map((s, i) =>
      h(
        "li",
        {},
        h("p", {}, s.text),
        s.page && h("button", { class: "link", type: "button", onclick: () => openViewer(s.page, { hit: places.find((p) => p.index === i)?.id }) }, t("page_n", { n: s.page })),
      ),
    ),
  );
}

// What a model wrote, how far it can be trusted, and what it was written from.
function written(job, found) {
  const places = hits(job);
  const parts = found.sections ?? [];
  // Evidence of all sections counts through, as in `hits`.
  let index = 0;
  return h(
    "div",
    {},
    h("p", { class: "answer", id: "answer" }, found.text),
    verdict(found, "summary_quoted"),
    parts.length > 0 &&
      h(
        "details",
        { class: "draft" },
        h("summary", {}, t("sections"), h("span", { class: "quiet" }, ` ${number(parts.length)}`)),
        parts.map((part) =>
          h(
            "div",
            {},
            h("p", { class: "quiet" }, part.first_page === part.last_page ? t("page_n", { n: part.first_page }) : t("pages_n", { first: part.first_page, last: part.last_page })),
            h("p", {}, part.text),
            part.quoted && h("p", { class: "caution" }, t("quoted_instead")),
            (part.evidence ?? []).length > 0 &&
              h(
                "ol",
                { class: "evidence" },
                part.evidence.map((e) => {
                  const at = index++;
                  const place = places.find((p) => p.index === at);
                  return place ? card(job, place) : h("li", {}, h("p", {}, e.text));
                }),
              ),
          ),
        ),
      ),
  );
}

function extraction(job, items) {
  if (!items.length) return h("div", { class: "nothing" }, h("p", { class: "answer" }, t("nothing_extracted")));
  const places = hits(job);
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { class: "extraction" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("col_kind")), h("th", { scope: "col" }, t("col_value")), h("th", { scope: "col" }, t("col_where")))),
      h(
        "tbody",
        {},
        items.map((item, i) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, item.field || kindName(item.kind)),
            h("td", {}, h("span", { class: "value" }, item.value), item.normalized && item.normalized !== item.value && h("span", { class: "quiet" }, ` ${item.normalized}`)),
            h(
              "td",
              {},
              h(
                "button",
                {
                  class: "link",
                  type: "button",
                  "aria-label": `${t("show_on_page", { page: item.page })}: ${item.value}`,
                  onclick: () => openViewer(item.page, { hit: places.find((p) => p.index === i)?.id }),
                },
                item.line ? t("page_line", { page: item.page, line: item.line }) : t("page_n", { n: item.page }),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

function kindName(kind) {
  const name = String(kind ?? "field").toLowerCase();
  return has(`kind_${name}`) ? t(`kind_${name}`) : name.replaceAll("_", " ");
}

function json(value, writing) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return h(
    "div",
    { class: "json" },
    h("div", { class: "block-head" }, h("h3", {}, t("json")), h("button", { class: "icon-button", type: "button", "aria-label": t("copy"), title: t("copy"), onclick: () => copy(text) }, icon("copy"))),
    h("pre", { tabindex: "0" }, text),
    writing && !writing.checked && h("p", { class: "caution" }, t("unchecked")),
    writing?.unsupported?.length > 0 && h("p", { class: "caution" }, t("unsupported", { values: writing.unsupported.join(" · ") })),
  );
}

function figures({ tokens, seconds: spent }) {
  const chart = spent && times(spent);
  if (!tokens && !chart) return null;
  return h("div", { class: "accounts" }, tokens && account(tokens), chart && h("section", {}, h("h3", {}, t("times")), chart));
}

function account(tokens) {
  const global = tokens.vision_global ?? 0;
  const local = tokens.vision_local ?? 0;
  const gain = tokens.ratio ?? tokens.text / Math.max(1, global + local);
  return h(
    "section",
    {},
    h("h3", {}, t("account")),
    bars([
      { label: t("text_tokens"), value: tokens.text, kind: "text" },
      {
        label: t("vision_tokens"),
        value: global + local,
        parts: [
          { value: global, kind: "vision", label: t("global_tokens") },
          { value: local, kind: "local", label: t("local_tokens") },
        ],
      },
    ]),
    h(
      "ul",
      { class: "legend" },
      h("li", {}, h("i", { class: "bar-vision" }), t("global_tokens"), " ", h("span", { class: "figure" }, number(global))),
      h("li", {}, h("i", { class: "bar-local" }), t("local_tokens"), " ", h("span", { class: "figure" }, number(local))),
    ),
    h("p", { class: "quiet" }, t(gain >= 1 ? "account_saved" : "account_more", { ratio: ratio(gain) })),
    tokens.writer_output > 0 && h("p", { class: "quiet" }, t("writer_account", { prompt: tokens.writer_prompt, output: tokens.writer_output })),
  );
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard without HTTPS on other hosts: the old way.
    const area = h("textarea", { class: "visually-hidden", value: "" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(t("copied"));
}

