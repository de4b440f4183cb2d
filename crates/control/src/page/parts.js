// What several views are made of.

import { h, say } from "./dom.js";
import { count } from "./words.js";

export const chip = (text, tone) => h("span", { class: `chip ${tone}` }, text);

/** Large numbers with their names. `update({ key: text | { text, bad } })`. */
export function tiles(names) {
  const values = new Map();
  const element = h("dl", { class: "tiles" }, names.map(([key, label]) => {
    const value = h("dd", {}, "–");
    values.set(key, value);
    return h("div", { class: "card tile" }, h("dt", {}, label), value);
  }));
  return {
    element,
    update(texts) {
      for (const [key, said] of Object.entries(texts)) {
        const value = values.get(key);
        if (!value) continue;
        say(value, said.text ?? said);
        value.classList.toggle("bad", said.bad === true);
      }
    },
  };
}

/** Links to the page before and the next one. */
export function pager(go) {
  const before = h("button", { type: "button", class: "ghost" }, "← Before");
  const next = h("button", { type: "button", class: "ghost" }, "Next →");
  const place = h("span", { class: "quiet" });
  const element = h("nav", { class: "pager", "aria-label": "Pages", hidden: true }, before, place, next);
  let at = { offset: 0, size: 1, total: 0 };
  before.addEventListener("click", () => go(Math.max(0, at.offset - at.size)));
  next.addEventListener("click", () => go(at.offset + at.size));
  return {
    element,
    update(now) {
      at = now;
      const { offset, size, total } = now;
      element.hidden = total <= size;
      before.disabled = offset === 0;
      next.disabled = offset + size >= total;
      say(place, `${count(offset + 1)}–${count(Math.min(offset + size, total))} of ${count(total)}`);
    },
  };
}

/** A table whose rows are kept. Cells are texts, or elements. */
export function table(caption, columns) {
  const body = h("tbody");
  const element = h("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([name, sort]) => h("th", { scope: "col", class: sort }, name)))), body));
  return {
    element,
    show(rows) {
      body.replaceChildren(...rows.map((cells) => h("tr", {}, cells.map((cell, at) =>
        h(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : null, class: columns[at][1] }, cell)))));
    },
  };
}

/** What went wrong, said where it was asked for. */
export const trouble = (error) => h("p", { class: "trouble", role: "alert" }, error.message || String(error));
