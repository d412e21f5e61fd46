// Maps of a measure over two fields, a panel for each task and condition.
const MOST_PANELS = 64;
const PANELS = ["task", "condition"].map((name) => NAMED.get(name)).filter((column) => column && column.levels.length > 1);
const AXES = VARYING.filter((column) => !PANELS.includes(column) && column.levels.length <= 200);

function mapChoice() {
  const numeric = AXES.filter((column) => column.numbers && column.name !== "seed");
  const rest = [...numeric, ...AXES.filter((column) => !numeric.includes(column))];
  const x = NAMED.get(state.x) ?? rest[0] ?? FIELDS[0];
  const y = state.y === "none" ? null : NAMED.get(state.y) ?? rest.find((column) => column !== x && column.name !== "seed") ?? null;
  const first = ["sequentiality_index", "fractional_loss"].map((name) => NAMED.get(name)).find(Boolean);
  const measure = NAMED.get(state.measure)?.isMeasure ? NAMED.get(state.measure) : first ?? MEASURES[0];
  return { x, y: y === x ? null : y, measure };
}

// Kinds of networks: what they are besides the axes and the panels of a map. Networks of several kinds have no common mean.
const MOST_KINDS = 200;

// A number of which every value has as many networks was swept over all others, so that means over it are alike.
const isSwept = (column) => {
  const counts = new Array(column.levels.length).fill(0);
  for (const code of column.codes) counts[code] += 1;
  return Boolean(column.numbers) && new Set(counts).size === 1;
};
const OF_KIND = VARYING.filter((column) => !PANELS.includes(column) && !["seed", "file"].includes(column.name) && !isSwept(column));

function kindsOf(rows, x, y) {
  const columns = OF_KIND.filter((column) => column !== x && column !== y);
  const found = new Map();
  for (const row of rows) {
    const key = columns.map((column) => column.codes[row]).join(" ");
    if (!found.has(key)) found.set(key, { name: kindName(columns, row), rows: [] });
    found.get(key).rows.push(row);
  }
  return [...found.values()].sort((a, b) => b.rows.length - a.rows.length);
}

function kindName(columns, row) {
  const word = (column) => (column.numbers || ["none", "yes", "no"].includes(column.text(row)) ? `${column.label} = ${column.text(row)}` : column.text(row));
  const told = columns.filter((column) => column.numbers || !["", "none"].includes(column.text(row)));
  return (told.length ? told : columns).map(word).join(", ");
}

function renderMaps() {
  const { x, y, measure } = mapChoice(), place = byId("panels");
  options(byId("measure"), MEASURES.map((column) => [column.name, withUnits(column)]), measure?.name);
  const choices = FIELDS.filter((column) => AXES.includes(column) || column === x).map((column) => [column.name, column.label]);
  options(byId("x"), choices, x?.name);
  options(byId("y"), [["none", "none"], ...choices], y ? y.name : "none");
  byId("solved").value = state.solved;
  place.replaceChildren();
  byId("legend").replaceChildren();
  if (!measure || !x) {
    byId("map-note").textContent = "There is no measure or no field to draw a map of.";
    return;
  }
  const solved = NAMED.get("solved"), solvedOnly = solved && (state.solved === "solved" || (!state.solved && measure.activity));
  const rows = filtered(), kinds = kindsOf(rows, x, y), together = state.kind === "all" || kinds.length < 2;
  const kind = together ? null : kinds.find((one) => one.name === state.kind) ?? kinds[0];
  byId("kinds").hidden = kinds.length < 2;
  options(byId("kind"), [["all", "all kinds together"], ...kinds.slice(0, MOST_KINDS).map((one) => [one.name, `${one.name} (${one.rows.length})`])], kind?.name ?? "all");
  const made = panelsOf(kind?.rows ?? rows, x, y, measure, solvedOnly ? solved : null), all = made.filter((panel) => panel.cells.some((cell) => cell.n));
  const panels = all.slice(0, MOST_PANELS), empty = made.filter((panel) => !all.includes(panel));
  const means = panels.flatMap((panel) => panel.cells.map((cell) => cell.mean)).filter(Number.isFinite);
  const range = measure.truth ? [0, 1] : [Math.min(...means), Math.max(...means)];
  byId("map-note").textContent = [
    `Each cell is the mean over the finished networks that pass the filters${solvedOnly ? " and have solved their task" : ""}`,
    `${averaged(x, y, together)}. Networks without a finite value are left out. A click on a cell opens its networks. `,
    kind ? `Networks of one kind are shown, ${kind.rows.length} of ${rows.length}: ${kind.name}. ` : "",
    empty.length && all.length ? `Panels without any value are left out: ${empty.slice(0, 10).map((panel) => `${panel.name} (${why(panel.cells)})`).join("; ")}${empty.length > 10 ? "; …" : ""}. ` : "",
    all.length > MOST_PANELS ? `The first ${MOST_PANELS} of ${all.length} panels are shown.` : "",
  ].join("");
  if (means.length) byId("legend").append(...legend(measure, range));
  else byId("map-note").textContent += ` No such network has this measure${empty.length ? `: ${why(empty.flatMap((panel) => panel.cells))}` : ""}.`;
  for (const panel of panels) place.append(panelElement(panel, x, y, measure, range));
}

