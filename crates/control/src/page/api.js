// The API of the server that this page came from.

const KEY = "meshtcp-token";

/** Where the API is: beside the folder of this page. */
const BASE = new URL("..", document.baseURI).pathname.replace(/\/$/, "");

/** What the server said when it did not do what was asked. */
export class Refused extends Error {
  constructor(status, body) {
    const details = (body?.invalid_parameters ?? []).map((it) => `${it.field}: ${it.reason}`);
    super([body?.detail ?? body?.title ?? `the server answered ${status}`, ...details].join("\n"));
    this.status = status;
  }
}

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function useToken(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

function headers(more) {
  const bearer = token();
  return { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...more };
}

async function answered(response) {
  if (response.ok) return response;
  let body = null;
  try {
    body = await response.json();
  } catch {
    // it is no JSON: the status has to say it
  }
  throw new Refused(response.status, body);
}

export async function get(path, signal) {
  const response = await answered(await fetch(BASE + path, { headers: headers(), signal }));
  return response.json();
}

/** A document, and the version that it is. */
export async function getVersion(path, signal) {
  const response = await answered(await fetch(BASE + path, { headers: headers(), signal }));
  return { document: await response.json(), version: response.headers.get("etag") };
}

/** Sends a body. With a version only what is still that is changed. */
export async function send(method, path, body, signal, version) {
  const response = await fetch(BASE + path, {
    method,
    headers: headers({ "content-type": "application/json", ...(version ? { "if-match": version } : {}) }),
    body: JSON.stringify(body),
    signal,
  });
  await answered(response);
  const text = await response.text();
  return { body: text ? JSON.parse(text) : null, revision: response.headers.get("meshtcp-revision") };
}

/** `?name=value…` of those that say something; a list is said again and again. */
export function query(parameters) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one !== "" && one !== undefined && one !== null) pairs.append(name, one);
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

/** Server-sent events, one after the other, until the server ends them. */
export async function* events(path, signal) {
  const response = await answered(await fetch(BASE + path, { headers: headers({ accept: "text/event-stream" }), signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = { name: "message", data: "" };
        for (const line of text.slice(0, end).split("\n")) {
          if (line.startsWith("event: ")) event.name = line.slice(7);
          if (line.startsWith("data: ")) event.data += line.slice(6);
        }
        text = text.slice(end + 2);
        if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** Follows events for ever, beginning anew when they end. `told` hears of each, `state` of how the link is. */
export async function follow(path, signal, told, state) {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      for await (const { name, data } of events(path, signal)) {
        pause = FIRST_PAUSE;
        state("live");
        told(name, data);
      }
      state("lost");
    } catch (error) {
      if (signal.aborted) return;
      state("lost", error);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}
