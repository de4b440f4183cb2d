// What proxies report, put together by route: kept up to date by events, with the last quarter of an hour of each flow.

import { follow, get, query } from "./api.js";

/** The series of a pace that are plotted. */
export const SERIES = ["opened", "failed", "resetsEarly", "bytesFromClients", "bytesToClients", "active", "onOldWeights"];

/** After so many steps without a word the history is asked for again. */
const MISSED_STEPS = 3;

const keyOf = (row) => JSON.stringify([row.mesh, row.route, row.destination, row.direction, row.backend]);

/** The rows of a question, and what is new of them until the signal. */
export class Traffic {
  constructor() {
    this.rows = new Map();
    this.page = null;
    this.stepSeconds = 5;
  }

  /** Takes a page. Steps that have passed since the last one are taken into the histories. */
  take(page) {
    this.page = page;
    this.stepSeconds = page.stepSeconds;
    const step = Math.floor(Date.parse(page.at) / (page.stepSeconds * 1000));
    const present = new Set();
    for (const item of page.items) {
      const key = keyOf(item);
      present.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = { past: Object.fromEntries(SERIES.map((name) => [name, []])), step };
        this.rows.set(key, row);
      }
      if (item.history) {
        for (const name of SERIES) row.past[name] = item.history[name] ?? new Array(item.history.steps).fill(0);
        row.step = step;
      } else if (item.pace) {
        for (; row.step < step; row.step += 1) {
          for (const name of SERIES) {
            row.past[name].push(item.pace[name]);
            if (row.past[name].length > 180) row.past[name].shift();
          }
        }
      }
      Object.assign(row, { wanted: undefined, seen: undefined }, item, { history: undefined });
    }
    for (const key of this.rows.keys()) if (!present.has(key)) this.rows.delete(key);
  }

  /** Loads a question and follows it. `told` is called after each page. */
  async watch(question, signal, told, moved, state) {
    const whole = async () => {
      this.take(await get(`/_traffic${query({ ...question, history: true, size: 1000 })}`, signal));
      told();
    };
    await whole();
    await follow(`/_traffic/_events${query({ ...question, size: 1000 })}`, signal, (name, data) => {
      if (name === "moved") moved?.(data);
      if (name !== "traffic") return;
      // what happened while nothing was heard is in the history only
      if (Date.parse(data.at) - Date.parse(this.page.at) > MISSED_STEPS * this.stepSeconds * 1000) whole().catch(() => {});
      this.take(data);
      told();
    }, state);
  }

  /** The splits of a route, one for each destination and direction: its backends with what is wanted and what is seen. */
  splits(route) {
    const groups = new Map();
    for (const row of this.rows.values()) {
      if (route !== undefined && row.route !== route) continue;
      const key = JSON.stringify([row.mesh, row.destination, row.direction]);
      const group = groups.get(key) ?? { key, mesh: row.mesh, destination: row.destination, direction: row.direction, route: row.route, backends: [] };
      groups.set(key, group);
      if (row.backend) group.backends.push(row);
      else group.undecided = row;
    }
    return [...groups.values()].map(shown).sort((a, b) => a.key.localeCompare(b.key));
  }
}

/** What no route names any more is shown as long as something lives there, or was opened there lately. */
function shown(group) {
  return { ...group, backends: group.backends.filter((row) => row.wanted !== undefined || row.counts.active > 0 || row.seen > 0) };
}

/** The sum of a series over rows, step by step, the newest last. */
export function summed(rows, name, steps = 180) {
  const sum = new Array(steps).fill(0);
  for (const row of rows) {
    const past = row.past[name];
    for (let at = 1; at <= Math.min(steps, past.length); at += 1) sum[steps - at] += past[past.length - at];
  }
  return sum;
}

/** How fast it goes now, over rows. */
export function pace(rows) {
  const sum = Object.fromEntries(SERIES.map((name) => [name, 0]));
  for (const row of rows) for (const name of SERIES) sum[name] += row.pace?.[name] ?? 0;
  for (const row of rows) if (row.counts) {
    sum.activeNow = (sum.activeNow ?? 0) + row.counts.active;
    sum.oldNow = (sum.oldNow ?? 0) + row.counts.onOldWeights;
  }
  return { activeNow: 0, oldNow: 0, ...sum };
}
