// One form field for each param of a DAG, from its JSON schema as Airflow's API tells it: the DAG
// is the only place that says what a restore can be asked for.

let serial = 0;

/** The field of one param. `read()` returns its value or throws Error with words for the person. */
export class Field {
  constructor(name, param, given) {
    this.name = name;
    this.schema = param.schema ?? {};
    this.types = [this.schema.type ?? "string"].flat();
    this.label = this.schema.title ?? name;
    this.help = param.description ?? this.schema.description ?? "";
    this.section = this.schema.section ?? "";
    this.fixed = "const" in this.schema;
    this.id = `field-${(serial += 1)}`;
    this.control = this.make();
    this.control.id = this.id;
    this.control.name = name;
    this.put(given === null ? param.value : this.parse(given));
  }

  get nullable() {
    return this.types.includes("null");
  }

  is(type) {
    return this.types.includes(type);
  }

  get lines() {
    return this.is("array") && (this.schema.items?.type ?? "string") === "string";
  }

  get json() {
    return this.is("object") || (this.is("array") && !this.lines);
  }

  get numeric() {
    return this.is("integer") || this.is("number");
  }

  make() {
    if (this.schema.enum) return this.makeSelect();
    if (this.is("boolean")) return element("input", { type: "checkbox" });
    if (this.json || this.lines || this.schema.format === "multiline") {
      return element("textarea", { rows: 2, spellcheck: false });
    }
    if (this.numeric) return this.makeNumber();
    return this.makeText();
  }

  makeSelect() {
    const words = this.schema.values_display ?? {};
    const select = element("select");
    if (this.nullable) select.append(new Option("(none)", ""));
    for (const value of this.schema.enum) {
      if (value !== null) select.append(new Option(words[value] ?? value, String(value)));
    }
    return select;
  }

  makeNumber() {
    const { minimum, maximum } = this.schema;
    const input = element("input", { type: "number", step: this.is("number") ? "any" : "1" });
    if (minimum !== undefined) input.min = minimum;
    if (maximum !== undefined) input.max = maximum;
    return input;
  }

  makeText() {
    const moment = this.schema.format === "date-time";
    const input = element("input", { type: "text", autocomplete: "off", spellcheck: false });
    if (moment) input.placeholder = "2026-11-22T23:00:00Z";
    if (this.schema.examples) {
      this.proposals = element("datalist", { id: `${this.id}-list` });
      this.proposals.append(...this.schema.examples.map((value) => new Option(value)));
      input.setAttribute("list", this.proposals.id);
    }
    return input;
  }

  /** A value from the page's address. */
  parse(text) {
    if (this.is("boolean")) return text === "true";
    if (this.lines) return text ? text.split(",") : [];
    if (!this.json) return text;
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }

  put(value) {
    if (this.control.type === "checkbox") this.control.checked = Boolean(value);
    else if (this.json) this.control.value = value == null ? "" : JSON.stringify(value, null, 1);
    else if (this.lines) this.control.value = (value ?? []).join("\n");
    else this.control.value = value ?? "";
  }

  read() {
    if (this.fixed) return this.schema.const;
    if (this.control.type === "checkbox") return this.control.checked;
    const text = this.control.value.trim();
    if (this.lines) return this.readLines(text);
    if (!text) return this.readEmpty();
    if (this.json) return this.readJson(text);
    if (this.numeric) return this.readNumber(text);
    return this.readWord(text);
  }

  readLines(text) {
    return text.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  readEmpty() {
    if (this.nullable) return null;
    if (this.is("object")) return {};
    if (this.is("string") && !this.schema.minLength && !this.schema.enum) return "";
    throw new Error(`${this.label} is needed.`);
  }

  readJson(text) {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Error(`${this.label} is not valid JSON: ${error.message}.`, { cause: error });
    }
  }

  readNumber(text) {
    if (!this.control.validity.valid) {
      throw new Error(`${this.label}: ${this.control.validationMessage}`);
    }
    return Number(text);
  }

  readWord(text) {
    if (!this.schema.enum) return text;
    return this.schema.enum.find((value) => String(value) === text);
  }

  /** The control with its label and help. */
  render() {
    const box = element("div", { className: this.control.type === "checkbox" ? "row check" : "row" });
    const label = element("label", { htmlFor: this.id, textContent: this.label });
    box.append(...(this.control.type === "checkbox" ? [this.control, label] : [label, this.control]));
    if (this.proposals) box.append(this.proposals);
        const help = element("p", { className: "muted", id: `${this.id}-help` });
    help.append(...withCode(this.help));
    if (help.textContent) {
      box.append(help);
      this.control.setAttribute("aria-describedby", help.id);
    }
    return box;
  }
}

/** All fields, those of a section under its heading, in the DAG's own order. */
export function renderFields(fields) {
  const sections = new Map();
  for (const field of fields) {
    if (field.fixed) continue;
    if (!sections.has(field.section)) sections.set(field.section, []);
    sections.get(field.section).push(field.render());
  }
  return [...sections].map(([title, boxes]) => {
    const set = element("fieldset");
    if (title) set.append(element("legend", { textContent: title }));
    set.append(...boxes);
    return set;
  });
}

/** Text whose `quoted` parts are code; descriptions of params are Markdown. */
function withCode(text) {
  const made = text.split("`").map((part, index) => (index % 2 ? element("code", { textContent: part }) : part));
  return made.filter((part) => part !== "");
}

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