function averaged(x, y, together) {
  const others = VARYING.filter((column) => column !== x && column !== y && !PANELS.includes(column) && (together || !OF_KIND.includes(column))).map((column) => column.label);
  return others.length ? `; they may differ in ${others.slice(0, 8).join(", ")}${others.length > 8 ? ", …" : ""}` : "";
}

function legend(measure, range) {
  const bar = el("span", { className: "bar", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${VIRIDIS.join(",")})`;
  const [low, high] = range.map((value) => number(value)), one = low === high;
  // A single value has no scale; its cells have the first colour.
  if (one) Object.assign(bar.style, { background: VIRIDIS[0], width: "1.5rem" });
  return [
    el("span", { textContent: `${withUnits(measure)}:` }), one ? null : el("span", { textContent: low }), bar, el("span", { textContent: one ? `${low} everywhere` : high }),
    el("span", { className: "gap", "aria-hidden": "true" }), el("span", { textContent: "no value (pointing at a cell, or the table below it, says why)" }),
  ].filter(Boolean);
}

// Why cells have no value, or which networks are not in their mean.
function why(cells) {
  const counts = new Map();
  for (const cell of cells) for (const [reason, n] of cell.without) counts.set(reason, (counts.get(reason) ?? 0) + n);
  return counts.size ? [...counts].map(([reason, n]) => `${n} ${reason}`).join(", ") : "no network";
}

function withoutValue(row, value, solved) {
  if (STATUS.codes[row] !== FINISHED) return STATUS.text(row) === "left" ? "not trained yet" : STATUS.text(row);
  if (solved && solved.values[row] !== 1) return "not solved";
  return Number.isFinite(value) ? null : "not measured or not finite";
}

function panelsOf(rows, x, y, measure, solved) {
  const found = new Map(), width = x.levels.length;
  for (const row of rows) {
    const key = PANELS.map((column) => column.codes[row]).join(" ");
    if (!found.has(key)) {
      const name = PANELS.map((column) => column.text(row)).join(", ");
      const cells = Array.from({ length: width * (y ? y.levels.length : 1) }, () => ({ rows: [], n: 0, sum: 0, mean: NaN, without: new Map() }));
      found.set(key, { name, cells, order: PANELS.map((column) => column.codes[row]) });
    }
    const cell = found.get(key).cells[x.codes[row] + width * (y ? y.codes[row] : 0)];
    const value = measure.values[row], reason = withoutValue(row, value, solved);
    if (reason) cell.without.set(reason, (cell.without.get(reason) ?? 0) + 1);
    else {
      cell.rows.push(row);
      cell.sum += value;
      cell.mean = cell.sum / ++cell.n;
    }
  }
  const order = (a, b) => a.order.map((code, i) => code - b.order[i]).find((difference) => difference) ?? 0;
  return [...found.values()].sort(order);
}

function panelElement(panel, x, y, measure, range) {
  const plot = el("div", { className: "plot" }), name = panel.name || "all networks";
  drawOnSight(plot, () => drawMap(plot, panel, x, y, measure, range));
  const table = el("details", {}, el("summary", { textContent: "Cells as a table" }));
  table.addEventListener("toggle", () => table.open && table.children.length < 2 && table.append(cellTable(panel, x, y, measure)));
  return el("div", { className: "panel" }, el("h3", { textContent: name }), plot, table);
}

function drawMap(plot, panel, x, y, measure, range) {
  const width = x.levels.length, rows = y ? y.levels.length : 1;
  const grid = (what) => Array.from({ length: rows }, (_, j) => Array.from({ length: width }, (_, i) => what(panel.cells[i + width * j], i, j)));
  const hover = (cell, i, j) => lines([
    measure.label, ...(cell.n ? [`${number(cell.mean, measure.truth)} over ${cell.n} network${cell.n === 1 ? "" : "s"}`] : []),
    ...(!cell.n ? [cell.without.size ? `no value: ${why([cell])}` : "no network"] : cell.without.size ? [`besides: ${why([cell])}`] : []),
    `${x.label} = ${x.levels[i]}`, ...(y ? [`${y.label} = ${y.levels[j]}`] : []),
  ]);
  const axis = (column) => ({
    tickmode: "array", tickvals: ticks(column.levels.length), ticktext: ticks(column.levels.length).map((i) => plain(short(column.levels[i]))),
    range: [-0.5, column.levels.length - 0.5], showgrid: false, zeroline: false, fixedrange: true,
  });
  const its = layout(x.label, y ? y.label : "", {
    dragmode: false, plot_bgcolor: color("gap"), xaxis: axis(x), yaxis: y ? axis(y) : { visible: false, fixedrange: true },
  });
  const trace = {
    type: "heatmap", z: grid((cell) => (cell.n ? cell.mean : null)), text: grid(hover), hoverinfo: "text", zmin: range[0], zmax: range[1],
    colorscale: SCALE, showscale: false, xgap: 1, ygap: 1, hoverongaps: true,
  };
  draw(plot, [trace], its, `Map of ${measure.label}, ${panel.name || "all networks"}; the table below has the same cells`);
  plot.on("plotly_click", (event) => {
    const [j, i] = event.points[0].pointIndex ?? event.points[0].pointNumber, cell = panel.cells[i + width * j];
    if (cell.rows.length) open(cell.rows[0], cell.rows);
  });
}

function ticks(n) {
  const step = Math.ceil(n / 8);
  return Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);
}

function cellTable(panel, x, y, measure) {
  const width = x.levels.length, rows = y ? y.levels.length : 1;
  const head = el("tr", {}, el("th", { scope: "col", textContent: y ? `${y.label} \\ ${x.label}` : x.label }),
    ...x.levels.map((level) => el("th", { scope: "col", textContent: level })));
  const body = Array.from({ length: rows }, (_, j) => el("tr", {},
    el("th", { scope: "row", textContent: y ? y.levels[j] : measure.label }),
    ...x.levels.map((level, i) => {
      const cell = panel.cells[i + width * j];
      if (!cell.n) return el("td", { textContent: why([cell]) });
      const title = `${cell.n} network${cell.n === 1 ? "" : "s"}`;
      return el("td", {}, el("button", { type: "button", textContent: number(cell.mean), title, onclick: () => open(cell.rows[0], cell.rows) }));
    })));
  const label = `Cells of the map, ${panel.name || "all networks"}`;
  return el("div", { className: "scroll", role: "region", tabIndex: 0, "aria-label": label },
    el("table", { className: "cells" }, el("thead", {}, head), el("tbody", {}, ...body)));
}
