// One chart: uPlot for axes, scales and lines, a pen for the rest, and the cursor with its read-out.

/** An element with a class and a text; never markup. */
function element(name, class_, text) {
  const made = document.createElement(name);
  if (class_) made.className = class_;
  if (text != null) made.textContent = text;
  return made;
}

const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const LINE_DATA = [[0, 1], [null, null]];

/**
 * A plot of `spec`: {
 *   name: what it is called where several stand in a figure, height: in CSS pixels, last: it carries the time axis,
 *   y: {min, max, ticks(u) or null, tick(value)}, data and series: as uPlot has them, for lines,
 *   draw(pen): between grid and marks, after(pen): above all, legend: [{name, colour, shape, read(t)}],
 *   labels: rows for the names of marks, lane: the phases are drawn
 * }
 */
class Plot {
  constructor(host, title, spec, timeline, marks) {
    Object.assign(this, { spec, timeline, marks, title: spec.name ? `${title}, ${spec.name}` : title });
    const box = host.appendChild(element("div", "plot-box"));
    this.legend(box);
    this.root = box.appendChild(element("div", "plot"));
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-roledescription", "chart");
    this.root.setAttribute("aria-label", this.title);
    this.root.setAttribute("aria-describedby", "keys");
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.build();
    new ResizeObserver(() => this.fit()).observe(this.root);
  }

