// Numbers and names as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function count(number) {
  if (number === undefined || number === null) return "–";
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  if (number >= 1e4) return `${(number / 1e3).toFixed(1)} k`;
  return Number.isInteger(number) ? String(number) : number.toFixed(number < 10 ? 1 : 0);
}

export function bytes(number) {
  let unit = 0;
  let left = number;
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${left < 10 && unit > 0 ? left.toFixed(1) : Math.round(left)} ${UNITS[unit]}`;
}

export function percent(part) {
  if (part === undefined || part === null || Number.isNaN(part)) return "–";
  const of = part * 100;
  return `${of >= 10 || of === Math.round(of) ? Math.round(of * 10) / 10 : of.toFixed(1)} %`;
}

export function micros(time) {
  if (time === null || time === undefined) return "–";
  if (time < 1000) return `${Math.round(time)} µs`;
  if (time < 1e6) return `${(time / 1e3).toFixed(time < 1e4 ? 1 : 0)} ms`;
  return `${(time / 1e6).toFixed(1)} s`;
}

export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/** `Kind mesh/name` taken apart. */
export function policy(text) {
  const [, kind, mesh, name] = /^(\S+) ([^/]*)\/(.*)$/.exec(text) ?? [null, "", "", text];
  return { kind, mesh, name };
}

/** A backendRef or a destination without its kind: `MeshService redis-v1:6379` is `redis-v1:6379`. */
export function short(reference) {
  if (!reference) return "";
  const kri = /^kri_[a-z]+_([^_]*)_([^_]*)_([^_]*)_([^_]*)_(.*)$/.exec(reference);
  if (kri) return kri[5] ? `${kri[4]}:${kri[5]}` : kri[4];
  return reference.replace(/^Mesh[A-Za-z]*Service(Subset)? /, "");
}

const PLURALS = { MeshTCPRoute: "meshtcproutes", MeshHTTPRoute: "meshhttproutes" };

/** Where the API has a policy; null: it has none of its kind to write. */
export function pathOf(text) {
  const { kind, mesh, name } = policy(text);
  const plural = PLURALS[kind];
  return plural ? `/meshes/${encodeURIComponent(mesh)}/${plural}/${encodeURIComponent(name)}` : null;
}
