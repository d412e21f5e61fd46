// The views, the colours, and the page that loads itself again while a sweep runs.
const VIEWS = {
  networks: renderTable, maps: renderMaps, curves: renderCurves, network: renderNetwork, scores: renderScores,
  failures: renderFailures, about: () => {},
};
const FILTERED = ["networks", "maps", "curves"];
const MOST_FAILURES = 500;

function render() {
  const view = byId(`view-${state.view}`) ? state.view : DEFAULTS.view;
  byId("astray").hidden = view === state.view;
  byId("astray").textContent = view === state.view ? "" : `This report has no view “${short(state.view)}”. It has those above.`;
  applyTheme();
  for (const name of Object.keys(VIEWS)) {
    const section = byId(`view-${name}`);
    if (section) section.hidden = name !== view;
  }
  byId("filters").hidden = !FILTERED.includes(view);
  for (const a of document.querySelectorAll("nav a")) {
    a.href = address({ view: a.dataset.view });
    if (a.dataset.view === view) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  renderFilters();
  VIEWS[view]();
}

const system = matchMedia("(prefers-color-scheme: dark)");

function applyTheme() {
  const theme = ["light", "dark"].includes(state.theme) ? state.theme : "";
  byId("theme").value = theme;
  document.documentElement.dataset.theme = theme || (system.matches ? "dark" : "light");
}

function renderScores() {
  for (const place of document.querySelectorAll("[data-effects]")) {
    const rows = DATA.effects[Number(place.dataset.effects)].rows.toReversed();
    place.style.height = `${6 + 1.8 * rows.length}rem`;
    const symbols = { reproduced: "circle", opposite: "x", inconclusive: "circle-open" };
    const says = (row) => lines([row.claim, row.says, row.verdict], 36);
    const part = (of, i) => ({
      type: "scatter", mode: "markers", name: of, x: rows.map((row) => (row.verdict === of ? row.size : null)), y: rows.map((row) => plain(row.claim)),
      text: rows.map(says), hoverinfo: "text+x",
      error_x: { type: "data", symmetric: false, array: rows.map((row) => row.size_high - row.size), arrayminus: rows.map((row) => row.size - row.size_low), color: color(`c${i}`), thickness: 1.5, width: 0 },
      marker: { color: color(`c${i}`), size: 10, symbol: symbols[of] ?? "square" },
    });
    const verdicts = [...new Set(rows.map((row) => row.verdict))].sort();
    draw(place, verdicts.map(part), layout("effect (Hedges' g, 95 % interval)", "claim", {
      showlegend: true, yaxis: { type: "category", categoryorder: "array", categoryarray: rows.map((row) => plain(row.claim)), dtick: 1 }, xaxis: { zerolinecolor: color("edge"), zerolinewidth: 2 },
    }), "Effects of the claims with their intervals; the table below has the same numbers");
  }
}

function renderFailures() {
  const place = byId("failures"), all = DATA.failures;
  const reasons = new Map();
  for (const one of all) {
    const text = one.reason ? `${one.kind}: ${one.reason}` : one.kind;
    reasons.set(text, (reasons.get(text) ?? 0) + 1);
  }
  const summary = [...reasons.entries()].sort((a, b) => b[1] - a[1]).slice(0, 50);
  const head = ["network", ...VARYING.map((column) => column.label), "kind", "reason", "iteration"];
  const row = (one) => [link(one.i), ...VARYING.map((column) => column.text(one.i)), one.kind, one.reason || "not in the data", one.iteration ?? "–"];
  place.replaceChildren(
    el("ul", {}, ...summary.map(([text, n]) => el("li", { textContent: `${n} × ${text}` }))),
    sheet("Table of failures", head, all.slice(0, MOST_FAILURES).map(row), { cards: true, hasCaption: false, isNumber: () => false }),
    all.length > MOST_FAILURES ? el("p", { textContent: `The first ${MOST_FAILURES} of ${all.length} are listed.` }) : "");
}

// Every link within the page changes only the address; the heading of the view gets the focus.
document.addEventListener("click", (event) => {
  const a = event.target.closest('a[href^="#"]');
  if (!a || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (a.id === "skip") {
    byId("main").focus();
    return;
  }
  history.pushState(null, "", a.getAttribute("href"));
  state = read();
  render();
  if (state.view === "network" && !a.closest("nav")) {
    byId("h-network").focus();
    scrollTo(0, 0);
  }
});
addEventListener("popstate", () => { state = read(); render(); });
addEventListener("hashchange", () => { state = read(); render(); });
byId("theme").addEventListener("change", () => show({ theme: byId("theme").value }));
system.addEventListener("change", render);
for (const id of ["measure", "x", "y", "kind", "solved", "curve", "by"])
  byId(id)?.addEventListener("change", () => show({ [id]: byId(id).value }));
byId("log")?.addEventListener("change", () => show({ log: byId("log").checked ? "1" : "" }));

buildFilters();
buildColumns();
render();

// While a sweep runs, the file is written again and again. The address keeps what is shown; the place on the page, the
// focus and opened parts are kept here.
if (DATA.reload) {
  const key = `recurrent-memory ${location.pathname}`, box = byId("reload");
  const loaded = Date.now();
  let touched = 0;
  for (const kind of ["keydown", "pointerdown", "wheel", "touchmove"]) addEventListener(kind, () => (touched = Date.now()), { passive: true });
  try {
    const before = JSON.parse(sessionStorage.getItem(key) ?? "null");
    if (before) {
      box.checked = before.on;
      document.querySelectorAll("details").forEach((one, i) => (one.open = Boolean(before.open[i])));
      if (before.focus) byId(before.focus)?.focus({ preventScroll: true });
      requestAnimationFrame(() => scrollTo(before.x, before.y));
    }
  } catch { /* without storage, the place is lost */ }
  history.scrollRestoration = "manual";
  const keep = () => {
    const open = [...document.querySelectorAll("details")].map((one) => one.open);
    try {
      sessionStorage.setItem(key, JSON.stringify({ on: box.checked, x: scrollX, y: scrollY, focus: document.activeElement?.id, open }));
    } catch { /* as above */ }
  };
  setInterval(() => {
    if (box.checked && Date.now() - loaded > DATA.reload * 1000 && Date.now() - touched > 3000) {
      keep();
      location.reload();
    }
  }, 500);
}
