// The page style and what it comes to, live.
import * as api from "./api.js";
import { $, debounce, h } from "./dom.js";
import { has, lang, number, ratio, t } from "./i18n.js";
import * as notices from "./notices.js";
import { bars } from "./charts.js";
import { get, on, set } from "./store.js";

const NUMBERS = ["font_size", "dpi", "max_tokens_per_page"];
const SWITCHES = ["antialias", "header", "footer", "page_numbers", "line_numbers", "corner_marks"];
const FALLBACK = {
  preset: "glyph-en",
  font_size: 12,
  dpi: 96,
  max_tokens_per_page: 8192,
  antialias: true,
  header: false,
  footer: false,
  page_numbers: false,
  line_numbers: false,
  corner_marks: false,
  watermark: null,
};

const form = () => $("#settings-form");
let asked = 0;

export function setup() {
  form().addEventListener("input", (event) => {
    if (event.target.name === "preset") applyPreset(event.target.value);
    changed();
  });
  form().addEventListener("reset", (event) => {
    event.preventDefault();
    write(defaults());
    changed();
  });
  form().addEventListener("submit", (event) => event.preventDefault());
  $("#settings").open = matchMedia("(min-width: 800px)").matches;
  on("config", () => {
    write(defaults());
    set({ render: collect() });
  });
  on("config lang", presets);
  on("layout lang layoutError", figures);
  on("document render", debounce(ask, 200));
  on("config lang", () => {
    const writer = get().config?.writers?.find((w) => /vision|page/.test(w.kind));
    $(".honest").textContent = writer ? t("honest_writer", { writer: writer.id }) : t("honest");
  });
}

const defaults = () => ({ ...FALLBACK, ...get().config?.defaults?.render });
const presetOf = (name) => get().config?.presets?.find((p) => p.name === name);

// A preset's text in the reader's language; null for one of a newer server.
function words(name, part) {
  const key = `preset_${String(name).replaceAll("-", "_")}${part}`;
  return has(key) ? t(key) : null;
}

function presets() {
  const select = form().elements.preset;
  const { config } = get();
  if (!config) return;
  const value = select.value || defaults().preset;
  select.replaceChildren(
    ...config.presets.map((p) => h("option", { value: p.name }, words(p.name, "") ?? p.title ?? p.name)),
  );
  select.value = value;
  hint();
}

// A preset brings its own size; what the reader changes after that is kept.
function applyPreset(name) {
  const preset = presetOf(name);
  if (preset?.font_size_pt) form().elements.font_size.value = preset.font_size_pt;
  if (preset?.dpi) form().elements.dpi.value = preset.dpi;
}

function hint() {
  const preset = presetOf(form().elements.preset.value);
  const fixed = preset?.adjustable === false;
  for (const field of form().elements) {
    if (field.name && field.name !== "preset" && field.name !== "antialias") field.disabled = fixed;
  }
  $("#preset-hint").textContent = words(preset?.name, "_about") ?? preset?.description ?? "";
}

function write(values) {
  const fields = form().elements;
  if (get().config) presets();
  fields.preset.value = values.preset;
  for (const name of NUMBERS) fields[name].value = values[name];
  for (const name of SWITCHES) fields[name].checked = Boolean(values[name]);
  fields.watermark.value = values.watermark ?? "";
  hint();
}

function collect() {
  const fields = form().elements;
  const values = { preset: fields.preset.value || defaults().preset };
  for (const name of NUMBERS) {
    const value = fields[name].valueAsNumber;
    values[name] = Number.isFinite(value) ? value : defaults()[name];
  }
  for (const name of SWITCHES) values[name] = fields[name].checked;
  values.watermark = fields.watermark.value.trim() || null;
  return values;
}

const publish = debounce(() => set({ render: collect() }), 150);

