// All routes, a page at a time: what is wanted, what is seen, and whether it hurts.

import { get, query } from "../api.js";
import { bar, hue, spark } from "../charts.js";
import { h, Keyed, say } from "../dom.js";
import { Traffic, pace, summed } from "../traffic.js";
import { count, percent, policy, short } from "../words.js";
import { chip, pager, tiles } from "../parts.js";

const SIZE = 50;

export function routes({ main, signal, parameters, go, state }) {
  const name = parameters.get("name") ?? "";
  const offset = Number(parameters.get("offset") ?? 0) || 0;
  const search = h("input", { type: "search", id: "search", value: name, placeholder: "name or mesh/name", autocomplete: "off" });
  const summary = tiles([
    ["rate", "connections/s"],
    ["active", "open"],
    ["failed", "failing/s"],
    ["old", "on old weights"],
    ["proxies", "proxies in sync"],
  ]);
  const list = h("ul", { class: "cards", "aria-label": "Routes" });
  const empty = h("p", { class: "empty", hidden: true });
  const pages = pager((to) => go("routes", { name, offset: to }));
  main.append(
    h("div", { class: "head" },
      h("h1", { tabindex: "-1" }, "Routes"),
      h("form", { role: "search", class: "search", onsubmit: (event) => { event.preventDefault(); go("routes", { name: search.value.trim() }); } },
        h("label", { for: "search", class: "hidden" }, "Find routes"), search)),
    summary.element, list, empty, pages.element);

  const traffic = new Traffic();
  let report = null;
  const cards = new Keyed(list, (route) => route.policy, (route) => card(route, traffic));

  const draw = () => {
    if (!report) return;
    cards.show(report.routes);
    const rows = [...traffic.rows.values()];
    const now = pace(rows);
    const { proxies } = report.totals;
    summary.update({
      rate: count(now.opened), active: count(now.activeNow), old: count(now.oldNow),
      failed: { text: count(now.failed), bad: now.failed > 0 },
      proxies: { text: `${count(proxies.inSync)} / ${count(proxies.total)}`, bad: proxies.refusing > 0 },
    });
    empty.hidden = report.routes.length > 0;
    say(empty, name ? `No route has “${name}” in its name.` : "There are no routes yet: connections go where they were dialled.");
    pages.update({ offset, size: SIZE, total: report.totals.routes.total });
  };
  const load = async () => {
    const [said, counted] = await Promise.all([
      get(`/_status${query({ what: "routes", name, offset, size: SIZE })}`, signal),
      get("/_status?what=proxies&size=0", signal),
    ]);
    report = { ...said, totals: { routes: said.totals.routes, proxies: counted.totals.proxies } };
    draw();
  };
  return (async () => {
    await load();
    // a page has other routes when one comes or goes: then others are followed
    while (!signal.aborted) {
      const names = report.routes.map((route) => route.policy);
      const others = new AbortController();
      const stop = () => others.abort();
      signal.addEventListener("abort", stop, { once: true });
      const moved = async () => {
        await load();
        if (report.routes.map((route) => route.policy).join() !== names.join()) others.abort();
      };
      const question = names.length > 0 ? { route: names } : { route: "none" };
      await traffic.watch(question, others.signal, draw, () => moved().catch(() => {}), state).catch((error) => {
        if (!others.signal.aborted) throw error;
      });
      signal.removeEventListener("abort", stop);
    }
  })();
}

function card(route, traffic) {
  const { kind, mesh, name } = policy(route.policy);
  const reach = h("span", { class: "chips" });
  const body = h("div", { class: "splits" });
  const sparkline = spark(180);
  const numbers = h("dl", { class: "numbers" });
  const fields = ["per second", "open", "failing", "on old weights"].map((label) => {
    const value = h("dd", {}, "–");
    numbers.append(h("div", {}, value, h("dt", {}, label)));
    return value;
  });
  const splits = new Keyed(body, (it) => it.key, () => split());
  const element = h("li", { class: "card route" },
    h("div", { class: "card-head" },
      h("h2", {}, h("a", { href: `#/route/${encodeURIComponent(route.policy)}` }, name)),
      h("span", { class: "quiet" }, `${mesh} · ${kind}`), reach),
    body,
    h("div", { class: "card-foot" }, sparkline.element, numbers));
  return {
    element,
    update(now) {
      reach.replaceChildren(...reaches(now));
      const all = traffic.splits(now.policy);
      splits.show(all.slice(0, 3));
      const rows = all.flatMap((it) => it.backends);
      const { opened, activeNow, failed, oldNow } = pace(rows);
      [opened, activeNow, failed, oldNow].forEach((value, at) => say(fields[at], count(value)));
      fields[2].classList.toggle("bad", failed > 0);
      fields[3].classList.toggle("warn", oldNow > 0);
      sparkline.update(summed(rows, "opened"));
      element.classList.toggle("hurts", failed > 0);
    },
  };
}

/** How far a route has come, as chips. */
export function reaches({ reached }) {
  const words = [["live", "good"], ["pending", "warn"], ["refused", "bad"], ["detached", "quiet-chip"]];
  const chips = words.filter(([word]) => reached?.[word] > 0).map(([word, tone]) => chip(`${reached[word]} ${word}`, tone));
  const without = reached?.withoutEffect ?? 0;
  if (chips.length === 0) return [chip(without > 0 ? "without effect" : "selects nobody", "quiet-chip")];
  return chips;
}

/** What is wanted of a split and what is seen of it, one below the other. */
export function split() {
  const wanted = bar("wanted", "wanted");
  const seen = bar("seen", "seen");
  const title = h("p", { class: "destination" });
  const legend = h("ul", { class: "legend" });
  const element = h("section", { class: "split-box" }, title,
    h("div", { class: "bars" }, h("span", { class: "bar-name" }, "wanted"), wanted.element, h("span", { class: "bar-name" }, "seen"), seen.element), legend);
  const lines = new Keyed(legend, (it) => it.backend, () => {
    const swatch = h("i", { "aria-hidden": "true" });
    const name = h("span", { class: "backend" });
    const shares = h("span", { class: "shares" });
    return {
      element: h("li", {}, swatch, name, shares),
      update(it) {
        swatch.className = it.colour;
        say(name, short(it.backend));
        name.title = it.backend;
        say(shares, `${it.wanted === undefined ? "gone" : percent(it.wanted)} → ${percent(it.seen)}`);
      },
    };
  });
  return {
    element,
    update({ destination, direction, backends }) {
      say(title, `${direction === "gateway" ? "gateway" : "to"} ${short(destination)}`);
      title.title = destination;
      const coloured = backends.map((it, at) => ({ ...it, colour: hue(at) }));
      wanted.update(coloured.map((it) => ({ name: short(it.backend), share: it.wanted ?? 0, colour: it.colour })));
      seen.update(coloured.map((it) => ({ name: short(it.backend), share: it.seen ?? 0, colour: it.colour })));
      lines.show(coloured);
    },
  };
}
