// Elements without a template language: text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Characters that turn the direction of writing, hide, or move what stands beside them: as in the terminal. */
const FOREIGN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Text of anybody, safe to stand beside ours: what is not harmless is shown by its number. */
export function shown(text) {
  return String(text).replace(FOREIGN, (letter) => `\\u{${letter.charCodeAt(0).toString(16)}}`);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  const parts = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...parts.map((part) => part instanceof Node ? part : shown(part)));
  return element;
}

/** An HTML element. `on…` attributes are listeners. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Sets the text of an element only when it differs, so that what reads it aloud is not told twice. */
export function say(element, text) {
  const wanted = shown(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/**
 * Keeps one element for each item: focus and place survive an update. `make` returns `{ element, update }`.
 */
export class Keyed {
  constructor(container, keyOf, make) {
    Object.assign(this, { container, keyOf, make, known: new Map() });
  }

  show(items) {
    const wanted = new Map(items.map((item) => [this.keyOf(item), item]));
    for (const [key, part] of this.known) {
      if (!wanted.has(key)) {
        part.element.remove();
        this.known.delete(key);
      }
    }
    let last = null;
    for (const [key, item] of wanted) {
      let part = this.known.get(key);
      if (!part) {
        part = this.make(item);
        this.known.set(key, part);
      }
      part.update?.(item);
      const place = last ? last.nextSibling : this.container.firstChild;
      if (part.element !== place) this.container.insertBefore(part.element, place);
      last = part.element;
    }
  }
}
