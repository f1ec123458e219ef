// The Recovery page: filter, sort, details, refresh without losing one's place, "Back up now".

import { airflow, airflowLink, ask, AirflowError, notify, runPage, startRun, unpause } from "./airflow.js";
import { Runs } from "./runs.js";

const REFRESH_MS = 30_000;
const RUNNING_MS = 5_000;

const byId = (id) => document.getElementById(id);
const fleet = byId("fleet");
const sources = new Map(); // what the server sent for each row, to tell whether it changed
const open = new Set(); // instances whose details are open
const shown = { chip: "", words: "", sort: "rank" };
const runs = new Runs(() => refresh());

const rows = () => [...document.querySelectorAll("#rows > tbody")];

// --- what is shown, in which order ---------------------------------------------------------------

function matches(row) {
  const { chip, words } = shown;
  const kind = chip === "failed-proof" ? "failedProof" in row.dataset : !chip || row.dataset.state === chip;
  return kind && (!words || row.textContent.toLowerCase().includes(words));
}

const ORDERS = {
  rank: (a, b) => a.dataset.rank - b.dataset.rank,
  name: (a, b) => a.dataset.instance.localeCompare(b.dataset.instance),
  age: (a, b) => age(b) - age(a),
};
const age = (row) => (row.dataset.age < 0 ? Infinity : Number(row.dataset.age));

function arrange() {
  const table = byId("rows");
  if (!table) return;
  const all = rows();
  const wanted = all.toSorted((a, b) => ORDERS[shown.sort](a, b) || ORDERS.rank(a, b));
  if (wanted.some((row, index) => row !== all[index])) keepFocus(() => table.append(...wanted));
  let visible = 0;
  for (const row of wanted) {
    row.hidden = !matches(row);
    visible += row.hidden ? 0 : 1;
  }
  byId("no-match").hidden = visible > 0;
  table.hidden = visible === 0;
}

/** Do something that replaces or moves elements; the keyboard stays where it was. */
function keepFocus(change) {
  const focused = document.activeElement;
  const row = focused?.closest?.("tbody")?.dataset.instance;
  const cluster = focused?.closest?.("details")?.dataset.cluster;
  const { focus, chip } = focused?.dataset ?? {};
  change();
  if (document.activeElement === focused) return;
  if (row !== undefined && focus) rowOf(row)?.querySelector(`[data-focus="${focus}"]`)?.focus();
  else if (chip !== undefined) fleet.querySelector(`[data-chip="${chip}"]`)?.focus();
  else if (cluster !== undefined) fleet.querySelector(`[data-cluster="${CSS.escape(cluster)}"] > summary`)?.focus();
}

const rowOf = (instance) => rows().find((row) => row.dataset.instance === instance);

function unfold(row) {
  const wanted = open.has(row.dataset.instance);
  row.querySelector("tr.details").hidden = !wanted;
  row.querySelector("button.more").setAttribute("aria-expanded", String(wanted));
}

function pressChips() {
  for (const chip of fleet.querySelectorAll("[data-chip]")) {
    chip.setAttribute("aria-pressed", String(chip.dataset.chip === shown.chip));
  }
}

function adopt(row) {
  unfold(row);
  runs.adopt(row);
}

// --- refresh -------------------------------------------------------------------------------------

let timer = 0;
let asking = null;

async function refresh() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const query = new URLSearchParams(fleet.dataset.dag ? { dag: fleet.dataset.dag } : {});
    const answer = await ask(new URL(`fleet?${query}`, location.href), { signal });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    keepFocus(() => place(fresh));
    if (stale) notify("");
    stale = false;
    runs.refresh();
  } catch (error) {
    if (error.name === "AbortError") return;
    stale = true;
    notify("bad", `${error.message} This is how things were at ${taken}.`);
  }
  schedule();
}

let stale = false;
let taken = byId("head").dataset.taken;

function place(fresh) {
  const head = fresh.getElementById("head");
  const failed = head.querySelector("[role=alert]");
  placeHead(head);
  if (failed && byId("rows")) return; // better the last known rows than none
  taken = head.dataset.taken;
  placeRows(fresh);
  placeClusters(fresh);
  showTaken();
}

/** The clusters below the rows; those that are unfolded stay so. */
function placeClusters(fresh) {
  const [was, is] = [byId("clusters"), fresh.getElementById("clusters")];
  if (was && is && was.textContent === is.textContent) return;
  for (const one of was?.querySelectorAll("details[open]") ?? []) {
    const same = [...(is?.querySelectorAll("details") ?? [])].find((d) => d.dataset.cluster === one.dataset.cluster);
    if (same) same.open = true;
  }
  was?.remove();
  if (is) fleet.append(is);
}

