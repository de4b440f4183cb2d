// All proxies, a page at a time: what they run, what they refuse, and how busy they are.

import { follow, get, query } from "../api.js";
import { h, say } from "../dom.js";
import { count, ago } from "../words.js";
import { chip, pager, table, tiles } from "../parts.js";

const SIZE = 100;
const STATES = {
  "in-sync": ["in sync", "good"], pending: ["pending", "warn"], refusing: ["refuses", "bad"],
  waiting: ["waiting", "warn"], detached: ["not attached", "quiet-chip"],
};

/** How a proxy is, in one word: as `change::report` has it. */
function stateOf({ connection, refusals, inSync, published }) {
  if (!connection) return "detached";
  if (refusals.length > 0) return "refusing";
  if (inSync) return "in-sync";
  return published ? "pending" : "waiting";
}

/** Which way connections to outbounds take, as the proxy reported it. */
function pathsOf({ outbounds, leftOut, stale, at }) {
  const number = (path) => outbounds.filter((it) => it.path === path).length;
  const said = [[number("kernel"), "straight to the endpoint"], [number("relay"), "through the proxy"], [leftOut ?? 0, "not listed"]];
  const counts = said.filter(([many]) => many > 0).map(([many, words]) => `${count(many)} ${words}`);
  if (counts.length === 0) return "";
  return `outbounds: ${counts.join(", ")}${stale ? `, as of ${ago(at)}` : ""}`;
}

export function proxies({ main, signal, parameters, go, state }) {
  const name = parameters.get("name") ?? "";
  const offset = Number(parameters.get("offset") ?? 0) || 0;
  const search = h("input", { type: "search", id: "search", value: name, placeholder: "name or mesh/name", autocomplete: "off" });
  const summary = tiles([["sync", "in sync"], ["pending", "pending"], ["refusing", "refusing"], ["detached", "not attached"], ["behind", "behind"]]);
  const columns = [["Proxy"], ["State"], ["Program"], ["Revision", "number"], ["Runs", "number"], ["Connections/s", "number"], ["Open", "number"], ["Failing/s", "number"], ["Says", "said"]];
  const rows = table("Proxies", columns);
  const empty = h("p", { class: "empty", hidden: true });
  const pages = pager((to) => go("proxies", { name, offset: to }));
  main.append(
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Proxies"),
      h("form", { role: "search", class: "search", onsubmit: (event) => { event.preventDefault(); go("proxies", { name: search.value.trim() }); } },
        h("label", { for: "search", class: "hidden" }, "Find proxies"), search)),
    summary.element, rows.element, empty, pages.element);

  let report = null;
  let traffic = new Map();
  const draw = () => {
    if (!report) return;
    const { total, inSync, pending, refusing, detached } = report.totals.proxies;
    const rollout = report.rollout;
    summary.update({
      sync: `${count(inSync)} / ${count(total)}`, pending: count(pending), detached: count(detached),
      refusing: { text: count(refusing), bad: refusing > 0 },
      behind: rollout ? `${count(rollout.laggingCount ?? 0)} of ${count(rollout.concerned)}` : "–",
    });
    rows.element.hidden = report.proxies.length === 0;
    empty.hidden = report.proxies.length > 0;
    say(empty, name ? `No proxy has “${name}” in its name.` : "No proxy has attached, and there is no Dataplane.");
    rows.show(report.proxies.map((proxy) => {
      const [word, tone] = STATES[stateOf(proxy)];
      const seen = traffic.get(proxy.proxy);
      const outbounds = proxy.paths ? pathsOf(proxy.paths) : "";
      const says = [
        ...proxy.refusals.map((it) => h("p", { class: "bad" }, it.message)),
        ...(proxy.known ? [] : [h("p", {}, "there is no Dataplane of this name")]),
        ...proxy.notes.map((it) => h("p", { class: "quiet" }, it)),
        outbounds ? h("p", { class: "quiet" }, outbounds) : null,
        proxy.controlPlane ? h("p", { class: "quiet" }, `at ${proxy.controlPlane}`) : null,
      ];
      const since = proxy.connection ? `${proxy.connection.agent || proxy.connection.dialect}, attached ${ago(proxy.connection.since)}` : "–";
      const absent = proxy.connection?.dialect === "envoy" ? "not told" : "–";
      return [proxy.proxy, chip(word, tone), since, proxy.revision ?? "–", proxy.runs ?? "–",
        seen?.pace ? count(seen.pace.opened) : absent, seen ? count(seen.counts.active) : absent, seen?.pace ? count(seen.pace.failed) : absent, says];
    }));
    pages.update({ offset, size: SIZE, total });
  };
  const load = async () => {
    report = await get(`/_status${query({ what: "proxies", name, offset, size: SIZE })}`, signal);
    draw();
  };
  return (async () => {
    await load();
    // by name as the report is, so that a page here is a page there
    await follow(`/_traffic/_events${query({ by: "proxy", name, size: 1000 })}`, signal, (event, data) => {
      if (event === "moved") load().catch(() => {});
      if (event === "traffic") {
        traffic = new Map(data.items.map((row) => [row.proxy, row]));
        draw();
      }
    }, state);
  })();
}
