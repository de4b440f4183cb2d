// One route: its splits, what happened in the last quarter of an hour, where it is live; and its weights, for who may.

import { get, query } from "../api.js";
import { hue, plot } from "../charts.js";
import { h, Keyed, say } from "../dom.js";
import { Traffic, pace, summed } from "../traffic.js";
import { ago, bytes, count, micros, pathOf, policy, short } from "../words.js";
import { chip, table, tiles, trouble } from "../parts.js";
import { reaches, split } from "./routes.js";
import { weights, weightsOf } from "./weights.js";

const TONES = { live: "good", pending: "warn", refused: "bad", detached: "quiet-chip", "without-effect": "quiet-chip" };

export function route({ main, signal, what, state, session }) {
  const { kind, mesh, name } = policy(what);
  const reach = h("span", { class: "chips" });
  const summary = tiles([["rate", "connections/s"], ["active", "open"], ["failed", "failing/s"], ["old", "on old weights"], ["connect", "connect time p99"], ["bytes", "a second"]]);
  const splitPanel = h("section", { class: "card panel", "aria-labelledby": "split-title" }, h("h2", { id: "split-title" }, "Wanted and seen"));
  const splitBox = h("div", { class: "splits" });
  const nothing = h("p", { class: "quiet" }, "No proxy of ours reports connections of this route.");
  splitPanel.append(splitBox, nothing);
  const editor = h("section", { class: "card panel", "aria-labelledby": "weights-title" }, h("h2", { id: "weights-title" }, "Weights"));
  const steps = { steps: 180, seconds: 5 };
  const opened = plot({ title: "Connections a second", unit: count, stacked: true, ...steps });
  const active = plot({ title: "Open connections", unit: count, stacked: true, ...steps });
  const errors = plot({ title: "What hurts, a second", unit: count, stacked: false, ...steps });
  const moved = plot({ title: "Bytes a second", unit: bytes, stacked: false, ...steps });
  const backends = table("Backends", [["Backend"], ["Opened", "number"], ["Open", "number"], ["On old weights", "number"], ["Connects failed", "number"], ["Refused", "number"], ["Reset early", "number"], ["Connect time p50 / p99", "number"]]);
  const places = table("Where it is", [["Proxy"], ["State"], ["Decides"], ["Says", "said"]]);
  const more = h("p", { class: "quiet", hidden: true });
  const past = h("section", {});
  main.append(
    h("div", { class: "head" }, h("div", {}, h("a", { class: "crumb", href: "#/routes" }, "← Routes"), h("h1", { tabindex: "-1" }, name), h("span", { class: "quiet" }, `${kind} in ${mesh}`)), reach),
    summary.element, h("div", { class: "two" }, splitPanel, editor),
    h("div", { class: "charts" }, opened.element, active.element, errors.element, moved.element),
    h("h2", {}, "Backends"), backends.element, h("p", { class: "hint", id: "early" }), h("h2", {}, "Proxies"), places.element, more, past);

  const traffic = new Traffic();
  const splits = new Keyed(splitBox, (it) => it.key, split);
  const draw = () => {
    const all = traffic.splits(what);
    const rows = all.flatMap((it) => it.backends);
    splits.show(all);
    nothing.hidden = all.length > 0;
    const now = pace(rows);
    summary.update({
      rate: count(now.opened), active: count(now.activeNow), failed: { text: count(now.failed), bad: now.failed > 0 },
      old: count(now.oldNow), connect: micros(quantile(rows, 0.99, traffic.page)), bytes: bytes(now.bytesFromClients + now.bytesToClients),
    });
    const named = rows.map((row, at) => ({ row, name: short(row.backend), colour: hue(at) }));
    opened.update(named.map(({ row, name: it, colour }) => ({ name: it, values: row.past.opened, colour })));
    active.update(named.map(({ row, name: it, colour }) => ({ name: it, values: row.past.active, colour })));
    errors.update([
      { name: "failing", values: summed(rows, "failed"), colour: "hue-bad" },
      { name: "reset early", values: summed(rows, "resetsEarly"), colour: "hue-warn" },
    ]);
    moved.update([
      { name: "from clients", values: summed(rows, "bytesFromClients"), colour: "hue-0" },
      { name: "to clients", values: summed(rows, "bytesToClients"), colour: "hue-2" },
    ]);
    backends.show(rows.map((row) => {
      const { opened: established, active: open, onOldWeights, connectFailures, refused, resetsEarly } = row.counts;
      return [short(row.backend), count(established), count(open), count(onOldWeights), causes(connectFailures), causes(refused), count(resetsEarly),
        `${micros(quantile([row], 0.5, traffic.page))} / ${micros(quantile([row], 0.99, traffic.page))}`];
    }));
    if (traffic.page) say(document.getElementById("early"), `A reset is early before ${traffic.page.earlyBytes} bytes were sent to the client, or in the first ${traffic.page.earlySeconds} s. Counted since ${new Date(traffic.page.since).toLocaleString()}, at ${traffic.page.reporting} proxies.`);
  };
  const load = async () => {
    const { routes } = await get(`/_status${query({ what: "routes", name: what, size: 10 })}`, signal);
    const found = routes.find((it) => it.policy === what);
    if (!found) {
      main.append(trouble(new Error(`there is no ${what}`)));
      return;
    }
    reach.replaceChildren(...reaches(found));
    places.element.hidden = found.proxies.length === 0;
    places.show(found.proxies.map((at) => [at.proxy, chip(at.reach, TONES[at.reach]), at.decides.join(", "), [...at.refusals, ...at.unresolved].map((line) => h("p", { class: "bad" }, line))]));
    const total = Object.values(found.reached).reduce((sum, it) => sum + it, 0);
    more.hidden = total <= found.proxies.length;
    say(more, `${count(total - found.proxies.length)} more are not listed.`);
  };
  return (async () => {
    weights({ panel: editor, path: pathOf(what), signal, session });
    if (session.offers.includes("history")) history(past, pathOf(what), signal);
    await load();
    await traffic.watch({ route: what }, signal, draw, () => load().catch(() => {}), state);
  })();
}

