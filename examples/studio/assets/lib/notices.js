// Toasts, the connection's banner, confirmations, and how an error is shown.
import { ApiError } from "./api.js";
import { $, h, icon } from "./dom.js";
import { said } from "./errors.js";
import { has, t } from "./i18n.js";

/** A short message that goes away; `action` is `{label, run}`. */
export function toast(text, action) {
  const element = h(
    "div",
    { class: "toast" },
    h("span", {}, text),
    action && h("button", { class: "link", type: "button", onclick: () => (action.run(), element.remove()) }, action.label),
    h("button", { class: "icon-button", type: "button", "aria-label": t("dismiss"), onclick: () => element.remove() }, icon("close")),
  );
  for (const old of $("#toasts").children) if (old.firstChild.textContent === text) old.remove();
  $("#toasts").append(element);
  while ($("#toasts").children.length > 3) $("#toasts").firstChild.remove();
  const hide = () => setTimeout(() => (element.matches(":hover, :focus-within") ? hide() : element.remove()), 6000);
  hide();
}

/** What a screen reader is told. */
export function announce(text) {
  $("#announce").textContent = text;
}

const kinds = [
  [(e) => e.status === 0, "network"],
  [(e) => e.status === 413 || /too_(large|many)|limit/.test(e.code), "too_large"],
  [(e) => e.status === 415 || /unsupported/.test(e.code), "unsupported"],
  [(e) => e.status === 401 || e.status === 403, "unauthorized"],
  [(e) => e.status === 404 || e.status === 410, "not_found"],
  [(e) => e.status === 429 || e.status === 503, "busy"],
  [(e) => e.status === 408 || e.status === 504 || /timeout|too_long/.test(e.code), "timeout"],
  [(e) => e.status >= 400 && e.status < 500, "invalid"],
];

/** An error in words: title, what the server said, what to do. */
export function words(error) {
  const e = error instanceof ApiError ? error : new ApiError(500, error?.code ?? "", error?.message ?? String(error));
  const kind = kinds.find(([test]) => test(e))?.[1] ?? "server";
  return {
    title: t(`err_${kind}`),
    message: said(e.message),
    hint: has(`err_${kind}_hint`) ? t(`err_${kind}_hint`) : "",
  };
}

/** An error as a block; `actions` are `{label, run}`. */
export function problem(error, ...actions) {
  const { title, message, hint } = words(error);
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("h3", {}, title),
    message && h("p", {}, message),
    hint && h("p", { class: "hint" }, hint),
    actions.length > 0 &&
      h("div", { class: "actions" }, actions.map((a) => h("button", { class: "secondary", type: "button", onclick: a.run }, a.label))),
  );
}

/** Asks before something that can't be undone. */
export function confirm(title, text, ok) {
  const dialog = $("#confirm-dialog");
  $("#confirm-title").textContent = title;
  $("#confirm-text").textContent = text;
  $("#confirm-ok").textContent = ok;
  return opened(dialog);
}

/** Shows a dialog; resolves to whether it was closed with "ok". */
export function opened(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

/** Asks for the API key; null if there is none. */
export async function askKey(wrong) {
  const field = $("#key");
  const error = $("#key-error");
  field.value = "";
  error.hidden = !wrong;
  error.textContent = wrong ? t("key_wrong") : "";
  return (await opened($("#key-dialog"))) ? field.value.trim() || null : null;
}

let timer = null;
let attempt = 0;
let again = null;

/** The server did not answer: says so, and calls `check` until it does. */
export function offline(check) {
  again = check;
  if (timer === null) wait(Math.min(2 ** attempt, 30));
}

function wait(left) {
  banner(t("offline_retry", { n: left }));
  timer = setTimeout(() => (left > 1 ? wait(left - 1) : tryNow()), 1000);
}

async function tryNow() {
  clearTimeout(timer);
  banner(t("loading"));
  attempt += 1;
  const ok = await again();
  timer = null;
  if (!ok) wait(Math.min(2 ** attempt, 30));
}

/** The server answered. */
export function online() {
  if (timer === null && attempt === 0) return;
  clearTimeout(timer);
  timer = null;
  attempt = 0;
  $("#connection").hidden = true;
  toast(t("online"));
}

// The countdown changes a text node only, so that the button keeps the focus.
function banner(text) {
  const element = $("#connection");
  if (element.hidden || !element.firstChild) {
    element.replaceChildren(
      h("span", { "aria-live": "off" }),
      h("button", { class: "link", type: "button", onclick: () => tryNow() }, t("try_now")),
    );
    element.hidden = false;
  }
  element.firstChild.textContent = text;
}
