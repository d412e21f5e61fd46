// Learning curves of the networks that pass the filters: medians and quartiles of groups.
const CURVES = DATA.curves.map((curve) => ({ ...curve, x: floats(curve.x), y: floats(curve.y) }));
const MOST_GROUPS = 12, MOST_SINGLE = 60;

function curveOf(curve, row) {
  return curve.y.subarray(row * curve.bins, (row + 1) * curve.bins);
}

function renderCurves() {
  const curve = CURVES.find((one) => one.name === state.curve) ?? CURVES[0];
  const choices = VARYING.filter((column) => column.levels.length <= 100);
  const by = state.by === "none" ? null : NAMED.get(state.by) ?? NAMED.get(PANELS[0]?.name) ?? choices[0] ?? null;
  options(byId("curve"), CURVES.map((one) => [one.name, one.label]), curve.name);
  options(byId("by"), [["none", "all networks"], ...choices.map((column) => [column.name, column.label])], by ? by.name : "none");
  byId("log").checked = Boolean(state.log);
  const rows = filtered().filter((row) => curveOf(curve, row).some((value) => !Number.isNaN(value)));
  const groups = new Map();
  for (const row of rows) {
    const code = by ? by.codes[row] : 0;
    if (!groups.has(code)) groups.set(code, []);
    groups.get(code).push(row);
  }
  const all = [...groups.entries()].sort((a, b) => a[0] - b[0]), some = all.slice(0, MOST_GROUPS);
  const singles = rows.length <= MOST_SINGLE;
  byId("curve-note").textContent =
    `${rows.length} network${rows.length === 1 ? "" : "s"} with this curve. ` +
    (rows.length ? `Lines are medians, bands reach from the first to the third quartile${singles ? ", thin lines are single networks" : ""}. ` : "") +
    (curve.perBin > 1 ? `Each point is the mean over ${curve.perBin} recorded values. ` : "") +
    (all.length > some.length ? `The first ${MOST_GROUPS} of ${all.length} groups are shown.` : "");
  const summaries = some.map(([code, of]) => ({ name: by ? `${by.label} ${by.levels[code]}` : "all networks", of, ...quartiles(curve, of) }));
  const traces = summaries.flatMap((group, i) => groupTraces(curve, group, i, singles));
  draw(byId("curve-plot"), traces, layout("iteration", curve.label, {
    showlegend: some.length > 1, hovermode: "x", yaxis: { type: state.log ? "log" : "linear" }, margin: { l: 55, r: 15, t: 10, b: 45 },
  }), `Learning curves: ${curve.label}; the table below has the end of training`);
  curveTable(curve, summaries);
}

function quartiles(curve, rows) {
  const found = { low: [], middle: [], high: [] };
  for (let bin = 0; bin < curve.bins; bin++) {
    const values = [];
    for (const row of rows) {
      const value = curve.y[row * curve.bins + bin];
      if (!Number.isNaN(value)) values.push(value);
    }
    values.sort((a, b) => a - b);
    found.low.push(values.length ? quantile(values, 0.25) : null);
    found.middle.push(values.length ? quantile(values, 0.5) : null);
    found.high.push(values.length ? quantile(values, 0.75) : null);
  }
  return found;
}

function groupTraces(curve, group, i, singles) {
  const line = { color: color(`c${i % 6}`), dash: DASHES[i % DASHES.length], width: 2.5 };
  const x = Array.from(curve.x), traces = [];
  if (singles && group.of.length > 1)
    for (const row of group.of)
      traces.push({ type: "scatter", mode: "lines", x, y: Array.from(curveOf(curve, row)), line: { color: line.color, width: 0.7 }, opacity: 0.5, hoverinfo: "skip", showlegend: false });
  if (group.of.length > 1) {
    traces.push({ type: "scatter", mode: "lines", x, y: group.low, line: { width: 0 }, hoverinfo: "skip", showlegend: false });
    traces.push({ type: "scatter", mode: "lines", x, y: group.high, line: { width: 0 }, fill: "tonexty", fillcolor: `${line.color}33`, hoverinfo: "skip", showlegend: false });
  }
  traces.push({ type: "scatter", mode: "lines", x, y: group.middle, line, name: plain(group.name) });
  return traces;
}

function curveTable(curve, groups) {
  const last = (values) => number(values.findLast((value) => value !== null) ?? NaN);
  const cells = (group) => [group.of.length, last(group.low), last(group.middle), last(group.high)];
  byId("curve-table").replaceChildren(sheet("Table of the end of training", ["group", "networks", "first quartile", "median", "third quartile"],
    groups.map((group) => [group.name, ...cells(group)]), { cards: true, hasCaption: false }));
}
