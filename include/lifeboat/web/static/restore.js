// The restore form: the restore DAG's own params, filled in from this page's address, started
// through Airflow's API.

import { airflow, AirflowError, notify, openInAirflow, runPage, startRun, unpause } from "./airflow.js";
import { Field, renderFields } from "./fields.js";

const byId = (id) => document.getElementById(id);
const form = byId("restore");

async function build() {
  const { dag } = form.dataset;
  let details;
  try {
    details = await airflow(`dags/${encodeURIComponent(dag)}/details`);
  } catch (error) {
    if (!(error instanceof AirflowError)) throw error;
    byId("loading").hidden = true;
    const why = error.status === 404 ? `Airflow knows no DAG ${dag}: see its import errors.` : error.message;
    notify("bad", `The restore form cannot be shown. ${why}`);
    return;
  }
  const given = new URLSearchParams(location.search);
  const fields = Object.entries(details.params ?? {}).map(
    ([name, param]) => new Field(name, param, given.get(name)),
  );
  byId("fields").replaceChildren(...renderFields(fields));
  byId("paused").hidden = !details.is_paused;
  offerPoints(fields.find((field) => field.name === "point"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(dag, fields);
  });
  byId("loading").hidden = true;
  form.hidden = false;
}

/** The points that the page knows, as buttons that fill in the field. */
function offerPoints(field) {
  const picks = byId("picks");
  if (!picks || !field) return;
  const buttons = [...picks.querySelectorAll("[data-point]")];
  const show = () => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.point === field.control.value.trim()));
    }
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      field.put(button.dataset.point);
      show();
    });
  }
  field.control.addEventListener("input", show);
  show();
  picks.hidden = false;
}

async function start(dag, fields) {
  const conf = read(fields);
  if (!conf) return;
  byId("go").disabled = true;
  try {
    if (!byId("paused").hidden && byId("unpause").checked) await unpause(dag);
    const run = await startRun(dag, conf);
    openInAirflow(runPage(dag, run.dag_run_id));
  } catch (error) {
    if (!(error instanceof AirflowError)) throw error;
    complain(`No restore was started. ${error.message}`);
    byId("go").disabled = false;
  }
}

/** The run's conf, or null with the first wrong field named and focused. */
function read(fields) {
  byId("error").hidden = true;
  const conf = {};
  let wrong = null;
  for (const field of fields) {
    field.control.removeAttribute("aria-invalid");
    try {
      conf[field.name] = field.read();
    } catch (error) {
      field.control.setAttribute("aria-invalid", "true");
      wrong ??= { field, error };
    }
  }
  if (!wrong) return conf;
  complain(wrong.error.message);
  wrong.field.control.focus();
  return null;
}

function complain(words) {
  byId("error").textContent = words;
  byId("error").hidden = false;
}

if (form) build();
