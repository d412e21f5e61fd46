// The data of the page, and small helpers. All text becomes text nodes: nothing from the data is parsed as HTML.
const DATA = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function bytes(base64) {
  const text = atob(base64), found = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
  return found;
}
const floats = (base64) => new Float32Array(bytes(base64).buffer);

// A column: for fields, facts and the status `codes` into `levels`; for measures `values`. Both are unpacked on first use.
class Column {
  constructor(packed) {
    Object.assign(this, packed);
    this.isMeasure = packed.kind === "measure";
    this.packed = packed;
  }
  get codes() {
    const data = bytes(this.packed.codes).buffer;
    const codes = this.wide ? new Uint32Array(data) : new Uint16Array(data);
    Object.defineProperty(this, "codes", { value: codes });
    return codes;
  }
  get values() {
    const values = this.isMeasure ? floats(this.packed.values) : Float32Array.from(this.codes);
    Object.defineProperty(this, "values", { value: values });
    return values;
  }
  text(row) {
    return this.isMeasure ? number(this.values[row], this.truth) : this.levels[this.codes[row]];
  }
}

const COLUMNS = DATA.columns.map(({ codes, values, ...rest }) => {
  const column = new Column(rest);
  column.packed = { codes, values };
  return column;
});
const NAMED = new Map(COLUMNS.map((column) => [column.name, column]));
const STATUS = NAMED.get("status");
const FIELDS = COLUMNS.filter((column) => column.kind === "field");
const VARYING = FIELDS.filter((column) => column.levels.length > 1 && !column.follows);
const MEASURES = COLUMNS.filter((column) => column.isMeasure);
const FINISHED = STATUS.levels.indexOf("finished");

function number(value, truth = false) {
  if (Number.isNaN(value)) return "–";
  if (truth && (value === 0 || value === 1)) return value ? "yes" : "no";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value)) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size >= 0.001 && size < 1e5 ? value.toFixed(size < 0.1 ? 4 : size < 100 ? 3 : 1) : value.toPrecision(3);
  return text.replace("-", "−");
}

function withUnits(column) {
  return column.units ? `${column.label} (${column.units})` : column.label;
}

function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.startsWith("aria")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function options(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, text]) => el("option", { value, textContent: text })));
  select.value = chosen;
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

// The settings in which a network differs from others, in words.
function named(row) {
  const told = VARYING.length ? VARYING : FIELDS.filter((column) => ["task", "condition", "model", "n_hidden", "seed"].includes(column.name));
  return told.map((column) => (column.numbers ? `${column.label} = ${column.text(row)}` : column.text(row))).join(", ");
}
