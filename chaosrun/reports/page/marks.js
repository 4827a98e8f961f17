// What every chart shows behind and above its data: the fault's band, stretches left out, and the instants that matter.

const MARKS = {
  // Impact is drawn above its fault, often at the same instant, and lets it be seen.
  fault: { name: "fault", dash: [], side: -1, wide: 3 },
  impact: { name: "impact", dash: [2, 3], side: -1, wide: 1.5 },
  removed: { name: "fault removed", dash: [6, 4], side: 1, wide: 1.5 },
  ready: { name: "server ready", dash: [8, 3, 2, 3], side: 1, wide: 1.5 },
  recovered: { name: "recovered", dash: [], side: 1, wide: 1.5 },
  stopped: { name: "stopped", dash: [2, 2], side: 1, wide: 1.5 },
};
const LABEL_HIGH = 15; // CSS pixels of one row of labels
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

class Marks {
  constructor(page) {
    this.faults = page.faults;
    this.excluded = page.observer.excluded;
    this.phases = page.phases;
    this.marks = page.marks;
    this.numbered = new Set(page.marks.map((mark) => mark.episode).filter((e) => e != null)).size > 1;
    this.end = page.end;
    this.rows = page.marks.length > 4 ? 3 : 2; // of labels
  }

  /** Below the data. */
  under(pen) {
    this.bands(pen);
    for (const band of this.excluded) pen.hatch(band.start, band.end, "left-out");
  }

  bands(pen, high) {
    for (const fault of this.faults) {
      const until = fault.removed ?? this.recoveryAfter(fault.call);
      pen.rect(fault.call, Math.max(until, fault.call), high ? "mark-fault" : "band", high);
    }
  }

  /** A fault without an end of its own is drawn to the recovery, or to the next thing that happens to it. */
  recoveryAfter(t) {
    const next = this.marks.find((mark) => mark.kind === "recovered" && mark.t > t);
    return next ? next.t : this.end;
  }

  /** Lines, above the data; with `labels`, named in the rows above the plot. */
  over(pen, labels) {
    const taken = [];
    for (const mark of this.marks) {
      const kind = MARKS[mark.kind];
      pen.vertical(mark.t, "halo", [], kind.wide + 1);
    }
    for (const mark of this.marks) {
      const kind = MARKS[mark.kind];
      pen.vertical(mark.t, `mark-${mark.kind}`, kind.dash, kind.wide);
      if (labels) this.label(pen, mark, kind, taken);
    }
  }

  label(pen, mark, kind, taken) {
    const x = pen.x(mark.t) / pen.ratio;
    if (x < pen.left - 1 || x > pen.right + 1) return;
    const number = this.numbered && mark.episode != null ? ` ${mark.episode + 1}` : "";
    const text = kind.name + number;
    const wide = pen.width(text, 11) + 8;
    for (const side of [kind.side, -kind.side]) {
      const from = side < 0 ? x - wide : x;
      if (from < pen.left - 4 || from + wide > pen.right + 8) continue;
      for (let row = 0; row < this.rows; row++) {
        if (taken.some((it) => it.row === row && it.from < from + wide && from < it.to)) continue;
        taken.push({ row, from, to: from + wide });
        const y = pen.top - 4 - row * LABEL_HIGH;
        pen.text(text, x + side * 4, y, { align: side < 0 ? "right" : "left", colour: `mark-${mark.kind}`, weight: 600 });
        return;
      }
    }
  }

  /** The phases, as a lane of their own at the top edge of a chart. */
  lane(pen, y, high) {
    const { ctx, ratio } = pen;
    this.phases.forEach((phase, i) => {
      const [a, b] = [Math.max(pen.left * ratio, pen.x(phase.start)), Math.min(pen.right * ratio, pen.x(phase.end))];
      if (b <= a) return;
      ctx.fillStyle = Theme.colour(i % 2 ? "lane-odd" : "lane-even");
      ctx.fillRect(a, y * ratio, b - a, high * ratio);
      if (pen.width(phase.name, 10.5) * ratio < b - a - 6 * ratio) {
        pen.text(phase.name, (a + b) / 2 / ratio, y + high - 4.5, { align: "center", colour: "muted", size: 10.5 });
      }
    });
  }
}
