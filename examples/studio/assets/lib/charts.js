// The two small charts: token bars and stage times. Lengths are set from here, as CSP asks.
import { h } from "./dom.js";
import { has, number, seconds, t } from "./i18n.js";

/** Bars to one scale. `parts` split a bar: `{value, kind, label}`. */
export function bars(rows) {
  const longest = Math.max(1, ...rows.map((r) => r.value));
  return h(
    "dl",
    { class: "bars" },
    rows.map((row) => {
      const track = h("div", { class: "track" });
      for (const part of row.parts ?? [row]) {
        const bar = h("span", { class: `bar-${part.kind}`, title: part.label ? `${part.label}: ${number(part.value)}` : undefined });
        bar.style.width = `${Math.max((100 * part.value) / longest, part.value > 0 ? 0.5 : 0)}%`;
        track.append(bar);
      }
      return h("div", {}, h("dt", {}, row.label), h("dd", {}, track, h("span", { class: "figure" }, number(row.value))));
    }),
  );
}

// Where each stage begins and ends in a run, about. A model writes instead of the last two.
const COURSE = {
  render: [0, 0.05],
  scan: [0.05, 0.7],
  select: [0.7, 0.72],
  crops: [0.72, 0.9],
  answer: [0.9, 1],
  write: [0.72, 1],
};

/** How far a run is, 0 to 1, from how far its stage is; undefined before it has begun. */
export function overall(progress) {
  const course = COURSE[progress?.stage];
  if (!course) return undefined;
  const share = Math.min(1, Math.max(0, progress.fraction ?? 0));
  return course[0] + share * (course[1] - course[0]);
}

// Each stage keeps its colour from run to run.
const STAGES = ["scan", "render", "answer", "select", "crops", "open", "write", "wait"];

/** Stage times as one stacked bar with a legend. */
export function times(all) {
  const stages = Object.entries(all).filter(([name, s]) => name !== "total" && typeof s === "number" && s >= 0.0005);
  const sum = stages.reduce((total, [, s]) => total + s, 0);
  const total = typeof all.total === "number" ? all.total : sum;
  if (!sum) return null;
  const track = h("div", { class: "stack", "aria-hidden": "true" });
  const legend = h("ul", { class: "legend" });
  for (const [name, s] of stages) {
    const color = `stage-${Math.max(0, STAGES.indexOf(name))}`;
    const label = has(`short_${name}`) ? t(`short_${name}`) : name.replaceAll("_", " ");
    const bar = h("span", { class: color });
    bar.style.flexGrow = String(s / sum);
    track.append(bar);
    legend.append(h("li", {}, h("i", { class: color }), label, " ", h("span", { class: "figure" }, `${seconds(s)} s`)));
  }
  return h("div", { class: "times" }, track, legend, h("p", { class: "quiet" }, t("total_time", { s: seconds(total) })));
}
