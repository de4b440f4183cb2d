// Plots as SVG: a stack of areas or lines over the last quarter of an hour, a sparkline, and a split as bars.

import { h, s, say } from "./dom.js";

const HEIGHT = 150;
const LEFT = 58;
const BOTTOM = 20;
const TOP = 8;

/** The colour of the nth backend: a class, so that themes have their own. */
export const hue = (index) => `hue-${index % 6}`;

function nice(top) {
  if (!(top > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(top));
  return [1, 2, 2.5, 5, 10].map((it) => it * unit).find((it) => it >= top);
}

/**
 * A plot with a scale and a time axis. `update(series, steps)`: each series has a name and values, the newest last.
 * Readers that see nothing hear the newest and the largest value of each.
 */
export function plot({ title, unit, stacked, steps, seconds }) {
  const shapes = s("g", {});
  const scale = s("g", { class: "scale" });
  const cursor = s("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const svg = s("svg", { role: "img", class: "plot" }, scale, shapes, cursor);
  const reading = h("p", { class: "reading", "aria-hidden": "true" });
  const figure = h("figure", { class: "card chart" }, h("figcaption", {}, h("span", {}, title), reading), svg);
  let width = 600;
  let shown = [];
  let last = [];
  const x = (at) => LEFT + ((width - LEFT) * at) / (steps - 1);
  const times = [0, 5, 10, 15].map((minute) => ({ minute, label: s("text", { y: HEIGHT - 5, "text-anchor": minute === 0 ? "end" : minute === 15 ? "start" : "middle" }, minute ? `−${minute} min` : "now") }));
  const grid = [0, 0.5, 1].map((part) => {
    const y = HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP);
    const line = s("line", { x1: LEFT, y1: y, y2: y });
    const label = s("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" });
    scale.append(line, label);
    return { part, line, label };
  });
  scale.append(...times.map((it) => it.label));
  const newest = () => shown.map((it) => `${it.name} ${unit(it.at(steps - 1))}`).join("  ");

  svg.addEventListener("pointermove", (event) => {
    const at = Math.round((event.clientX - svg.getBoundingClientRect().left - LEFT) / ((width - LEFT) / (steps - 1)));
    if (at < 0 || at >= steps) return;
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x(at));
    cursor.setAttribute("x2", x(at));
    const ago = ((steps - 1 - at) * seconds) / 60;
    say(reading, `${ago < 0.1 ? "now" : `−${ago.toFixed(1)} min`}  ${shown.map((it) => `${it.name} ${unit(it.at(at))}`).join("  ")}`);
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    say(reading, newest());
  });
  // a letter is as wide as it is, whatever room there is
  new ResizeObserver(([entry]) => {
    width = Math.max(200, entry.contentRect.width);
    update(last);
  }).observe(svg);

  function update(series) {
    last = series;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    grid.forEach(({ line }) => line.setAttribute("x2", width));
    times.forEach(({ minute, label }) => label.setAttribute("x", Math.max(LEFT, x(steps - 1 - (minute * 60) / seconds))));
    shown = series.map(({ name, values }) => ({ name, at: (step) => values[values.length - steps + step] ?? 0 }));
    const sums = Array.from({ length: steps }, (_, step) => shown.reduce((sum, it) => sum + it.at(step), 0));
    const highest = stacked ? Math.max(...sums) : Math.max(0, ...shown.flatMap((it) => Array.from({ length: steps }, (_, step) => it.at(step))));
    const top = nice(highest);
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    grid.forEach(({ part, label }) => { label.textContent = unit(top * part); });
    const floor = new Array(steps).fill(0);
    shapes.replaceChildren(...shown.map((it, index) => {
      const points = floor.map((base, step) => [x(step), y((stacked ? base : 0) + it.at(step))]);
      const line = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
      const under = floor.map((base, step) => `${x(step).toFixed(1)},${y(stacked ? base : 0).toFixed(1)}`).reverse().join(" ");
      if (stacked) floor.forEach((base, step) => { floor[step] = base + it.at(step); });
      const colour = series[index].colour ?? hue(index);
      return s("g", { class: colour }, stacked ? s("polygon", { class: "area", points: `${line} ${under}` }) : null, s("polyline", { class: "stroke", points: line }));
    }).reverse());
    svg.setAttribute("aria-label", `${title}, last 15 minutes: ${shown.map((it) => {
      const most = Math.max(0, ...Array.from({ length: steps }, (_, step) => it.at(step)));
      return `${it.name} now ${unit(it.at(steps - 1))}, at most ${unit(most)}`;
    }).join("; ") || "nothing"}`);
    if (cursor.getAttribute("visibility") === "hidden") say(reading, newest());
  }
  return { element: figure, update };
}

/** A small line without a scale. */
export function spark(steps) {
  const line = s("polyline", { class: "stroke" });
  const area = s("polygon", { class: "area" });
  const element = s("svg", { class: "spark hue-0", viewBox: "0 0 180 32", preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
  return {
    element,
    update(values) {
      const top = Math.max(...values, 0.001);
      const at = (step) => values[values.length - steps + step] ?? 0;
      const points = Array.from({ length: steps }, (_, step) => `${((180 * step) / (steps - 1)).toFixed(1)},${(30 - (at(step) / top) * 27).toFixed(1)}`);
      line.setAttribute("points", points.join(" "));
      area.setAttribute("points", `0,32 ${points.join(" ")} 180,32`);
    },
  };
}

/** Shares beside each other. `update(shares)`: parts of 1, in the order of the backends. */
export function bar(kind, label) {
  const parts = s("g", {});
  const element = s("svg", { class: `split ${kind}`, viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img" }, parts);
  return {
    element,
    update(shares) {
      const total = shares.reduce((sum, it) => sum + it.share, 0);
      let from = 0;
      parts.replaceChildren(...shares.map(({ share, colour }) => {
        const width = total > 0 ? (share / total) * 1000 : 0;
        const rect = s("rect", { x: from, y: 0, width, height: 10, class: colour });
        from += width;
        return rect;
      }));
      const words = shares.map(({ name, share }) => `${name} ${(share * 100).toFixed(1)} %`).join(", ");
      element.setAttribute("aria-label", `${label}: ${total > 0 ? words : "nothing yet"}`);
      element.classList.toggle("empty-split", !(total > 0));
    },
  };
}
