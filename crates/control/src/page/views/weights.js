// The weights of a route: changed by hand, looked at before they are in force, and followed until they are live.

import { events, getVersion, send } from "../api.js";
import { hue } from "../charts.js";
import { h, say } from "../dom.js";
import { count, percent } from "../words.js";
import { trouble } from "../parts.js";

/** How a backendRef is called, as the API has it. */
const called = (ref) => [ref.name ?? Object.entries(ref.labels ?? {}).map(([key, value]) => `${key}=${value}`).join(","), ref.port ? `:${ref.port}` : "", ref.tags ? ` ${Object.entries(ref.tags).map(([key, value]) => `${key}=${value}`).join(", ")}` : ""].join("");

/** Every list of backendRefs in a route, with what it is for. */
function lists(spec) {
  const found = [];
  (spec?.to ?? []).forEach((to, item) => (to.rules ?? []).forEach((rule, index) => {
    const refs = rule.default?.backendRefs;
    if (refs?.length) found.push({ title: `${called(to.targetRef ?? {})}${to.rules.length > 1 ? `, rule ${index + 1}` : ""}`, refs, id: `w-${item}-${index}` });
  }));
  return found;
}

/** The weights in a document, in words. */
export function weightsOf(document) {
  return lists(document?.spec).map(({ title, refs }) => `to ${title}: ${refs.map((ref) => `${called(ref)} ${ref.weight ?? 1}`).join(", ")}`).join("; ") || "no weights";
}

export async function weights({ panel, path, signal, session }) {
  const said = h("div", {});
  panel.append(said);
  const mayWrite = ["writer", "admin"].includes(session.role) && !session.readOnly;
  if (!path || !session.offers.includes("resources")) {
    said.append(h("p", { class: "quiet" }, "This server follows files: weights are changed there, and are seen here."));
    return;
  }
  let document;
  let version;
  const load = async () => {
    ({ document, version } = await getVersion(path, signal));
  };
  try {
    await load();
  } catch (error) {
    if (!signal.aborted) said.append(trouble(error));
    return;
  }
  const found = lists(document.spec);
  if (found.length === 0) {
    said.append(h("p", { class: "quiet" }, "It names no backends."));
    return;
  }
  const outcome = h("div", { "aria-live": "polite" });
  const preview = h("button", { type: "submit", class: "ghost", disabled: true }, "Preview");
  const apply = h("button", { type: "button", class: "solid", disabled: true }, "Apply");
  const inputs = [];
  const changed = () => inputs.some((it) => Number(it.number.value) !== it.was);
  const form = h("form", {}, found.map((list) => field(list, inputs, mayWrite, () => {
    preview.disabled = !changed();
    // what was looked at is another change now
    apply.disabled = true;
    outcome.replaceChildren();
  })), mayWrite ? h("div", { class: "row end" }, preview, apply) : h("p", { class: "hint" }, "You may look at it. To change weights, sign in as a writer."), outcome);
  said.append(form);

  const proposed = () => {
    const copy = structuredClone(document);
    lists(copy.spec).forEach((list) => list.refs.forEach((ref, at) => {
      const input = inputs.find((it) => it.id === `${list.id}-${at}`);
      ref.weight = Number(input.number.value);
    }));
    return copy;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    preview.disabled = true;
    try {
      const { body } = await send("POST", "/_preview", proposed(), signal);
      outcome.replaceChildren(foretold(body));
      apply.disabled = body.remarks.some((it) => it.severity === "error");
    } catch (error) {
      outcome.replaceChildren(trouble(error));
      preview.disabled = false;
    }
  });
  apply.addEventListener("click", async () => {
    apply.disabled = true;
    try {
      const { revision } = await send("PUT", path, proposed(), signal, version);
      await load();
      inputs.forEach((it) => { it.was = Number(it.number.value); });
      await progress(outcome, revision, signal);
    } catch (error) {
      if (!signal.aborted) outcome.replaceChildren(trouble(error));
      apply.disabled = false;
    }
  });
}

