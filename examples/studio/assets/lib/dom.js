// Making elements. Text is always set as text, so nothing of a document becomes markup.

/** An element with attributes, listeners (`onclick`) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child);
  }
}

/** An icon of the sprite in index.html. */
export const icon = (name) =>
  svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/**
 * Makes the children of `parent` those of `items`, keeping elements whose key and version stay.
 * `make(item)` gives an element; it has `key(item)` from then on.
 */
export function reconcile(parent, items, key, version, make) {
  const old = new Map([...parent.children].map((e) => [e.dataset.key, e]));
  // Focus is carried over to the element that takes the place of the focused one.
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const focus = focused && [focused.closest("[data-key]")?.dataset.key, focused.dataset.focus];
  let at = null;
  for (const item of items) {
    const id = String(key(item));
    const stamp = String(version(item));
    let element = old.get(id);
    if (!element || element.dataset.version !== stamp) {
      const fresh = make(item);
      fresh.dataset.key = id;
      fresh.dataset.version = stamp;
      if (element) element.replaceWith(fresh);
      element = fresh;
    }
    old.delete(id);
    const place = at ? at.nextSibling : parent.firstChild;
    if (place !== element) parent.insertBefore(element, place);
    at = element;
  }
  for (const element of old.values()) element.remove();
  if (focus?.[0] && !parent.contains(document.activeElement)) {
    const again = [...parent.children].find((e) => e.dataset.key === focus[0]);
    (again?.querySelector(`[data-focus="${focus[1]}"]`) ?? again?.querySelector("button, a"))?.focus();
  }
}

/** Calls `f` once `wait` ms have passed without another call. */
export function debounce(f, wait) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...args), wait);
  };
}

/** Arrow keys, Home and End move the focus among `items()`; one of them is in the tab order. */
export function roving(container, items, { columns = () => 1, activate } = {}) {
  container.addEventListener("keydown", (event) => {
    const all = items();
    const here = all.indexOf(event.target.closest("[data-roving]"));
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
    let next;
    if (event.key === "Home") next = 0;
    else if (event.key === "End") next = all.length - 1;
    else if (step) next = here + step;
    if (next === undefined || next < 0 || next >= all.length) return;
    event.preventDefault();
    for (const e of all) e.tabIndex = -1;
    all[next].tabIndex = 0;
    all[next].focus();
    activate?.(all[next]);
  });
}

/** Saves `blob` as a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
