// One network: its settings, measures, curves, activity, weights, index beside chance, and the command that makes it again.
function renderNetwork() {
  const row = state.id === "" ? (filtered()[0] ?? 0) : rowOf(state.id), place = byId("network");
  byId("network-controls").replaceChildren();
  place.replaceChildren();
  if (!DATA.n) return;
  if (row === null) {
    byId("h-network").textContent = "Single network";
    place.append(el("p", { textContent: `There is no network ${short(state.id)}: this report has ${DATA.n === 1 ? "number 1 alone" : `numbers 1 to ${DATA.n}`}.` }));
    return;
  }
  byId("h-network").textContent = `Network ${row + 1}: ${named(row)}`;
  byId("network-controls").append(...steps(row));
  const parts = [facts(row), command(row), el("div", { className: "pictures" }, ...pictures(row)), analysisTable(row), measuresTable(row)];
  place.replaceChildren(...parts.filter(Boolean));
}

// Links to the networks before and after, among those of the same cell or else those that the filters let through.
function steps(row) {
  const cell = state.among.split(".").map(rowOf).filter((one) => one !== null);
  const among = cell.includes(row) ? cell : sorted(filtered()), at = among.indexOf(row);
  const step = (text, to, id) => el("button", {
    type: "button", id, textContent: text, disabled: to === undefined,
    onclick: () => { show({ view: "network", id: String(to + 1) }); byId(id).disabled || byId(id).focus(); },
  });
  const total = `${among.length} network${among.length === 1 ? "" : "s"}`;
  const where = cell.includes(row) ? " of this cell" : among.length < DATA.n ? " that pass the filters" : "";
  return [
    step("Previous", at > 0 ? among[at - 1] : undefined, "before"),
    el("span", { textContent: at < 0 ? "not among the filtered networks" : `${at + 1} of ${total}${where}` }),
    step("Next", at >= 0 ? among[at + 1] : undefined, "after"),
    el("button", { type: "button", id: "back", textContent: "Back", onclick: () => history.length > 1 ? history.back() : show({ view: "networks" }, true) }),
  ];
}

function facts(row) {
  const list = el("dl"), add = (name, text) => list.append(el("dt", { textContent: name }), el("dd", { textContent: text }));
  add("status", STATUS.text(row));
  const failed = DATA.failures.find((one) => one.i === row);
  if (failed?.reason) add("reason", failed.reason);
  for (const column of VARYING) add(column.label, column.text(row));
  if (DATA.identity[row]) add("identity", DATA.identity[row]);
  const rest = el("dl"), more = COLUMNS.filter((column) => (column.kind === "field" && !VARYING.includes(column)) || column.kind === "fact");
  for (const column of more) if (column.text(row)) rest.append(el("dt", { textContent: column.label }), el("dd", { textContent: column.text(row) }));
  return el("div", {}, list, more.length ? el("details", {}, el("summary", { textContent: "All settings" }), rest) : null);
}

function command(row) {
  const text = DATA.commands[row];
  if (!text) return null;
  const button = el("button", { type: "button", textContent: "Copy" }), code = el("code", { textContent: text });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return el("div", {}, el("h3", { textContent: "Make it again" }), el("div", { className: "command" }, code, button));
}

function picture(title, note, size, how) {
  const plot = el("div", { className: `plot ${size}` });
  drawOnSight(plot, () => how(plot));
  return el("div", { className: "panel" }, el("h3", { textContent: title }), plot, note ? el("p", { className: "quiet", textContent: note }) : null);
}

function missing(title, reason) {
  return el("div", { className: "panel" }, el("h3", { textContent: title }), el("p", { className: "quiet", textContent: `Not shown: ${reason || "not known"}.` }));
}

function* pictures(row) {
  const its = DATA.details[row];
  for (const curve of CURVES) {
    const y = Array.from(curveOf(curve, row));
    if (y.every(Number.isNaN)) continue;
    const trace = { type: "scatter", mode: "lines", x: Array.from(curve.x), y, line: { color: color("c0"), width: 2 } };
    yield picture(`Learning: ${curve.label}`, curve.perBin > 1 ? `Each point is the mean over ${curve.perBin} recorded values.` : "", "",
      (plot) => draw(plot, [trace], layout("iteration", curve.label), `Learning curve: ${curve.label}`));
  }
  if (its && !its.n) {
    yield missing("Activity", `none of ${its.units} units is active`);
  } else if (its) {
    const rows = its.perRow > 1 ? ` Each row is the mean of ${its.perRow} units.` : "";
    yield picture("Activity", `${its.what[0].toUpperCase()}${its.what.slice(1)}; each unit is divided by its peak. ${its.active} of ${its.units} units ${its.active === 1 ? "is" : "are"} active.${rows}`, "", (plot) => heatmap(plot, its));
    if (!its.profile) yield missing("Weights by difference in peak order", its.noProfile);
    else
      yield picture("Weights by difference in peak order", `Mean recurrent weight, with its standard error. Forward minus backward: ${number(its.profile.forward ?? NaN)}.`, "", (plot) => profile(plot, its.profile));
  } else if (STATUS.codes[row] === FINISHED) {
    yield el("p", { textContent: "The report has no activity of this network. The command above makes it again, with its activity and pictures." });
  }
  const chance = its?.chance ?? kept(row);
  const note = chance?.note ?? (chance && `Published index of ${chance.trials} of the trials and of ${chance.null.length} surrogates (${chance.name}) of them; p = ${number(chance.p ?? NaN)} (the smallest possible with so few: ${number(1 / (chance.null.length + 1))}).`);
  if (!chance && its?.n) yield missing("Sequentiality index beside chance", its.noChance);
  if (chance) yield picture("Sequentiality index beside chance", note, "short", (plot) => besideChance(plot, chance));
}

