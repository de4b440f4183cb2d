// What keeps somebody from using the page by keyboard or screen reader, or from reading it: a line each.
const wrong = [];
const say = (what, element) => wrong.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;

const nameOf = (element) => {
  const labelled = element.getAttribute("aria-labelledby")?.split(" ").map((id) => document.getElementById(id)?.textContent).join(" ");
  const label = element.labels?.length ? [...element.labels].map((it) => it.textContent).join(" ") : "";
  return (labelled || element.getAttribute("aria-label") || label || element.textContent || element.getAttribute("title") || "").trim();
};

for (const element of document.querySelectorAll("a[href], button, input, textarea, select, [tabindex='0'], [role='img'], [role='progressbar'], nav, dialog")) {
  if (!visible(element)) continue;
  if (element.matches("input, textarea, select") ? !(element.labels?.length || element.getAttribute("aria-label")) : !nameOf(element)) say("has no name", element);
}
for (const element of document.querySelectorAll("svg:not([role='img']):not([aria-hidden='true'])")) if (!element.closest("[aria-hidden='true']")) say("a picture without words", element);
for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) say("goes before its turn", element);

const headings = [...document.querySelectorAll("h1, h2, h3")].filter(visible);
if (headings.filter((it) => it.tagName === "H1").length !== 1) wrong.push("there is not one h1");
headings.reduce((before, it) => {
  const level = Number(it.tagName[1]);
  if (level > before + 1) say("a level of headings is left out", it);
  return level;
}, 0);
for (const landmark of ["header", "main", "footer", "nav"]) if (!document.querySelector(landmark)) wrong.push(`there is no ${landmark}`);
if (!document.documentElement.lang) wrong.push("the language is not said");
const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => wrong.push(`two have the id ${id}`));
for (const table of document.querySelectorAll("table")) {
  if (!table.caption) say("a table without a caption", table);
  for (const cell of table.querySelectorAll("th")) if (!cell.scope) say("a head of nothing", cell);
}

// contrast, as WCAG 2 has it
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], [br, bg, bb]) => [r * a + br * (1 - a), g * a + bg * (1 - a), b * a + bb * (1 - a), 1];
const groundOf = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((ground, layer) => over(layer, ground), [255, 255, 255, 1]);
};
const light = ([r, g, b]) => {
  const [lr, lg, lb] = [r, g, b].map((it) => (it / 255 <= 0.03928 ? it / 255 / 12.92 : ((it / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * lr + 0.7152 * lg + 0.0722 * lb;
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !visible(element) || element.closest(":disabled, .hidden, noscript, .skip")) continue;
  const style = getComputedStyle(element);
  const ground = groundOf(element);
  const ink = over(rgba(element.closest("svg") ? style.fill : style.color), ground);
  const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
  if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) say(`contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}`, element);
}
if (document.documentElement.scrollWidth > window.innerWidth) wrong.push(`wider than the window: ${document.documentElement.scrollWidth} of ${window.innerWidth}`);
return wrong;