function placeHead(head) {
  const old = byId("head");
  if (!old.querySelector(".tools") || !head.querySelector(".tools")) old.replaceWith(head);
  else {
    old.querySelector("#problems")?.remove();
    const problems = head.querySelector("#problems");
    if (problems) old.querySelector(".tools").before(problems);
    for (const part of [".summary", ".chips"]) {
      const [was, is] = [old.querySelector(part), head.querySelector(part)];
      if (was && is && was.textContent !== is.textContent) was.replaceChildren(...is.childNodes);
    }
  }
  if (shown.chip && !fleet.querySelector(`[data-chip="${shown.chip}"]`)) shown.chip = "";
  pressChips();
}

function placeRows(fresh) {
  const table = fresh.getElementById("rows");
  if (!table || !byId("rows")) {
    byId("rows")?.remove();
    byId("no-match")?.remove();
    if (table) {
      byId("head").after(table, fresh.getElementById("no-match"));
      rows().forEach(remember);
    }
    arrange();
    return;
  }
  const gone = new Map(rows().map((row) => [row.dataset.instance, row]));
  for (const row of table.querySelectorAll(":scope > tbody")) {
    const old = gone.get(row.dataset.instance);
    gone.delete(row.dataset.instance);
    if (old && sources.get(row.dataset.instance) === row.outerHTML) continue;
    if (old) {
      runs.drop(old);
      old.replaceWith(row);
    } else byId("rows").append(row);
    remember(row);
  }
  for (const [instance, row] of gone) {
    runs.drop(row);
    row.remove();
    sources.delete(instance);
  }
  arrange();
}

function remember(row) {
  sources.set(row.dataset.instance, row.outerHTML);
  adopt(row);
}

function showTaken() {
  byId("fresh").textContent = taken ? `As of ${taken}` : "";
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden) return;
  const soon = runs.active;
  timer = setTimeout(() => (soon ? tick() : refresh()), soon ? RUNNING_MS : REFRESH_MS);
}

let ticks = 0;

// While a run is under way only its state is asked for; the fleet keeps its own, slower pace.
function tick() {
  ticks = (ticks + 1) % (REFRESH_MS / RUNNING_MS);
  if (ticks === 0) refresh();
  else {
    runs.refresh({ activeOnly: true });
    schedule();
  }
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));

// --- back up now ---------------------------------------------------------------------------------

const confirm = byId("confirm");
let subject = "";

async function askToBackUp(dag, what) {
  subject = dag;
  byId("confirm-title").textContent = `Back up ${what} now?`;
  byId("confirm-dag").textContent = dag;
  byId("confirm-paused").hidden = true;
  byId("confirm-error").hidden = true;
  byId("confirm-go").disabled = false;
  confirm.showModal();
  byId("confirm-cancel").focus();
  try {
    const { is_paused: paused } = await airflow(`dags/${encodeURIComponent(dag)}`);
    if (subject === dag) byId("confirm-paused").hidden = !paused;
  } catch {
    // starting it will tell
  }
}

async function backUp() {
  const dag = subject;
  byId("confirm-go").disabled = true;
  try {
    if (!byId("confirm-paused").hidden && byId("confirm-unpause").checked) await unpause(dag);
    const run = await startRun(dag, {});
    confirm.close();
    notify("good", "Backup started: ", airflowLink(runPage(dag, run.dag_run_id), "watch the run"), ".");
    runs.known.set(dag, { state: run.state, id: run.dag_run_id, at: run.run_after });
    runs.refresh();
    schedule();
  } catch (error) {
    if (!(error instanceof AirflowError)) throw error;
    byId("confirm-error").textContent = `No backup was started. ${error.message}`;
    byId("confirm-error").hidden = false;
    byId("confirm-go").disabled = false;
  }
}

byId("confirm-go").addEventListener("click", backUp);

// --- the page's events ---------------------------------------------------------------------------

fleet.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const row = button.closest("tbody");
  if (button.matches(".more")) {
    const { instance } = row.dataset;
    if (!open.delete(instance)) open.add(instance);
    unfold(row);
  } else if (button.dataset.backup) askToBackUp(button.dataset.backup, button.dataset.what);
  else if ("chip" in button.dataset) {
    shown.chip = button.dataset.chip;
    pressChips();
    arrange();
  } else if (button.id === "clear") {
    Object.assign(shown, { chip: "", words: "" });
    byId("filter").value = "";
    pressChips();
    arrange();
    byId("filter").focus();
  }
});

fleet.addEventListener("input", (event) => {
  if (event.target.id === "filter") shown.words = event.target.value.trim().toLowerCase();
  else if (event.target.id === "sort") shown.sort = event.target.value;
  else return;
  arrange();
});

if (fleet.dataset.dag && rows().length === 1) open.add(rows()[0].dataset.instance);
rows().forEach(remember);
arrange();
showTaken();
runs.readPaused();
schedule();
