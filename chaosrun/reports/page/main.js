// Puts the page together: reads the data, draws every figure, and wires the bar above them.

const page = JSON.parse(document.getElementById("data").textContent);
Words.names = page.words;
const timeline = new Timeline(page.end);
const marks = new Marks(page);
const find = (id) => document.getElementById(id);

let speaking = 0;

/** Tells what the cursor reads, once it stands still. */
function announce(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => (find("live").textContent = text), 150);
}

for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const group = page.groups[Number(figure.dataset.group)];
  const title = figure.querySelector(".chart-title").textContent;
  const named = page.groups.length > 1 && figure.dataset.group ? `${title} of ${group.name}` : title;
  for (const spec of Charts[figure.dataset.chart]({ page, group })) {
    const plot = new Plot(figure.querySelector(".plots"), named, spec, timeline, marks);
    if (spec.shown) spec.shown.plot = plot;
    timeline.plots.push(plot);
  }
}

const firstFault = page.faults.length ? page.faults[0].call : null;

timeline.onChange = () => {
  const { min, max, at, whole } = timeline;
  find("shown").textContent = `${whole ? "whole run, " : ""}${Words.instant(min)} to ${Words.instant(max)}`;
  find("reset").disabled = whole;
  const after = at == null || firstFault == null ? "" : at - firstFault;
  const relative = after === "" ? "" : ` (${Math.abs(after).toFixed(2)} s ${after < 0 ? "before" : "after"} the fault)`;
  find("at").textContent = at == null ? "" : `at ${Words.instant(at)}${relative}`;
};

find("zoom-in").addEventListener("click", () => timeline.zoom(ZOOM));
find("zoom-out").addEventListener("click", () => timeline.zoom(1 / ZOOM));
find("reset").addEventListener("click", () => timeline.reset());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") timeline.reset();
});
Theme.listeners.push(() => timeline.plots.forEach((plot) => plot.redraw()));
addEventListener("beforeprint", Theme.changed);
addEventListener("afterprint", Theme.changed);
Theme.start(find("theme"));
find("bar").hidden = false;
find("keys").hidden = false;
timeline.point(null);
document.documentElement.dataset.drawn = String(timeline.plots.length);
