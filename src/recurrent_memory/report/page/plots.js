// What all plots share: colours of the theme, texts that Plotly does not take for markup, and drawing on sight.
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const SCALE = VIRIDIS.map((color, i) => [i / (VIRIDIS.length - 1), color]);
const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false, showTips: false };
const DASHES = ["solid", "dash", "dot", "dashdot"];
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Plotly reads a little HTML in its texts.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// Texts in lines that fit beside a point of a narrow plot, as Plotly cuts labels at its edge.
function lines(texts, most = 26) {
  const found = [];
  for (const text of texts) {
    let line = "";
    for (const word of String(text).split(/\s+/).flatMap((one) => one.match(new RegExp(`.{1,${most}}`, "gu")) ?? [])) {
      if (line && line.length + word.length >= most) {
        found.push(line);
        line = "";
      }
      line += (line && " ") + word;
    }
    found.push(line);
  }
  return found.map(plain).join("<br>");
}

function layout(x, y, more = {}) {
  const axis = (title) => ({
    title: { text: plain(title), standoff: 8 }, gridcolor: color("grid"), zerolinecolor: color("line"),
    linecolor: color("edge"), tickcolor: color("edge"), automargin: true,
  });
  const { xaxis = {}, yaxis = {}, ...rest } = more;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 50, r: 15, t: 10, b: 45 },
    font: { color: color("text"), size: 12, family: "system-ui, sans-serif" }, showlegend: false, hovermode: "closest",
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
    hoverlabel: { bgcolor: color("page"), bordercolor: color("edge"), font: { color: color("text") } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
    ...rest, xaxis: { ...axis(x), ...xaxis }, yaxis: { ...axis(y), ...yaxis },
  };
}

// Plotly is run at the first plot: reading its code takes longer than showing the table of ten thousand networks.
function library() {
  if (!window.Plotly) document.head.append(el("script", { textContent: byId("library").textContent }));
  return Plotly;
}

function draw(place, traces, its, label) {
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  return library().react(place, traces, its, CONFIG);
}

// Plots outside the window are drawn when they come near it: a page may have dozens.
const waiting = new WeakMap();
const near = new IntersectionObserver((entries) => {
  for (const entry of entries)
    if (entry.isIntersecting) {
      near.unobserve(entry.target);
      waiting.get(entry.target)?.();
      waiting.delete(entry.target);
    }
}, { rootMargin: "300px" });

function drawOnSight(place, how) {
  waiting.set(place, how);
  near.observe(place);
}
