// The map of a service: who dials it, which route decides, and where connections go. As wide as they are many.

import { get, query } from "../api.js";
import { hue } from "../charts.js";
import { h, s, say } from "../dom.js";
import { Traffic, pace } from "../traffic.js";
import { count, percent, policy, short } from "../words.js";
import { table } from "../parts.js";

const LISTED = 60;
const WIDTH = 900;

export function map({ main, signal, what, parameters, go, state }) {
  const name = parameters.get("name") ?? "";
  const search = h("input", { type: "search", id: "search", value: name, placeholder: "service", autocomplete: "off" });
  const services = h("nav", { class: "services", "aria-label": "Services" });
  const box = h("div", { class: "card panel scroll", tabindex: "0", role: "region", "aria-label": "Map" });
  const lines = table("Flows", [["From"], ["Decided by"], ["To"], ["Share wanted", "number"], ["Share seen", "number"], ["A second", "number"], ["Open", "number"], ["Failing", "number"]]);
  const note = h("p", { class: "empty" });
  main.append(
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, what ? `Map of ${short(what)}` : "Map"),
      h("form", { role: "search", class: "search", onsubmit: (event) => { event.preventDefault(); go("map", { name: search.value.trim() }); } },
        h("label", { for: "search", class: "hidden" }, "Find services"), search)),
    services, box, note, lines.element);
  note.hidden = true;
  box.hidden = true;
  lines.element.hidden = true;

  return (async () => {
    const busiest = await get(`/_traffic${query({ sort: "busiest", name, size: 1000 })}`, signal);
    const known = [...new Set(busiest.items.filter((row) => row.direction !== "inbound").map((row) => row.destination))];
    services.replaceChildren(...known.slice(0, LISTED).map((it) => h("a", { href: `#/map/${encodeURIComponent(it)}`, "aria-current": it === what ? "page" : null, title: it }, short(it))));
    if (known.length > LISTED) services.append(h("span", { class: "quiet" }, `${count(known.length - LISTED)} more: find them by name`));
    const chosen = what || (known.length > 0 ? known[0] : "");
    if (!chosen) {
      note.hidden = false;
      say(note, name ? `No service that is dialled has “${name}” in its name.` : "No proxy of ours has reported connections yet.");
      return;
    }
    if (!what) say(main.querySelector("h1"), `Map of ${short(chosen)}`);
    const traffic = new Traffic();
    await traffic.watch({ destination: chosen }, signal, () => {
      const splits = traffic.splits().filter((it) => it.direction !== "inbound" && it.backends.length > 0);
      box.hidden = splits.length === 0;
      lines.element.hidden = splits.length === 0;
      box.replaceChildren(graph(chosen, splits));
      lines.show(splits.flatMap((split) => split.backends.map((row) => [
        clients(row), row.route ? h("a", { href: `#/route/${encodeURIComponent(row.route)}` }, policy(row.route).name) : "nothing",
        short(row.backend), percent(row.wanted), percent(row.seen), count(row.pace.opened), count(row.counts.active), count(row.pace.failed)])));
    }, null, state);
  })();
}

const clients = (row) => `${row.direction === "gateway" ? "gateway, " : ""}${row.mesh || "zone"}, ${count(row.proxies)} ${row.proxies === 1 ? "proxy" : "proxies"}`;

function graph(destination, splits) {
  const rows = splits.reduce((sum, split) => sum + split.backends.length, 0);
  const height = 30 + rows * 74 + splits.length * 12;
  const [left, middle, right] = [0, 340, 680];
  const wide = 220;
  const top = Math.max(0.001, ...splits.flatMap((split) => split.backends.map((row) => row.pace.opened + row.counts.active / 100)));
  const svg = s("svg", { class: "graph", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `Connections to ${short(destination)}: ${splits.flatMap((split) => split.backends.map((row) => `${percent(row.seen)} to ${short(row.backend)}`)).join(", ")}` });
  let y = 20;
  for (const split of splits) {
    const tall = split.backends.length * 74 - 14;
    const centre = y + tall / 2;
    const now = pace(split.backends);
    svg.append(node(left, centre, wide, clients(split.backends[0]), `${count(now.opened)} a second`), node(middle, centre, wide, short(destination), split.route ? policy(split.route).name : "no route decides"), edge(left + wide, centre, middle, centre, 3 + 9 * Math.min(1, (now.opened + now.activeNow / 100) / top / Math.max(1, split.backends.length)), "hue-5", now.opened + now.activeNow === 0));
    split.backends.forEach((row, at) => {
      const here = y + at * 74 + 30;
      const weight = (row.pace.opened + row.counts.active / 100) / top;
      svg.append(edge(middle + wide, centre, right, here, 2 + 12 * weight, row.pace.failed > 0 ? "hue-bad" : hue(at), weight === 0),
        node(right, here, wide, short(row.backend), `${row.wanted === undefined ? "gone" : percent(row.wanted)} → ${percent(row.seen)}, ${count(row.counts.active)} open`));
    });
    y += split.backends.length * 74 + 12;
  }
  return svg;
}

function node(x, y, width, name, small) {
  return s("g", {}, s("rect", { class: "node", x: x + 1, y: y - 26, width: width - 2, height: 52, rx: 10 }),
    s("text", { x: x + 14, y: y - 3 }, cut(name, 27)), s("text", { class: "small", x: x + 14, y: y + 15 }, cut(small, 34)), s("title", {}, `${name}: ${small}`));
}

function edge(x1, y1, x2, y2, width, colour, dry) {
  const bend = (x2 - x1) / 2;
  return s("path", { class: `edge ${colour}${dry ? " dry" : ""}`, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, "stroke-width": width.toFixed(1) });
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
