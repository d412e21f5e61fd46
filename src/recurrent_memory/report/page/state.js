// What is shown is in the part of the address behind #, so that going back, reloading and bookmarks work.
const DEFAULTS = {
  view: DATA.n === 1 ? "network" : "networks", id: "", among: "", q: "", sort: "", down: "", page: "0", cols: DATA.shown.join(","),
  range: "", low: "", high: "", measure: "", x: "", y: "", kind: "", solved: "", curve: "", by: "", log: "", theme: "",
};
let state = read();

function read() {
  const found = { ...DEFAULTS };
  for (const [name, value] of new URLSearchParams(location.hash.slice(1)))
    if (name in DEFAULTS || name.startsWith("f.")) found[name] = value;
  return found;
}

function address(changes = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...state, ...changes }))
    if (value !== (DEFAULTS[name] ?? "")) words.set(name, value);
  return `#${words}`;
}

// Change what is shown. A new view is a step in the history; a filter or a sort is not.
function show(changes, isStep = false) {
  const to = address(changes);
  if (isStep) history.pushState(null, "", to);
  else history.replaceState(null, "", to);
  state = read();
  render();
}

// The network that an address names, or null if there is none of this number; networks count from 1.
function rowOf(id) {
  const row = Number(id) - 1;
  return Number.isInteger(row) && row >= 0 && row < DATA.n ? row : null;
}

let chosen = { key: null, rows: [] };
const haystack = new Map();

function searchable(row) {
  if (!haystack.has(row)) {
    const words = [DATA.identity[row] ?? "", STATUS.text(row)];
    for (const column of FIELDS) words.push(column.text(row));
    haystack.set(row, words.join(" ").toLowerCase());
  }
  return haystack.get(row);
}

// What can stand before a sign in the search: the names and the labels of columns, without blanks. Of columns that are
// called the same, the name of a variable comes first, and then the first column.
const SEARCHED = new Map();
for (const called of [(column) => column.name, (column) => column.label, withUnits])
  for (const column of COLUMNS) {
    const word = called(column).toLowerCase().replaceAll(/\s+/g, "_");
    if (!SEARCHED.has(word)) SEARCHED.set(word, column);
  }

const SIGNS = { "≤": "<=", "≥": ">=", "==": "=" };
const COMPARE = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b };

