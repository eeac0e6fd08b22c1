// What the page knows, and who wants to hear when it changes.

const state = {
  config: null,
  documents: null,
  document: null,
  documentGone: false,
  render: null,
  layout: null,
  layoutError: null,
  job: null,
  running: false,
  progress: null,
  partial: "",
  drafting: false,
  waiting: null,
  jobError: null,
  active: [],
  view: "read",
  mode: "ask",
};

const listeners = new Map();

/** The state; change it through `set` only. */
export const get = () => state;

/** Changes the state and calls those who listen to what changed, each once. */
export function set(patch) {
  const called = new Set();
  for (const [key, value] of Object.entries(patch)) {
    if (state[key] === value && typeof value !== "object") continue;
    state[key] = value;
    for (const f of listeners.get(key) ?? []) called.add(f);
  }
  for (const f of called) f(state);
}

/** Calls `f` when one of `keys` (separated by blanks) is set; `lang` is the language. */
export function on(keys, f) {
  for (const key of keys.split(" ")) {
    if (!listeners.has(key)) listeners.set(key, []);
    listeners.get(key).push(f);
  }
}
