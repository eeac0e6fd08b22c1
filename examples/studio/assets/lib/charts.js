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

/** Stage times as one stacked bar with a legend. */
export function times(all) {
  const stages = Object.entries(all).filter(([name, s]) => name !== "total" && typeof s === "number" && s > 0);
  const sum = stages.reduce((total, [, s]) => total + s, 0);
  const total = typeof all.total === "number" ? all.total : sum;
  if (!sum) return null;
  const track = h("div", { class: "stack", "aria-hidden": "true" });
  const legend = h("ul", { class: "legend" });
  // Stages too short to see in the bar share the legend's end with their figures all the same.
  stages.forEach(([name, s], i) => {
    const label = has(`short_${name}`) ? t(`short_${name}`) : name.replaceAll("_", " ");
    const bar = h("span", { class: `stage-${i % 8}` });
    bar.style.flexGrow = String(s / sum);
    track.append(bar);
    legend.append(h("li", {}, h("i", { class: `stage-${i % 8}` }), label, " ", h("span", { class: "figure" }, `${seconds(s)} s`)));
  });
  return h("div", { class: "times" }, track, legend, h("p", { class: "quiet" }, t("total_time", { s: seconds(total) })));
}
