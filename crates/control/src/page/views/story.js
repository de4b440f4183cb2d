// Why one connection went where it went: from a line of a connection log, or of those that are open here.

import { get, send } from "../api.js";
import { hue } from "../charts.js";
import { h, s } from "../dom.js";
import { bytes, micros, short } from "../words.js";
import { table, trouble } from "../parts.js";

const LISTED = 200;

export function story({ main, signal, session, state }) {
  const line = h("textarea", { id: "line", rows: 4, spellcheck: "false", placeholder: "id=7 proxy=default/web-1 listener=outbound:127.0.0.1:7379 draw=8000000000000000 …" });
  const told = h("div", { "aria-live": "polite" });
  const form = h("form", { class: "card panel" },
    h("label", { for: "line" }, "A line of a connection log, as text or as JSON"), line,
    h("div", { class: "row end" }, h("button", { type: "submit", class: "solid" }, "Tell")));
  const open = h("section", {});
  main.append(h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Connection")), form, told, open);

  const tell = async (said) => {
    try {
      const { body } = await send("POST", "/_story", { line: said }, signal);
      told.replaceChildren(shown(body));
    } catch (error) {
      if (!signal.aborted) told.replaceChildren(trouble(error));
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell(line.value.trim());
  });
  return (async () => {
    if (!session.offers.includes("connections")) return;
    const all = await get("/connections", signal);
    state("live");
    if (all.length === 0) {
      open.append(h("p", { class: "empty" }, "No connection is open here."));
      return;
    }
    const rows = table("Open connections", [["Number"], ["Proxy"], ["Client"], ["To"], ["Backend"], ["Endpoint"], [""]]);
    rows.show(all.slice(0, LISTED).map((it) => [String(it.id), it.proxy, it.client, short(it.destination), short(it.backend), it.endpoint ?? "–",
      h("button", { type: "button", class: "ghost", "aria-label": `Tell connection ${it.id}`, onclick: () => tell(JSON.stringify(it)) }, "Tell")]));
    open.append(h("h2", {}, all.length > LISTED ? `The first ${LISTED} of ${all.length} open connections` : "Open connections"), rows.element);
  })();
}

/** What the server says of a connection: the record, and the split that its draw falls in now. */
function shown({ connection: it, split, fraction }) {
  const policy = it.policy && it.policy !== "default" ? it.policy : null;
  const drawn = split.find((part) => part.drawn);
  const steps = [
    h("li", {}, h("strong", {}, it.client ?? "a client"), ` dialled ${short(it.destination ?? "")} at `, h("code", {}, it.listener), ` of ${it.proxy ?? "a proxy"}.`),
    h("li", {}, policy ? ["Decided by ", h("a", { href: `#/route/${encodeURIComponent(policy)}` }, policy), it.rule ? `, ${it.rule}.` : "."] : "No policy decides there: it goes to what was dialled."),
  ];
  if (fraction !== null && fraction !== undefined) {
    steps.push(h("li", {}, `The draw `, h("code", {}, it.draw), ` is ${(fraction * 100).toFixed(3)} % of the way through the weights, in their order.`,
      split.length > 0 ? draw(split, fraction) : h("p", { class: "quiet" }, "The resources that are in force have no such listener."),
      drawn && it.backend && drawn.backend !== it.backend ? h("p", { class: "warn" }, `The split is another now; by the one of then it went to ${short(it.backend)}.`) : null));
  }
  if (it.backend) steps.push(h("li", {}, "So ", h("strong", {}, short(it.backend)), it.endpoint ? [" was chosen, and of its endpoints ", h("code", {}, it.endpoint), it.connect_us ? `, in ${micros(it.connect_us)}.` : "."] : " was chosen, of which nothing could be dialled."));
  else steps.push(h("li", {}, "No backend was chosen."));
  steps.push(h("li", { class: "end" }, it.ended
    ? `It ended ${it.ended} after ${it.duration_ms} ms, with ${bytes(it.bytes_from_client ?? 0)} from the client and ${bytes(it.bytes_to_client ?? 0)} to it${it.why ? `: ${it.why}` : ""}.`
    : "It is open."));
  return h("section", { class: "card panel", "aria-label": `Connection ${it.id}` }, h("h2", {}, `Connection ${it.id}`), h("ol", { class: "steps" }, steps));
}

function draw(split, fraction) {
  const at = fraction * 1000;
  return h("div", {},
    s("svg", { class: "draw", viewBox: "0 0 1000 44", preserveAspectRatio: "none", role: "img", "aria-label": split.map((part) => `${short(part.backend)} from ${part.from.toFixed(1)} to ${part.to.toFixed(1)} %${part.drawn ? ", drawn" : ""}`).join("; ") },
      split.map((part, index) => s("rect", { class: hue(index), x: part.from * 10, width: Math.max(0, part.to - part.from) * 10, y: 14, height: 18, opacity: part.drawn ? 1 : 0.45 })),
      s("line", { class: "pin", x1: at, x2: at, y1: 4, y2: 42 })),
    h("p", { class: "key" }, split.map((part, index) => h("span", {}, h("i", { class: hue(index), "aria-hidden": "true" }), `${short(part.backend)} ${part.from.toFixed(1)}–${part.to.toFixed(1)} %`))));
}
