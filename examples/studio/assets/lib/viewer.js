// One page, large: zoom by wheel, pinch and keys, pan, and the boxes over it.
import * as api from "./api.js";
import { $, h, save } from "./dom.js";
import { number, percent, t } from "./i18n.js";
import { toast, words } from "./notices.js";
import * as pages from "./pages.js";
import { get, on } from "./store.js";

const MOST = 8;
const LEAST = 0.1;
let n = 1;
let mark = null;
let view = { scale: 1, x: 0, y: 0, fitted: true };
let page = null;
let opener = null;

const dialog = () => $("#viewer");
const stage = () => $("#stage");
const sheet = () => $("#sheet");

export function setup() {
  $("#v-close").addEventListener("click", () => dialog().close());
  $("#v-prev").addEventListener("click", () => go(n - 1));
  $("#v-next").addEventListener("click", () => go(n + 1));
  $("#v-in").addEventListener("click", () => zoom(1.4));
  $("#v-out").addEventListener("click", () => zoom(1 / 1.4));
  $("#v-fit").addEventListener("click", fit);
  $("#v-scale").addEventListener("click", () => zoom(1 / view.scale));
  $("#v-save").addEventListener("click", savePage);
  dialog().addEventListener("keydown", keys);
  dialog().addEventListener("close", () => {
    opener?.isConnected && opener.focus();
    sheet().replaceChildren();
  });
  stage().addEventListener("wheel", wheel, { passive: false });
  pointers();
  new ResizeObserver(() => dialog().open && view.fitted && fit()).observe(stage());
  on("job lang", () => dialog().open && draw());
}

/** Opens page `number`; `hit` is the place to mark and bring into view. */
export async function open(number, { hit } = {}) {
  const { pages: list } = pages.list();
  if (!list?.length) return;
  if (hit && !pages.boxed()) {
    // Boxes belong to the pages as read: show those.
    const input = $("#which input[value=read]");
    input.checked = true;
    input.dispatchEvent(new Event("change"));
    await new Promise((done) => setTimeout(done, 0));
    for (let i = 0; i < 100 && (pages.list().loading || !pages.boxed()); i += 1) await new Promise((done) => setTimeout(done, 50));
  }
  if (hit) pages.overlays.evidence = true;
  opener = document.activeElement;
  if (!dialog().open) dialog().showModal();
  mark = hit ?? null;
  n = 0;
  go(number);
  stage().focus();
}

function go(to) {
  const { pages: list } = pages.list();
  const found = list?.find((p) => p.number === to);
  if (!found || to === n) return;
  const turned = n !== 0;
  n = to;
  page = found;
  if (turned) mark = null;
  load();
  draw();
  const place = pages.hits(get().job).find((p) => p.id === mark);
  if (place) focusOn(place.bbox);
  else if (view.fitted || !turned) fit();
  else apply();
}

async function load() {
  const { id, renderId } = pages.list();
  const image = h("img", { alt: t("page_alt", { n }), draggable: false });
  image.width = page.width;
  image.height = page.height;
  sheet().replaceChildren(image);
  sheet().style.width = `${page.width}px`;
  sheet().style.height = `${page.height}px`;
  try {
    image.src = await pages.pageSource(id, n, renderId);
  } catch (error) {
    toast(words(error).title);
  }
}

function draw() {
  const { pages: list } = pages.list();
  $("#viewer-title").textContent = t("viewer_title", { n, total: list?.length ?? 0 });
  $("#v-prev").disabled = !list?.some((p) => p.number === n - 1);
  $("#v-next").disabled = !list?.some((p) => p.number === n + 1);
  pages.toggles($("#v-toggles"), () => {
    draw();
    pages.toggles($("#overlay-toggles"));
  });
  sheet().querySelector(".overlay")?.remove();
  const over = pages.overlay(get().job, n, { ...page, mark });
  if (over) sheet().append(over);
  const here = pages.boxed() && get().job?.document_id === pages.list().id ? pages.hits(get().job) : [];
  $("#v-evidence").hidden = here.length === 0;
  $("#v-evidence").replaceChildren(
    h(
      "ul",
      { "aria-label": t("evidence") },
      here.slice(0, 100).map((place) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "chip",
              dataset: { place: place.id },
              "aria-current": place.id === mark ? "true" : undefined,
              onclick: () => {
                const same = place.page === n;
                if (!same) go(place.page);
                mark = place.id;
                draw();
                focusOn(place.bbox);
                $("#v-evidence [aria-current]")?.focus();
              },
            },
            h("b", {}, t("page_n", { n: place.page })),
            h("span", {}, place.text),
          ),
        ),
      ),
    ),
  );
}

