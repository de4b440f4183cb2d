// The last changes: how far each has come, the newest first.

import { follow, get } from "../api.js";
import { h } from "../dom.js";
import { ago, count } from "../words.js";
import { chip, table } from "../parts.js";

export function changes({ main, signal, state }) {
  const rows = table("Revisions", [["Revision", ""], ["Accepted"], ["State"], ["Live at", "number"], ["Half after", "number"], ["All after", "number"], ["Says", "said"]]);
  const empty = h("p", { class: "empty", hidden: true }, "Nothing has changed since this control plane was started.");
  main.append(h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Changes")), rows.element, empty);
  const seconds = (time) => (time === null || time === undefined ? "–" : `${time < 1 ? Math.round(time * 1000) / 1000 : time.toFixed(1)} s`);
  const load = async () => {
    const { revisions } = await get("/_revisions", signal);
    rows.element.hidden = revisions.length === 0;
    empty.hidden = revisions.length > 0;
    rows.show(revisions.map((it) => {
      const state = it.refusedCount > 0 ? chip(`${count(it.refusedCount)} refuse it`, "bad") : it.laggingCount > 0 ? chip(`${count(it.laggingCount)} lag`, "warn") : chip("live", "good");
      const says = [...it.refused.slice(0, 3).map((who) => h("p", { class: "bad" }, `${who.proxy} refuses it`)), ...(it.waitsFor ?? []).map((who) => h("p", {}, `not taken over by ${who} yet`))];
      return [String(it.revision), h("time", { datetime: it.acceptedAt, title: it.acceptedAt }, ago(it.acceptedAt)), state, `${count(it.live)} / ${count(it.concerned)}`, seconds(it.liveAfter?.p50), seconds(it.liveAfter?.p100), says];
    }));
  };
  return (async () => {
    await load();
    await follow("/_traffic/_events?size=0", signal, (name) => { if (name === "moved") load().catch(() => {}); }, state);
  })();
}