  build() {
    const { spec, timeline } = this;
    const top = spec.labels ? this.marks.rows * LABEL_HIGH + (spec.lane ? 24 : 8) : 8;
    // uPlot remembers what it told its canvas last, and does not say it again.
    const draw = (call) => (u) => {
      u.ctx.save();
      call(new Pen(u));
      u.ctx.restore();
    };
    this.wide = this.root.clientWidth;
    this.u = new uPlot(
      {
        width: this.wide,
        height: spec.height + top + (spec.last ? 34 : 8),
        padding: [top, 14, spec.last ? 0 : 8, 0],
        legend: { show: false },
        cursor: {
          x: false,
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false, dist: 4 },
          bind: { dblclick: () => () => timeline.reset() },
        },
        scales: {
          x: { time: false, range: () => [timeline.min, timeline.max] },
          y: { range: () => [spec.y.min, spec.y.max] },
        },
        axes: [this.timeAxis(), this.valueAxis()],
        series: [{}, ...(spec.series || [{}])],
        hooks: {
          drawClear: [draw((pen) => this.marks.under(pen))],
          drawAxes: [draw((pen) => spec.draw && pen.clipped(() => spec.draw(pen)))],
          draw: [draw((pen) => this.above(pen))],
          setSelect: [(u) => this.selected(u)],
        },
      },
      spec.data || [[0, timeline.end], LINE_DATA[1]],
      this.root,
    );
    this.line = this.u.over.appendChild(element("div", "cursor"));
    this.u.over.addEventListener("mousemove", (event) => this.hover(event));
    this.u.over.addEventListener("mouseleave", () => timeline.point(null));
  }

  timeAxis() {
    const { spec, timeline } = this;
    return {
      show: true,
      size: spec.last ? 34 : 0,
      space: 70,
      incrs: TICKS,
      font: `11px ${FONT}`,
      gap: 6,
      stroke: () => Theme.colour("muted"),
      grid: { stroke: () => Theme.colour("grid"), width: 1 },
      ticks: { show: false },
      values: (u, ticks) => ticks.map((t) => (spec.last ? Words.tick(t, timeline.long) : "")),
    };
  }

  valueAxis() {
    const { y } = this.spec;
    return {
      size: matchMedia("(max-width: 40rem)").matches ? 50 : 66,
      space: 26,
      font: `11px ${FONT}`,
      gap: 6,
      stroke: () => Theme.colour("muted"),
      grid: { stroke: () => Theme.colour("grid"), width: 1 },
      ticks: { show: false },
      ...(y.ticks ? { splits: y.ticks } : {}),
      values: (u, ticks) => ticks.map((value) => y.tick(value)),
    };
  }

  above(pen) {
    const { spec } = this;
    if (spec.lane) this.marks.lane(pen, 0, 18);
    if (spec.covered) this.marks.bands(pen, 4); // at the top edge, where the data hides those below it
    this.marks.over(pen, spec.labels);
    if (spec.after) spec.after(pen);
  }

  // ---- the read-out ----

  /** The legend is the read-out: its values are those at the cursor. */
  legend(box) {
    const head = box.appendChild(element("div", "legend idle"));
    this.head = head;
    if (this.spec.name) head.appendChild(element("span", "plot-name", this.spec.name));
    this.items = this.spec.legend.map((item) => {
      const one = head.appendChild(element("span", item.colour ? "item" : "item reading"));
      if (item.colour) {
        const swatch = one.appendChild(element("span", `swatch ${item.shape || "area"}`));
        swatch.style.setProperty("--swatch", `var(--${item.colour})`);
      }
      one.appendChild(element("span", "item-name", item.name));
      return { ...item, value: item.read ? one.appendChild(element("span", "item-value", "")) : null };
    });
  }

  point(t) {
    const shown = t != null && t >= this.timeline.min && t <= this.timeline.max;
    this.line.hidden = !shown;
    this.head.classList.toggle("idle", t == null);
    if (shown) this.line.style.transform = `translateX(${this.u.valToPos(t, "x")}px)`;
    for (const item of this.items) {
      if (item.value) item.value.textContent = t == null ? "" : item.read(t);
    }
  }

  /** Everything at the cursor in one sentence, for those who hear it. */
  said() {
    const read = this.items.filter((item) => item.value).map((item) => `${item.name} ${item.read(this.timeline.at)}`);
    return `${this.title} at ${Words.instant(this.timeline.at)}: ${read.join(", ")}`;
  }

  // ---- what the user does ----

  hover(event) {
    const box = this.u.over.getBoundingClientRect();
    this.high = 1 - (event.clientY - box.top) / box.height;
    this.timeline.point(this.u.posToVal(event.clientX - box.left, "x"));
  }

  selected(u) {
    if (u.select.width < 3) return;
    const [a, b] = [u.select.left, u.select.left + u.select.width].map((x) => u.posToVal(x, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.timeline.show(a, b);
  }

  key(event) {
    const far = event.shiftKey ? 0.1 : 0.01;
    const { timeline } = this;
    const actions = {
      ArrowLeft: () => timeline.step(-far),
      ArrowRight: () => timeline.step(far),
      Home: () => timeline.point(timeline.min),
      End: () => timeline.point(timeline.max),
      "+": () => timeline.zoom(ZOOM),
      "=": () => timeline.zoom(ZOOM),
      "-": () => timeline.zoom(1 / ZOOM),
      Escape: () => timeline.reset(),
    };
    const action = event.ctrlKey || event.metaKey || event.altKey ? null : actions[event.key];
    if (!action) return;
    event.preventDefault();
    this.high = null;
    action();
    if (timeline.at != null) announce(this.said());
  }

  // ---- what changes around it ----

  rescale() {
    this.u.setScale("x", { min: this.timeline.min, max: this.timeline.max });
  }

  redraw() {
    this.u.redraw(false, true);
  }

  fit() {
    const wide = this.root.clientWidth;
    if (wide && wide !== this.wide) {
      this.wide = wide;
      this.u.setSize({ width: wide, height: this.u.height });
      this.point(this.timeline.at);
    }
  }
}

/** The last index of sorted `times` that is not after `t`; -1: there is none. */
function indexAt(times, t) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A function that reads bin `t` of a series [start + i * step, ...). */
function binReader(bins, values, words) {
  return (t) => {
    const i = Math.floor((t - bins.start) / bins.step);
    return i < 0 || i >= values.length ? "–" : words(values[i], i);
  };
}

/** A number above `value` at which an axis may end. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value * 1.02) ?? 10 * power * 1.2;
}
