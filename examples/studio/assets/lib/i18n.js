// Language: texts, numbers, sizes and times as the reader writes them.
import { strings } from "./strings.js";

const LANGUAGES = ["en", "zh"];
let language = initial();

function initial() {
  const kept = read("glyph.lang");
  if (LANGUAGES.includes(kept)) return kept;
  return (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The language in use: `en` or `zh`. */
export const lang = () => language;

/** Changes the language and keeps the choice. */
export function setLang(next) {
  language = next;
  write("glyph.lang", next);
}

/** The text of `key`, with `{name}` filled in from `values`. */
export function t(key, values = {}) {
  let text = strings[language][key] ?? strings.en[key] ?? key;
  if (typeof text === "object") {
    const rule = new Intl.PluralRules(locale()).select(values.n);
    text = text[rule] ?? text.other;
  }
  return text.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    if (value === undefined) return all;
    return typeof value === "number" ? number(value) : value;
  });
}

/** Whether there is a text for `key`. */
export const has = (key) => key in strings.en;

/** Fills in the texts of all elements below `root` that name one. */
export function translate(root = document) {
  for (const e of root.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
  for (const e of root.querySelectorAll("[data-t-label]")) e.setAttribute("aria-label", t(e.dataset.tLabel));
  for (const e of root.querySelectorAll("[data-t-title]")) e.title = t(e.dataset.tTitle);
  for (const e of root.querySelectorAll("[data-t-placeholder]")) e.placeholder = t(e.dataset.tPlaceholder);
  // These texts are constants of strings.js, never of a server or a document.
  for (const e of root.querySelectorAll("[data-t-html]")) e.innerHTML = t(e.dataset.tHtml);
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** 12,345 */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: 0 }).format(value);
}

/** 4.18, 12.5, 140: three digits that mean something. */
export function ratio(value) {
  if (!Number.isFinite(value)) return "–";
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** 0.873 -> 87 % */
export function percent(value, digits = 0) {
  const text = new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(100 * value);
  return language === "zh" ? `${text}%` : `${text} %`;
}

/** Seconds, with as many digits as they deserve. */
export function seconds(value) {
  const digits = value < 0.1 ? 3 : value < 10 ? 2 : 1;
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** 1.4 MB */
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, unit && value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** A time of the server, as text or seconds since 1970, as a `Date`. */
export function date(value) {
  if (typeof value === "number") return new Date(value < 1e12 ? value * 1000 : value);
  return new Date(value);
}

/** 3 minutes ago; yesterday; 5 March 2026. */
export function ago(value) {
  const then = date(value);
  const past = (then - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  if (past > -45) return format.format(0, "second");
  if (past > -3600) return format.format(Math.round(past / 60), "minute");
  if (past > -86400) return format.format(Math.round(past / 3600), "hour");
  if (past > -7 * 86400) return format.format(Math.round(past / 86400), "day");
  return new Intl.DateTimeFormat(locale(), { dateStyle: "long" }).format(then);
}

/** The full date and time, for a tooltip. */
export const moment = (value) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "long", timeStyle: "medium" }).format(date(value));

/** What was kept in this browser under `key`, or null. */
export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keeps `value` in this browser; null forgets it. */
export function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Storage is off or full: the choice lasts as long as the page.
  }
}
