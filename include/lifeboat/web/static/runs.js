// The last run of each backup DAG that is in sight, asked of Airflow so that its rights apply.

import { airflow, airflowLink, runPage } from "./airflow.js";

const AT_ONCE = 4;
const ACTIVE = new Set(["queued", "running", "restarting"]);
const MISSING = "No such DAG: see Airflow's import errors";
const WORDS = { success: "Success", failed: "Failed", running: "Running", queued: "Queued" };

export class Runs {
  /** `onEnd` is called when a run that was under way has ended: there may be a new point. */
  constructor(onEnd) {
    this.known = new Map();
    this.paused = new Set();
    this.queue = [];
    this.busy = 0;
    this.onEnd = onEnd;
    this.sight = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const { dag } = entry.target.dataset;
        entry.target.seen = entry.isIntersecting;
        if (entry.isIntersecting && !this.known.has(dag)) this.want(dag);
      }
    }, { rootMargin: "200px" });
  }

  /** Watch the run cells of a row that was just put into the page, and fill in what is known. */
  adopt(row) {
    for (const cell of row.querySelectorAll(".run")) {
      if (this.known.has(cell.dataset.dag)) this.show(cell);
      this.sight.observe(cell);
    }
  }

  drop(row) {
    for (const cell of row.querySelectorAll(".run")) this.sight.unobserve(cell);
  }

  /** True while a run in sight is under way. */
  get active() {
    return this.cells().some((cell) => cell.seen && ACTIVE.has(this.known.get(cell.dataset.dag)?.state));
  }

  /** Ask again for every run in sight; with `activeOnly`, for those under way. */
  refresh({ activeOnly = false } = {}) {
    for (const cell of this.cells()) {
      const { dag } = cell.dataset;
      if (!cell.seen) {
        if (!activeOnly) this.forgetUnseen(dag);
      } else if (!activeOnly || ACTIVE.has(this.known.get(dag)?.state)) this.want(dag);
    }
    if (!activeOnly) this.readPaused();
  }

  cells() {
    return [...document.querySelectorAll("#rows .run")];
  }

  // What is out of sight is asked for when it is scrolled to.
  forgetUnseen(dag) {
    this.known.delete(dag);
  }

  want(dag) {
    if (this.queue.includes(dag)) return;
    this.queue.push(dag);
    this.pump();
  }

  pump() {
    while (this.busy < AT_ONCE && this.queue.length) {
      const dag = this.queue.shift();
      this.busy += 1;
      this.read(dag).finally(() => {
        this.busy -= 1;
        this.pump();
      });
    }
  }

  async read(dag) {
    const before = this.known.get(dag)?.state;
    let found;
    try {
      const path = `dags/${encodeURIComponent(dag)}/dagRuns?limit=1&order_by=-run_after`;
      const run = (await airflow(path)).dag_runs[0];
      found = run
        ? { state: run.state, id: run.dag_run_id, at: run.end_date ?? run.start_date ?? run.run_after }
        : { state: "none" };
    } catch (error) {
      found = { state: "unknown", why: error.status === 404 ? MISSING : error.message };
    }
    this.known.set(dag, found);
    for (const cell of this.cells()) if (cell.dataset.dag === dag) this.show(cell);
    if (ACTIVE.has(before) && !ACTIVE.has(found.state)) this.onEnd();
  }

  /** A paused DAG makes no points on its schedule: said in the row. One call for all of them. */
  async readPaused() {
    const dags = [...new Set(this.cells().map((cell) => cell.dataset.dag))];
    if (!dags.length) return;
    const query = new URLSearchParams({ paused: "true", limit: "100", dag_id_prefix_pattern: prefix(dags) });
    const paused = new Set();
    try {
      for (let total = 1; paused.size < total; ) {
        query.set("offset", String(paused.size));
        const page = await airflow(`dags?${query}`);
        page.dags.forEach((dag) => paused.add(dag.dag_id));
        total = page.dags.length ? page.total_entries : 0;
      }
    } catch {
      return; // the run cells themselves tell what is wrong with Airflow
    }
    this.paused = paused;
    this.cells().forEach((cell) => this.show(cell));
  }

  show(cell) {
    const { dag } = cell.dataset;
    const run = this.known.get(dag);
    const parts = [];
    if (run) parts.push(...describe(dag, run));
    else if (!this.paused.has(dag)) return;
    if (this.paused.has(dag)) {
      parts.push(text("span", "failed", "Schedule paused"));
    }
    cell.replaceChildren(...parts);
  }
}

function describe(dag, run) {
  if (run.state === "none") return [text("span", "", "No run yet")];
  if (run.state === "unknown") return [text("span", "failed", run.why)];
  const link = airflowLink(runPage(dag, run.id), "");
  link.dataset.focus = "run";
  link.className = "runlink";
  link.append(text("span", `state ${run.state}`, WORDS[run.state] ?? run.state));
  return [link, text("span", "", since(run.at))];
}

function text(name, kind, words) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.textContent = words;
  return element;
}

/** `2 h 10 m ago`, in the words of the rest of the page. */
export function since(moment) {
  const seconds = Math.floor((Date.now() - Date.parse(moment)) / 1000);
  if (seconds < 60) return "just now";
  const units = [[86400, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 0, ""]];
  const [big, name, small, rest] = units.find(([size]) => seconds >= size);
  const second = small ? Math.floor((seconds % big) / small) : 0;
  return `${Math.floor(seconds / big)} ${name}${second ? ` ${second} ${rest}` : ""} ago`;
}

function prefix(names) {
  let shared = names[0];
  for (const name of names) while (!name.startsWith(shared)) shared = shared.slice(0, -1);
  return shared || "~"; // Airflow's word for any
}