function heatmap(plot, its) {
  const data = bytes(its.rows), width = its.time.length;
  const z = Array.from({ length: its.n }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width), (value) => value / 255));
  const trace = {
    type: "heatmap", z, x: its.time, colorscale: SCALE, zmin: 0, zmax: 1, hoverinfo: "x+y+z",
    colorbar: { thickness: 10, outlinewidth: 0, title: { text: "activity / peak", side: "right" } },
  };
  const line = (x, dash) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: "#ffffff", width: 1.5, dash } });
  const shapes = its.epochs.slice(1).map(([, start]) => line(start, "dash"));
  if (its.readout !== null) shapes.push(line(its.readout, "solid"));
  const annotations = its.epochs.map(([name, start, stop]) => ({ text: plain(name), x: (start + stop) / 2, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, font: { size: 11 } }));
  draw(plot, [trace], layout("time (steps)", its.perRow > 1 ? `group of ${its.perRow} units, sorted` : "unit, sorted by peak", {
    yaxis: { range: [its.n - 0.5, -0.5], showgrid: false, ...(its.n <= 8 ? { tickvals: ticks(its.n) } : {}) }, xaxis: { showgrid: false }, shapes, annotations, margin: { l: 50, r: 10, t: 22, b: 45 },
  }), `Heat map of activity: ${its.active} active units sorted by their peaks`);
}

function profile(plot, its) {
  const side = (keep, name, i) => {
    const at = its.x.map((x, k) => k).filter((k) => keep(its.x[k]));
    return {
      type: "scatter", mode: "lines+markers", name, x: at.map((k) => its.x[k]), y: at.map((k) => its.y[k]),
      error_y: { type: "data", array: at.map((k) => its.e[k] ?? 0), color: color("edge"), thickness: 1, width: 0 },
      line: { color: color(`c${i}`) }, marker: { size: 6, symbol: i ? "diamond" : "circle" },
    };
  };
  draw(plot, [side((x) => x < 0, "to earlier units", 0), side((x) => x > 0, "to later units", 1)],
    layout("difference in peak order (to − from)", "mean weight", { showlegend: true }), "Mean recurrent weight by the difference in peak order");
}

// What a data set or an analysis says about chance, if the activity itself is not here.
function kept(row) {
  const value = NAMED.get("sequentiality_index")?.values[row], mean = NAMED.get("sequentiality_index_null")?.values[row];
  if (!Number.isFinite(value) || !Number.isFinite(mean)) return null;
  return { value, null: [mean], note: `Diamond: the published index, ${number(value)}. Circle: mean of surrogates, ${number(mean)}.` };
}

function besideChance(plot, chance) {
  const dots = { type: "scatter", mode: "markers", name: "surrogates", x: chance.null, y: chance.null.map(() => 0), marker: { color: color("c5"), size: 9, symbol: "circle-open", line: { width: 1.5 } } };
  const own = { type: "scatter", mode: "markers", name: "the network", x: [chance.value], y: [0], marker: { color: color("c1"), size: 13, symbol: "diamond" } };
  draw(plot, [dots, own], layout("sequentiality index (nats)", "", { yaxis: { visible: false, range: [-1, 1], fixedrange: true }, showlegend: true, margin: { l: 15, r: 15, t: 10, b: 45 } }),
    `Sequentiality index ${number(chance.value)}; surrogates from ${number(Math.min(...chance.null))} to ${number(Math.max(...chance.null))}`);
}

function analysisTable(row) {
  const at = DATA.analysis ? DATA.analysis.networks.indexOf(row) : -1;
  if (at < 0) return null;
  const { measures, columns } = DATA.analysis, names = Object.keys(columns), all = names.map((name) => floats(columns[name]));
  const words = { value: "value", null_mean: "mean by chance", null_sd: "sd by chance", p: "p", p_resolution: "smallest possible p" };
  return sheet("Measures of sequences, computed by `recurrent-memory analyse`", ["measure", ...names.map((name) => words[name])],
    measures.map((measure, i) => [measure.units ? `${measure.name} (${measure.units})` : measure.name, ...all.map((values) => number(values[at * measures.length + i]))]), { cards: true });
}

// As in the summary of a run: a row for each measure, with a column for each way to compute it.
function measuresTable(row) {
  const its = MEASURES.filter((column) => !Number.isNaN(column.values[row])), of = Map.groupBy(its, (column) => column.variant);
  const ways = Object.keys(WAYS).filter((way) => of.has(way)), found = [];
  const name = (column, text) => (column.unit(row) ? `${text} (${column.unit(row)})` : text);
  if (ways.length) {
    const rows = new Map();
    for (const column of its.filter((one) => one.variant)) {
      const key = name(column, column.base);
      rows.set(key, { ...rows.get(key), [column.variant]: column.text(row) });
    }
    const body = [...rows].map(([key, values]) => [key, ...ways.map((way) => values[way] ?? "–")]);
    found.push(sheet("All measures", ["measure", ...ways.map((way) => WAYS[way])], body));
    if (ways.some((way) => way !== "paper")) found.push(waysExplained());
  }
  if (of.has("")) found.push(sheet(ways.length ? "Other numbers" : "All measures", ["measure", "value"], of.get("").map((column) => [name(column, column.label), column.text(row)])));
  return found.length ? el("div", {}, ...found) : null;
}
