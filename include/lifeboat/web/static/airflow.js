// The way to Airflow: its REST API, with the session of whoever looks, and its own pages.
// Airflow authorizes and records everything that is started here.

/** What went wrong, in words for the page. `status` is 0 when there was no answer. */
export class AirflowError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const ADVICE = {
  401: "Your Airflow session has ended. Reload this page in your browser to log in again.",
  403: "Your Airflow role may not do this.",
};

/** One call below Airflow's /api/v2/, relative to wherever Airflow lives. Returns parsed JSON. */
export async function airflow(path, { method = "GET", body, signal } = {}) {
  return ask(new URL(`../api/v2/${path}`, location.href), {
    method,
    signal,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).then((answer) => answer.json());
}

/** fetch that turns every kind of failure into an AirflowError. */
export async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new AirflowError(0, "Airflow's API server does not answer.");
  }
  if (answer.ok) return answer;
  throw new AirflowError(answer.status, ADVICE[answer.status] ?? (await detail(answer)));
}

async function detail(answer) {
  const text = await answer.text();
  let found = text;
  try {
    found = JSON.parse(text).detail ?? text;
  } catch {
    // not JSON: shown as it is
  }
  if (Array.isArray(found)) found = found.map((item) => item.msg ?? JSON.stringify(item)).join("; ");
  const words = typeof found === "string" ? found : JSON.stringify(found);
  return words.slice(0, 800) || `Airflow answered ${answer.status}.`;
}

/** Start a run; returns it as the API tells it. */
export function startRun(dag, conf) {
  return airflow(`dags/${encodeURIComponent(dag)}/dagRuns`, {
    method: "POST",
    body: { logical_date: null, conf },
  });
}

export function unpause(dag) {
  return airflow(`dags/${encodeURIComponent(dag)}`, { method: "PATCH", body: { is_paused: false } });
}

export function runPage(dag, run) {
  return `dags/${encodeURIComponent(dag)}/runs/${encodeURIComponent(run)}`;
}

/**
 * Show one of Airflow's own pages in the window around this one.
 *
 * Airflow's frame forbids its content to navigate the top window, but not to use a link of the top
 * document: the click is then the top document's own.
 */
export function openInAirflow(path) {
  const link = parent.document.createElement("a");
  link.href = new URL(`../${path}`, location.href).href;
  parent.document.body.append(link);
  link.click();
  link.remove();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-airflow]");
  if (!link) return;
  event.preventDefault();
  openInAirflow(link.dataset.airflow);
});

/** A message at the top of the page, replacing the one before it. `parts` are strings and nodes. */
export function notify(kind, ...parts) {
  const place = document.getElementById("notices");
  if (!parts.length) {
    place.replaceChildren();
    return;
  }
  const notice = document.createElement("p");
  notice.className = `notice ${kind}`;
  notice.append(...parts);
  place.replaceChildren(notice);
}

/** A link to one of Airflow's pages. */
export function airflowLink(path, words) {
  const link = document.createElement("a");
  link.href = new URL(`../${path}`, location.href).href;
  link.dataset.airflow = path;
  link.textContent = words;
  return link;
}