// The parts of a search, each a function that says whether a network has it: a condition such as λ0>0.9, or a word.
function searches(text) {
  const lower = text.toLowerCase();
  const joined = lower.replaceAll(/\s*(<=|>=|!=|==|=|<|>|≤|≥)\s*/g, (sign, only, at) =>
    SEARCHED.has(lower.slice(0, at).split(/\s+/).at(-1)) ? only : sign);
  return joined.match(/[^\s=<>≤≥!]+(?:<=|>=|!=|==|=|<|>|≤|≥)(?:"[^"]*"|\S+)|\S+/g)?.map(search) ?? [];
}

function search(word) {
  const parts = word.match(/^([^=<>≤≥!]+)(<=|>=|!=|==|=|<|>|≤|≥)(.+)$/), column = parts && SEARCHED.get(parts[1]);
  if (!column) return (row) => searchable(row).includes(word);
  const sign = SIGNS[parts[2]] ?? parts[2], given = parts[3].replace(/^"(.*)"$/, "$1"), wanted = Number(given.replace("−", "-"));
  const isNumber = given.trim() !== "" && !Number.isNaN(wanted) && (column.isMeasure || column.numbers);
  // Measures are in single precision, and shown with four digits at least.
  const same = isNumber
    ? (row) => Math.abs(column.number(row) - wanted) <= (column.isMeasure ? 1e-6 : 1e-9) * Math.max(Math.abs(wanted), 1e-30)
    : (row) => column.text(row).toLowerCase() === given;
  if (sign === "=") return same;
  if (sign === "!=") return (row) => !same(row);
  return isNumber ? (row) => COMPARE[sign](column.number(row), wanted) : () => false;
}

// Numbers of the networks that all filters let through, in the order of the data.
function filtered() {
  const filters = Object.entries(state).filter(([name, value]) => name.startsWith("f.") && value !== "");
  const key = JSON.stringify([filters, state.q, state.range, state.low, state.high]);
  if (key === chosen.key) return chosen.rows;
  const tests = [];
  for (const [name, value] of filters) {
    const column = NAMED.get(name.slice(2)), code = column ? column.levels.indexOf(value) : -1;
    if (column && !column.isMeasure) tests.push((row) => column.codes[row] === code);
  }
  const ranged = NAMED.get(state.range);
  if (ranged?.isMeasure) {
    if (state.low !== "") tests.push((row) => ranged.values[row] >= Number(state.low));
    if (state.high !== "") tests.push((row) => ranged.values[row] <= Number(state.high));
  }
  tests.push(...searches(state.q));
  const rows = [];
  for (let row = 0; row < DATA.n; row++) if (tests.every((test) => test(row))) rows.push(row);
  chosen = { key, rows };
  return rows;
}

const spelled = (column) => (SEARCHED.get(column.label.toLowerCase()) === column && !/\s/.test(column.label) ? column.label : column.name);
const MOST_CHOICES = 60;

function buildFilters() {
  const place = byId("filter-fields");
  for (const column of [STATUS, ...VARYING]) {
    if (column.levels.length < 2 || column.levels.length > MOST_CHOICES) continue;
    const select = el("select", { id: `f-${column.name}`, onchange: () => show({ [`f.${column.name}`]: select.value, page: "0" }) });
    options(select, [["", "any"], ...column.levels.map((level) => [level, level])], "");
    place.append(el("label", { title: column.title ?? "" }, column.label, select));
  }
  if (MEASURES.length) {
    const range = el("select", { id: "range", onchange: () => show({ range: range.value, page: "0" }) });
    options(range, [["", "any"], ...MEASURES.map((column) => [column.name, withUnits(column)])], "");
    const bound = (id, text) => {
      const input = el("input", { id, type: "number", step: "any", oninput: () => show({ [id]: input.value, page: "0" }) });
      return el("label", {}, text, input);
    };
    place.append(el("label", {}, "Measure between", range), bound("low", "lowest"), bound("high", "highest"));
  }
  const [number, word] = [VARYING.find((column) => column.numbers), VARYING.find((column) => !column.numbers)];
  const examples = [word && short(word.levels[0]).split(/\s/)[0], number && `${spelled(number)}=${number.levels[0]}`, number && `${spelled(number)}>${number.levels[0]}`];
  byId("q").placeholder = `such as ${examples.filter(Boolean).join(" ") || "finished"}`;
  byId("more-filters").open = matchMedia("(min-width: 40rem)").matches;
  byId("q").addEventListener("input", () => show({ q: byId("q").value, page: "0" }));
  byId("clear").addEventListener("click", () => {
    const none = Object.keys(state).filter((name) => name.startsWith("f.")).map((name) => [name, ""]);
    show({ ...Object.fromEntries(none), q: "", range: "", low: "", high: "", page: "0" });
  });
}

function renderFilters() {
  for (const column of [STATUS, ...VARYING]) {
    const select = byId(`f-${column.name}`);
    if (select) select.value = state[`f.${column.name}`] ?? "";
  }
  for (const id of ["q", "range", "low", "high"])
    if (byId(id) && byId(id).value !== state[id]) byId(id).value = state[id];
  for (const id of ["low", "high"]) if (byId(id)) byId(id).disabled = !state.range;
  const all = [...VARYING, ...MEASURES.slice(0, 2)].map(spelled), some = all.slice(0, 8).join(", ");
  byId("no-match").hidden = filtered().length > 0 || DATA.n === 0;
  byId("no-match").textContent =
    `No network passes the filters. The search takes words of the table, and conditions with =, !=, <, >, <= or >=, such as ${spelled(MEASURES[0] ?? STATUS)}${MEASURES.length ? "<0.5" : "=finished"}; all must hold. Before the sign: ${some}${all.length > 8 ? ", …" : ""}, or any other heading, with _ for blanks.`;
  byId("count").textContent = `${filtered().length} of ${DATA.n} network${DATA.n === 1 ? "" : "s"}.`;
}
