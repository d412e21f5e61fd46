// The table of networks: sorted by any column, a page at a time.
const ROWS_PER_PAGE = 50;

function shownColumns() {
  const wanted = new Set(state.cols.split(","));
  return [STATUS, ...VARYING, ...MEASURES.filter((column) => wanted.has(column.name))];
}

function sorted(rows) {
  const column = NAMED.get(state.sort);
  if (!column) return state.down ? [...rows].reverse() : rows;
  const values = column.values, sign = state.down ? -1 : 1;
  // Missing values come last in either direction.
  return [...rows].sort((a, b) => {
    const x = values[a], y = values[b];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b;
    return x === y ? a - b : x < y ? -sign : sign;
  });
}

function buildColumns() {
  const place = byId("column-choices");
  for (const column of MEASURES) {
    const box = el("input", {
      type: "checkbox", id: `c-${column.name}`,
      onchange: () => {
        const wanted = new Set(state.cols.split(",").filter(Boolean));
        if (box.checked) wanted.add(column.name);
        else wanted.delete(column.name);
        show({ cols: [...wanted].join(",") });
      },
    });
    place.append(el("label", { className: "check", title: column.title ?? "" }, box, withUnits(column)));
  }
  if (MEASURES.some((column) => column.variant && column.variant !== "paper")) byId("columns").append(waysExplained());
}

function heading(name, text, title, isNumber) {
  const isSorted = state.sort === name && (name !== "" || state.down !== "" || state.sort === "");
  const down = Boolean(state.down);
  const button = el("button", {
    type: "button", id: `s-${name}`, title: title ?? "",
    onclick: () => show({ sort: name, down: isSorted && !down ? "1" : "", page: "0" }),
  }, text, el("span", { "aria-hidden": "true", textContent: isSorted ? (down ? " ▼" : " ▲") : "" }));
  const made = el("th", { scope: "col", className: isNumber ? "number" : "" }, button);
  if (isSorted) made.setAttribute("aria-sort", down ? "descending" : "ascending");
  return made;
}

function renderTable() {
  const focused = document.activeElement?.id, columns = shownColumns();
  for (const column of MEASURES) byId(`c-${column.name}`).checked = columns.includes(column);
  const isNumber = (column) => column.isMeasure || Boolean(column.numbers);
  byId("table").tHead.replaceChildren(el("tr", {},
    heading("", "network", "in the order of the data"),
    ...columns.map((column) => heading(column.name, withUnits(column), column.title, isNumber(column)))));
  const rows = sorted(filtered()), pages = Math.max(1, Math.ceil(rows.length / ROWS_PER_PAGE));
  const page = Math.min(Math.max(0, Number(state.page) || 0), pages - 1);
  const some = rows.slice(page * ROWS_PER_PAGE, (page + 1) * ROWS_PER_PAGE);
  byId("table").tBodies[0].replaceChildren(...some.map((row) => el("tr", {
    onclick: (event) => event.target.closest("a") || open(row),
  },
    el("td", {}, link(row)),
    ...columns.map((column) => el("td", { className: isNumber(column) ? "number" : "", textContent: column.text(row) })))));
  byId("which").textContent = rows.length
    ? `${page * ROWS_PER_PAGE + 1} to ${page * ROWS_PER_PAGE + some.length} of ${rows.length}`
    : "";
  byId("previous").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
  byId("previous").onclick = () => show({ page: String(page - 1) });
  byId("next").onclick = () => show({ page: String(page + 1) });
  // The table was made anew: what had the focus has it again.
  if (focused) byId(focused)?.focus({ preventScroll: true });
}

function link(row) {
  const text = `${row + 1}`;
  return el("a", {
    id: `n-${row}`, href: address({ view: "network", id: String(row + 1), among: "" }), textContent: text,
    "aria-label": `network ${text}`,
  });
}

function open(row, among = []) {
  show({ view: "network", id: String(row + 1), among: among.slice(0, 200).map((one) => one + 1).join(".") }, true);
  byId("h-network").focus();
}
