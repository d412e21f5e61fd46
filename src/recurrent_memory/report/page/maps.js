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
  const all = panelsOf(x, y, measure, solvedOnly ? solved : null);
  const panels = all.slice(0, MOST_PANELS);
  const means = panels.flatMap((panel) => panel.cells.map((cell) => cell.mean)).filter(Number.isFinite);
  const range = measure.truth ? [0, 1] : [Math.min(...means), Math.max(...means)];
  byId("map-note").textContent = [
    `Each cell is the mean over the finished networks that pass the filters${solvedOnly ? " and have solved their task" : ""}`,
    `${averaged(x, y)}. Networks without a finite value are left out. A click on a cell opens its networks. `,
    all.length > MOST_PANELS ? `The first ${MOST_PANELS} of ${all.length} panels are shown.` : "",
  ].join("");
  if (means.length) byId("legend").append(...legend(measure, range));
  else byId("map-note").textContent += " No such network has this measure.";
  for (const panel of panels) place.append(panelElement(panel, x, y, measure, range));
}

function averaged(x, y) {
  const others = VARYING.filter((column) => column !== x && column !== y && !PANELS.includes(column)).map((column) => column.label);
  return others.length ? `; they may differ in ${others.slice(0, 8).join(", ")}${others.length > 8 ? ", …" : ""}` : "";
}

function legend(measure, range) {
  const bar = el("span", { className: "bar", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${VIRIDIS.join(",")})`;
  return [
    el("span", { textContent: `${withUnits(measure)}:` }), el("span", { textContent: number(range[0]) }), bar,
    el("span", { textContent: number(range[1]) }), el("span", { className: "gap", "aria-hidden": "true" }), el("span", { textContent: "no network" }),
  ];
}

function panelsOf(x, y, measure, solved) {
  const found = new Map(), width = x.levels.length;
  for (const row of filtered()) {
    const key = PANELS.map((column) => column.codes[row]).join(" ");
    if (!found.has(key)) {
      const name = PANELS.map((column) => column.text(row)).join(", ");
      const cells = Array.from({ length: width * (y ? y.levels.length : 1) }, () => ({ rows: [], n: 0, sum: 0, mean: NaN }));
      found.set(key, { name, cells, order: PANELS.map((column) => column.codes[row]) });
    }
    const cell = found.get(key).cells[x.codes[row] + width * (y ? y.codes[row] : 0)];
    const value = measure.values[row];
    if (STATUS.codes[row] === FINISHED && Number.isFinite(value) && (!solved || solved.values[row] === 1)) {
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
  const hover = (cell, i, j) => plain(
    `${measure.label} ${number(cell.mean)} over ${cell.n} network${cell.n === 1 ? "" : "s"}; ${x.label} = ${x.levels[i]}${y ? `, ${y.label} = ${y.levels[j]}` : ""}`);
  const axis = (column) => ({
    tickmode: "array", tickvals: ticks(column.levels.length), ticktext: ticks(column.levels.length).map((i) => plain(short(column.levels[i]))),
    range: [-0.5, column.levels.length - 0.5], showgrid: false, zeroline: false, fixedrange: true,
  });
  const its = layout(x.label, y ? y.label : "", {
    dragmode: false, plot_bgcolor: color("gap"), xaxis: axis(x), yaxis: y ? axis(y) : { visible: false, fixedrange: true },
  });
  const trace = {
    type: "heatmap", z: grid((cell) => (cell.n ? cell.mean : null)), text: grid(hover), hoverinfo: "text", zmin: range[0], zmax: range[1],
    colorscale: SCALE, showscale: false, xgap: 1, ygap: 1, hoverongaps: false,
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
const short = (text) => (text.length > 14 ? `${text.slice(0, 13)}…` : text);

function cellTable(panel, x, y, measure) {
  const width = x.levels.length, rows = y ? y.levels.length : 1;
  const head = el("tr", {}, el("th", { scope: "col", textContent: y ? `${y.label} \\ ${x.label}` : x.label }),
    ...x.levels.map((level) => el("th", { scope: "col", textContent: level })));
  const body = Array.from({ length: rows }, (_, j) => el("tr", {},
    el("th", { scope: "row", textContent: y ? y.levels[j] : measure.label }),
    ...x.levels.map((level, i) => {
      const cell = panel.cells[i + width * j];
      if (!cell.n) return el("td", { textContent: "–" });
      const title = `${cell.n} network${cell.n === 1 ? "" : "s"}`;
      return el("td", {}, el("button", { type: "button", textContent: number(cell.mean), title, onclick: () => open(cell.rows[0], cell.rows) }));
    })));
  const label = `Cells of the map, ${panel.name || "all networks"}`;
  return el("div", { className: "scroll", role: "region", tabIndex: 0, "aria-label": label },
    el("table", { className: "cells" }, el("thead", {}, head), el("tbody", {}, ...body)));
}