function changed() {
  hint();
  for (const e of form().elements) e.toggleAttribute?.("aria-invalid", false);
  let valid = true;
  for (const name of NUMBERS) {
    const field = form().elements[name];
    const ok = field.disabled || field.checkValidity();
    if (!ok) field.setAttribute("aria-invalid", "true");
    valid &&= ok;
  }
  if (valid) publish();
  else set({ layoutError: new api.ApiError(400, "invalid", firstInvalid()) });
}

function firstInvalid() {
  const field = NUMBERS.map((n) => form().elements[n]).find((f) => f.getAttribute("aria-invalid"));
  return field ? `${field.closest("label").querySelector("span").textContent}: ${field.min} – ${field.max}` : "";
}

// What the built-in reader's own pages come to, by document: the style does not change it.
const asRead = new Map();

async function readLayout(id) {
  if (!asRead.has(id)) {
    const body = { render: { preset: "builtin" }, ...(id ? { document_id: id } : {}) };
    asRead.set(id, await api.json("POST", "layout", body));
  }
  return asRead.get(id);
}

async function ask() {
  const { render, document: chosen, config } = get();
  if (!render || !config) return;
  const mine = ++asked;
  $("#figures").setAttribute("aria-busy", "true");
  try {
    const [layout, read] = await Promise.all([
      api.json("POST", "layout", { render, ...(chosen ? { document_id: chosen.id } : {}) }),
      readLayout(chosen?.id),
    ]);
    if (mine === asked) set({ layout: { ...layout, read, builtin: render.preset === "builtin" }, layoutError: null });
  } catch (error) {
    if (mine !== asked) return;
    if (error.status === 429) return void setTimeout(ask, 1000 * (error.retryAfter ?? 1));
    if (error.param) form().elements[error.param.split(".").at(-1)]?.setAttribute("aria-invalid", "true");
    set({ layoutError: error });
  } finally {
    if (mine === asked) $("#figures").removeAttribute("aria-busy");
  }
}

function figures() {
  const { layout, layoutError, document: chosen } = get();
  const element = $("#figures");
  if (layoutError) {
    const { title, message } = notices.words(layoutError);
    element.replaceChildren(h("p", { class: "field-error", role: "alert" }, layoutError.status ? message : title));
    $("#summary-ratio").textContent = "";
    return;
  }
  if (!layout) return element.replaceChildren(h("div", { class: "skeleton tall" }));
  const { read, builtin } = layout;
  $("#summary-ratio").textContent = `${ratio(layout.ratio)}×`;
  const compression = (value, label) =>
    h("div", { class: value >= 1 ? "gain" : "loss" }, h("dd", {}, `${ratio(value)}×`), h("dt", {}, label));
  const figure = (value, unit) => h("div", {}, h("dd", {}, value), h("dt", {}, unit));
  element.replaceChildren(
    h("p", { class: "hint" }, t("compression")),
    h("dl", { class: "compression" }, compression(read.ratio, t("as_read")), !builtin && compression(layout.ratio, t("in_style"))),
    bars(
      [
        { label: t("as_text"), value: layout.text_tokens, kind: "text" },
        { label: t("as_read"), value: read.vision_tokens, kind: "vision" },
        !builtin && { label: t("in_style"), value: layout.vision_tokens, kind: "local" },
      ].filter(Boolean),
    ),
    h(
      "dl",
      { class: "three" },
      figure(number(layout.pages), t("pages_unit", { n: layout.pages })),
      figure(number(builtin ? layout.tokens_per_page_builtin : layout.tokens_per_page_28), t("tokens_a_page")),
      figure(`${number(layout.page_width)} × ${number(layout.page_height)}`, "px"),
    ),
    h(
      "p",
      { class: "hint" },
      chosen ? "" : `${t("sample_figures")} `,
      builtin
        ? ""
        : t("per_page_by_model", {
            a: number(layout.tokens_per_page_28),
            b: number(layout.tokens_per_page_16),
            c: number(layout.tokens_per_page_builtin),
          }),
    ),
  );
  element.lang = lang();
}
