// The frame around the views: where we are, who we are, how the link is, and dark or light.

import { get, token, useToken } from "./api.js";
import { h, say, shown } from "./dom.js";
import { trouble } from "./parts.js";
import { changes } from "./views/changes.js";
import { map } from "./views/map.js";
import { proxies } from "./views/proxies.js";
import { route } from "./views/route.js";
import { routes } from "./views/routes.js";
import { story } from "./views/story.js";

const VIEWS = {
  routes: { title: "Routes", show: routes, menu: true },
  route: { title: "Route", show: route, under: "routes" },
  proxies: { title: "Proxies", show: proxies, menu: true },
  map: { title: "Map", show: map, menu: true },
  story: { title: "Connection", show: story, menu: true },
  changes: { title: "Changes", show: changes, menu: true, needs: "revisions" },
};

const main = document.getElementById("view");
const nav = document.getElementById("nav");
const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
let session = { offers: [], role: "nobody" };
let leaving = new AbortController();

/** `#/view/what?parameters`. */
function place() {
  const [path, parameters] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...what] = path.split("/");
  return { view: VIEWS[view] ? view : "routes", what: decodeURIComponent(what.join("/")), parameters: new URLSearchParams(parameters ?? "") };
}

function go(view, parameters = {}) {
  const said = Object.entries(parameters).filter(([, value]) => value !== "" && value !== 0 && value !== undefined && value !== null);
  const text = new URLSearchParams(said).toString();
  location.hash = `#/${view}${text ? `?${text}` : ""}`;
}

function state(now, error) {
  if (live.dataset.state === now) return;
  live.dataset.state = now;
  say(liveText, { live: "live", lost: "reconnecting", idle: "ready" }[now]);
  live.title = error?.message ?? "";
}

function menu(current) {
  const shown = Object.entries(VIEWS).filter(([, view]) => view.menu && (!view.needs || session.offers.includes(view.needs)));
  nav.replaceChildren(...shown.map(([name, view]) => h("a", {
    href: `#/${name}`,
    "aria-current": name === current || VIEWS[current].under === name ? "page" : null,
  }, view.title)));
}

async function show({ isFirst } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { view, what, parameters } = place();
  menu(view);
  main.replaceChildren();
  document.title = shown(`${VIEWS[view].title}${what ? ` ${what}` : ""} · meshtcp`);
  state("idle");
  try {
    const running = VIEWS[view].show({ main, signal, what, parameters, go, state, session });
    const title = main.querySelector("h1");
    // who goes to another view by keyboard goes on from its beginning
    if (!isFirst) title?.focus({ preventScroll: false });
    await running;
  } catch (error) {
    if (signal.aborted) return;
    state("lost", error);
    main.append(trouble(error));
    if (error.status === 401 || error.status === 403) main.append(h("p", { class: "empty" }, h("button", { class: "solid", type: "button", onclick: signIn }, "Sign in")));
  }
}

async function recognise() {
  try {
    session = await get("/_session");
  } catch (error) {
    session = { offers: [], role: "nobody", name: "", why: error.message };
  }
  say(document.getElementById("who"), session.role === "nobody" ? "Sign in" : session.role);
  document.getElementById("who").hidden = session.offers.length > 0 && !session.offers.includes("tokens");
  say(document.getElementById("foot"), session.version ? [session.product, session.version, "·", session.instance, session.profile ? `· rules of ${session.profile}` : ""].join(" ") : "");
}

const dialog = document.getElementById("sign-in");

function signIn() {
  say(document.getElementById("sign-in-now"), session.why ?? `Now: ${session.name || "nobody"}, who is ${{ nobody: "allowed nothing", reader: "a reader", writer: "a writer", admin: "an admin" }[session.role]}.`);
  document.getElementById("token").value = token();
  dialog.showModal();
}

async function signed(text) {
  useToken(text);
  dialog.close();
  await recognise();
  await show({ isFirst: true });
}

document.getElementById("who").addEventListener("click", signIn);
document.getElementById("sign-cancel").addEventListener("click", () => dialog.close());
document.getElementById("sign-out").addEventListener("click", () => signed(""));
document.getElementById("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  signed(document.getElementById("token").value.trim());
});

const THEMES = { auto: "light", light: "dark", dark: "auto" };

function theme(wanted) {
  document.documentElement.dataset.theme = wanted;
  document.getElementById("theme").setAttribute("aria-label", `Theme: ${wanted}`);
  say(document.getElementById("theme"), { auto: "Auto", light: "Light", dark: "Dark" }[wanted]);
  try {
    localStorage.setItem("meshtcp-theme", wanted);
  } catch {
    // a browser that keeps nothing forgets it
  }
}

document.getElementById("theme").addEventListener("click", () => theme(THEMES[document.documentElement.dataset.theme]));
const asked = new URLSearchParams(location.search).get("theme");
theme([asked, localStorage.getItem("meshtcp-theme")].find((it) => it in THEMES) ?? "auto");

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
  const search = document.getElementById("search");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

window.addEventListener("hashchange", () => show());
await recognise();
await show({ isFirst: true });