function field({ title, refs, id }, inputs, mayWrite, onchange) {
  const rows = refs.map((ref, at) => {
    const was = ref.weight ?? 1;
    const number = h("input", { type: "number", id: `${id}-${at}`, min: 0, max: 1000000, step: 1, value: was, required: true, disabled: !mayWrite });
    const range = h("input", { type: "range", min: 0, max: Math.max(100, was), value: was, "aria-label": `${called(ref)}, by hand`, disabled: !mayWrite, class: hue(at) });
    const share = h("output", { for: `${id}-${at}` });
    return { id: `${id}-${at}`, was, number, range, share, name: called(ref) };
  });
  const shares = () => {
    const total = rows.reduce((sum, it) => sum + Number(it.number.value), 0);
    rows.forEach((it) => say(it.share, total > 0 ? percent(Number(it.number.value) / total) : "none"));
  };
  rows.forEach((it) => {
    it.number.addEventListener("input", () => { it.range.value = it.number.value; shares(); onchange(); });
    it.range.addEventListener("input", () => { it.number.value = it.range.value; shares(); onchange(); });
  });
  inputs.push(...rows);
  shares();
  return h("fieldset", {}, h("legend", {}, `to ${title}`), rows.map((it) => h("div", { class: "weight" }, h("label", { for: it.id, class: "mono" }, it.name), it.range, it.number, it.share)));
}

/** What a change would do, as the server foretells it. */
function foretold({ proxies, proxiesTotal, remarks, resources }) {
  const lines = [...new Set(proxies.flatMap((it) => it.changes))];
  const affected = proxies.flatMap((it) => it.listeners).map((it) => it.connections).filter(Boolean);
  const closed = affected.reduce((sum, it) => sum + it.closed, 0);
  return h("div", { class: "foretold" },
    h("p", {}, resources.length === 0 ? "Nothing would change." : h("strong", {}, `${count(proxies.length)} of ${count(proxiesTotal)} proxies would be told something else.`)),
    affected.length > 0 ? h("p", {}, `${count(closed)} open connections would be closed.`) : null,
    h("ul", { class: "changes" }, lines.slice(0, 12).map((line) => h("li", {}, line))),
    lines.length > 12 ? h("p", { class: "quiet" }, `and ${lines.length - 12} more`) : null,
    remarks.map((it) => h("p", { class: it.severity === "error" ? "trouble" : "warn" }, words(it))));
}

/** A remark in words. */
const words = ({ about, kind }) => [about, kind.message ?? kind.why ?? kind.is.replaceAll("-", " "), kind.help].filter(Boolean).join(": ");

/** Follows a revision until it is live everywhere. */
async function progress(outcome, revision, signal) {
  const line = h("p", {}, `Revision ${revision} is on its way …`);
  const fill = h("i");
  const meter = h("div", { class: "progress", role: "progressbar", "aria-label": "Proxies that run it", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 }, fill);
  outcome.replaceChildren(line, meter);
  for await (const { name, data } of events(`/_revisions/${revision}/_events?wait=60`, signal)) {
    const { live = 0, concerned = 0, refusedCount = 0, refused = [] } = data;
    const part = concerned > 0 ? live / concerned : name === "live" ? 1 : 0;
    fill.style.width = `${part * 100}%`;
    meter.setAttribute("aria-valuenow", Math.round(part * 100));
    if (name === "waiting") say(line, `Revision ${revision} is stored; the control plane takes it over …`);
    if (name === "rollout") say(line, `Live at ${count(live)} of ${count(concerned)} proxies${refusedCount > 0 ? `, ${count(refusedCount)} refuse it: ${refused.map((it) => it.proxy).slice(0, 3).join(", ")}` : ""} …`);
    if (name === "timeout") say(line, `After a minute it is live at ${count(live)} of ${count(concerned)} proxies. It goes on without this page.`);
    if (name === "live") {
      say(line, concerned > 0 ? `Revision ${revision} is live at all ${count(concerned)} proxies that it concerns.` : `Revision ${revision} is in force; no attached proxy is told anything else.`);
      line.className = "note";
    }
  }
}