function apply() {
  const { clientWidth: width, clientHeight: height } = stage();
  const w = page.width * view.scale;
  const hgt = page.height * view.scale;
  // A page smaller than the stage stands in its middle; a larger one never leaves it.
  view.x = w <= width ? (width - w) / 2 : Math.min(24, Math.max(width - w - 24, view.x));
  view.y = hgt <= height ? (height - hgt) / 2 : Math.min(24, Math.max(height - hgt - 24, view.y));
  sheet().style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  sheet().classList.toggle("pixels", view.scale * devicePixelRatio >= 3);
  stage().classList.toggle("movable", w > width || hgt > height);
  $("#v-scale").textContent = percent(view.scale);
}

function fit() {
  const { clientWidth: width, clientHeight: height } = stage();
  const scale = Math.min((width - 32) / page.width, (height - 32) / page.height);
  view = { scale: Math.min(Math.max(scale, LEAST), 2), x: 0, y: 0, fitted: true };
  apply();
}

function zoom(factor, cx = stage().clientWidth / 2, cy = stage().clientHeight / 2) {
  const scale = Math.min(MOST, Math.max(LEAST, view.scale * factor));
  const real = scale / view.scale;
  view = { scale, x: cx - (cx - view.x) * real, y: cy - (cy - view.y) * real, fitted: false };
  apply();
}

// Brings a box to the middle, large enough to read.
function focusOn({ x, y, width: w, height: hgt }) {
  const { clientWidth: width, clientHeight: height } = stage();
  const least = Math.min((width - 32) / page.width, (height - 32) / page.height);
  const scale = Math.min(2, Math.max(least, (width - 48) / Math.max(w, page.width * 0.98)));
  view = { scale, x: width / 2 - (x + w / 2) * scale, y: height / 2 - (y + hgt / 2) * scale, fitted: false };
  apply();
}

function wheel(event) {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : 1;
  const box = stage().getBoundingClientRect();
  const speed = event.ctrlKey ? 0.01 : 0.002;
  zoom(Math.exp(-event.deltaY * unit * speed), event.clientX - box.left, event.clientY - box.top);
}

function pointers() {
  const down = new Map();
  const element = stage();
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
  });
  const up = (event) => down.delete(event.pointerId);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    if (down.size === 1) {
      view = { ...view, x: view.x + event.clientX - before.clientX, y: view.y + event.clientY - before.clientY, fitted: false };
      apply();
    } else if (down.size === 2) {
      const other = [...down.values()].find((e) => e.pointerId !== event.pointerId);
      const distance = (e) => Math.hypot(e.clientX - other.clientX, e.clientY - other.clientY);
      const box = element.getBoundingClientRect();
      zoom(distance(event) / Math.max(1, distance(before)), (event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top);
    }
    down.set(event.pointerId, event);
  });
  element.addEventListener("dblclick", (event) => {
    const box = element.getBoundingClientRect();
    if (view.fitted) zoom(2 / view.scale, event.clientX - box.left, event.clientY - box.top);
    else fit();
  });
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? 240 : 80;
  const larger = stage().classList.contains("movable");
  const move = (dx, dy) => {
    view = { ...view, x: view.x + dx, y: view.y + dy, fitted: false };
    apply();
  };
  const last = pages.list().pages?.at(-1)?.number ?? 1;
  const actions = {
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    0: fit,
    1: () => zoom(1 / view.scale),
    PageDown: () => go(n + 1),
    PageUp: () => go(n - 1),
    Home: () => go(pages.list().pages?.[0]?.number ?? 1),
    End: () => go(last),
    e: () => (pages.flip("evidence"), draw(), pages.toggles($("#overlay-toggles"))),
    h: () => (pages.flip("heat"), draw(), pages.toggles($("#overlay-toggles"))),
    // Arrows move a page that is larger than the window, and turn one that is not.
    ArrowLeft: () => (larger ? move(step, 0) : go(n - 1)),
    ArrowRight: () => (larger ? move(-step, 0) : go(n + 1)),
    ArrowUp: () => move(0, step),
    ArrowDown: () => move(0, -step),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

async function savePage() {
  const { id, renderId } = pages.list();
  try {
    const name = (get().document?.name ?? "document").replace(/\.[^.]+$/, "");
    save(await api.blob(`documents/${encodeURIComponent(id)}/pages/${n}.png?render=${encodeURIComponent(renderId)}`), `${name}-${number(n)}.png`);
  } catch (error) {
    toast(words(error).title);
  }
}