/** Who changed it when, the newest first. */
async function history(section, path, signal) {
  try {
    const { items } = await get(`${path}/_history`, signal);
    if (items.length === 0) return;
    const rows = table("History", [["Revision"], ["When"], ["Who"], ["What", "said"]]);
    rows.show(items.map(({ revision, at, by, what, document }) => [String(revision), h("time", { datetime: at, title: at }, ago(at)), by, what === "deleted" ? "removed" : weightsOf(document)]));
    section.append(h("h2", {}, "History"), rows.element);
  } catch (error) {
    if (!signal.aborted) section.append(trouble(error));
  }
}

/** `3: 2 connect-refused, 1 connect-timeout`. */
function causes(said) {
  const all = Object.entries(said);
  const total = all.reduce((sum, [, it]) => sum + it, 0);
  return total === 0 ? "0" : h("span", { class: "bad", title: all.map(([word, it]) => `${it} ${word}`).join(", ") }, `${count(total)} (${all.map(([word]) => word).join(", ")})`);
}

/** What part of all connects took no longer, in µs: within a bucket as if they were spread evenly. */
function quantile(rows, part, page) {
  if (!page) return null;
  const bounds = page.connectTimeBoundsUs;
  const counts = new Array(bounds.length + 1).fill(0);
  for (const row of rows) row.counts.connectTimes.counts.forEach((it, at) => { counts[at] += it; });
  const total = counts.reduce((sum, it) => sum + it, 0);
  if (total === 0) return null;
  let below = 0;
  for (let at = 0; at < bounds.length; at += 1) {
    const low = at === 0 ? 0 : bounds[at - 1];
    if (counts[at] > 0 && below + counts[at] >= part * total) return low + ((part * total - below) / counts[at]) * (bounds[at] - low);
    below += counts[at];
  }
  return bounds[bounds.length - 1];
}
