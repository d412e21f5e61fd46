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
  // The number that a text stands for, NaN if it is none.
  number(row) {
    return this.isMeasure ? this.values[row] : this.numbers?.[this.codes[row]] ?? NaN;
  }
  // The unit of a measure in a row, which may depend on the task.
  unit(row) {
    return this.units || (this.unitsBy?.[NAMED.get("task")?.text(row)] ?? "");
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

// The ways to compute a measure.
const WAYS = { paper: "published", misaligned: "misaligned", exact: "exact", exact_causal: "exact causal" };

function waysExplained() {
  const said = {
    paper: "computed as in the published code; the names of its measures have no such word",
    misaligned: "for CD-1 alone: the number that the published script prints, from pairs of different batches",
    exact: "the quantity that the published computation stands for",
    exact_causal: "besides, the ideal observer sees only the steps up to the one at which the network's answer is read",
  };
  const has = Object.keys(WAYS).filter((way) => MEASURES.some((column) => column.variant === way));
  return el("dl", { className: "quiet" }, ...has.flatMap((way) => [el("dt", { textContent: WAYS[way] }), el("dd", { textContent: said[way] })]));
}

function number(value, truth = false) {
  if (Number.isNaN(value)) return "–";
  if (truth && (value === 0 || value === 1)) return value ? "yes" : "no";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value)) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size >= 0.001 && size < 1e5 ? value.toFixed(size < 0.1 ? 4 : size < 100 ? 3 : 1)
    : size >= 1e-4 && size < 1e5 ? value.toPrecision(3) : value.toExponential(2).replace("+", "");
  return text.replaceAll("-", "−");
}

const short = (text) => (text.length > 14 ? `${text.slice(0, 13)}…` : text);

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

// A table in words that screen readers keep where the style shows each row as a card.
// `head` are the texts of its columns; the first cell of each row is the row's name; cells are texts or elements.
function sheet(caption, head, rows, { cards = false, isNumber = (i) => i > 0, hasCaption = true } = {}) {
  const kind = (i) => (isNumber(i) ? "number" : "");
  const cell = (of, i) => el(i ? "td" : "th", {
    role: i ? "cell" : "rowheader", ...(i ? {} : { scope: "row" }), className: kind(i), ...(cards ? { "data-label": head[i] } : {}),
  }, el("span", {}, of));
  return el("div", { className: "scroll", role: "region", tabIndex: 0, "aria-label": caption },
    el("table", { role: "table", className: cards ? "sheet cards" : "sheet" },
      hasCaption ? el("caption", { textContent: caption }) : null,
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
        ...head.map((text, i) => el("th", { role: "columnheader", scope: "col", className: kind(i), textContent: text })))),
      el("tbody", { role: "rowgroup" }, ...rows.map((row) => el("tr", { role: "row" }, ...row.map(cell))))));
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
