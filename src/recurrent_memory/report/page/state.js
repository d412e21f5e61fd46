// What is shown is in the part of the address behind #, so that going back, reloading and bookmarks work.
const DEFAULTS = {
  view: DATA.n === 1 ? "network" : "networks", id: "", among: "", q: "", sort: "", down: "", page: "0", cols: DATA.shown.join(","),
  range: "", low: "", high: "", measure: "", x: "", y: "", solved: "", curve: "", by: "", log: "", theme: "",
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

let chosen = { key: null, rows: [] };
const haystack = new Map();

function searchable(row) {
  if (!haystack.has(row)) {
    const words = [DATA.identity[row] ?? "", STATUS.text(row)];
    for (const column of FIELDS) words.push(column.text(row), `${column.name}=${column.text(row)}`);
    haystack.set(row, words.join(" ").toLowerCase());
  }
  return haystack.get(row);
}

// Numbers of the networks that all filters let through, in the order of the data.
function filtered() {
  const filters = Object.entries(state).filter(([name, value]) => name.startsWith("f.") && value !== "");
  const key = JSON.stringify([filters, state.q, state.range, state.low, state.high]);
  if (key === chosen.key) return chosen.rows;
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
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
  const found = (text, word) => word.includes("=") ? ` ${text} `.includes(` ${word} `) : text.includes(word);
  if (words.length) tests.push((row) => words.every((word) => found(searchable(row), word)));
  const rows = [];
  for (let row = 0; row < DATA.n; row++) if (tests.every((test) => test(row))) rows.push(row);
  chosen = { key, rows };
  return rows;
}

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
  byId("count").textContent = `${filtered().length} of ${DATA.n} network${DATA.n === 1 ? "" : "s"}.`;
}
