// The way back: a line for each client that was hit, sorted by its return, and connection attempts below.

const CAUSE_COLOURS = {
  rst: "hue-1", fin: "hue-2", close: "hue-3", ping_timeout: "hue-4", deadline: "hue-5", kept: "hue-8", sessionless: "hue-8",
};

function causeColour(cause) {
  return CAUSE_COLOURS[cause.split("(", 1)[0]] ?? "hue-6";
}

Charts.waterfall = ({ page, group }) => {
  const falls = group.waterfalls.filter((waterfall) => waterfall.falls);
  const causes = [...new Set(falls.flatMap((waterfall) => waterfall.cause))];

  const draw = (pen) => {
    for (const fall of falls) lines(pen, fall);
  };

  const lines = (pen, fall) => {
    const { ctx, ratio } = pen;
    const line = Math.abs(pen.y(0) - pen.y(1)) / fall.falls;
    const gap = line > 4 * ratio ? Math.round(ratio) : 0; // lines that are wide enough stand apart
    for (let i = 0; i < fall.falls; i++) {
      const [y, z] = [pen.y(1 - i / fall.falls), pen.y(1 - (i + 1) / fall.falls) - gap];
      const never = fall.usable[i] == null;
      const end = fall.usable[i] ?? page.end;
      const [a, b] = [pen.x(fall.lost[i]), Math.max(pen.x(end), pen.x(fall.lost[i]) + ratio)];
      ctx.fillStyle = Theme.colour(causeColour(fall.cause[i]));
      ctx.globalAlpha = 0.45;
      pen.box(a, y, b, z);
      ctx.globalAlpha = 1;
      const again = fall.reconnecting[i];
      if (again != null) pen.box(pen.x(again), y, b, z);
      ctx.fillStyle = Theme.colour("text");
      if (!never) pen.box(b - 1.5 * ratio, y, b, z);
    }
    neverBack(pen, fall);
  };

  /** Those that never came back are named at the right edge. */
  const neverBack = (pen, fall) => {
    const count = fall.usable.filter((t) => t == null).length; // of the lines
    if (!count) return;
    const { ctx, ratio } = pen;
    const [top, bottom] = [pen.y(count / fall.falls), pen.y(0)];
    ctx.beginPath();
    ctx.rect(pen.x(Math.min(...fall.lost)), top, pen.x(page.end), bottom - top);
    pen.hatched("hatch");
    const middle = Math.max(pen.top + 14, Math.min(pen.bottom - 5, (top + bottom) / 2 / ratio + 4));
    const text = `${Words.count(fall.never)} never came back ✕`;
    pen.text(text, pen.right - 6, middle, { align: "right", weight: 600, size: 12, halo: true });
  };

  const backBy = (t) =>
    falls
      .filter((fall) => fall.lost[0] <= t || Math.min(...fall.lost) <= t)
      .slice(-1)
      .map((fall) => {
        const back = fall.usable.filter((at) => at != null && at <= t).length;
        return `${Words.count(back)} of ${Words.count(fall.falls)} (${Words.digits((100 * back) / fall.falls)}%)`;
      })[0] ?? "–";

  /** The client whose line is under the mouse. */
  const clientAt = (plot) => (t) => {
    if (plot.high == null) return "–";
    const fall = falls.filter((each) => Math.min(...each.lost) <= t).slice(-1)[0];
    if (!fall) return "–";
    const i = Math.max(0, Math.min(fall.falls - 1, Math.floor((1 - plot.high) * fall.falls)));
    const back = fall.usable[i] == null ? "never back" : `back ${Words.instant(fall.usable[i])}`;
    const attempts = `${fall.attempts[i]} attempt${fall.attempts[i] === 1 ? "" : "s"}`;
    return `${fall.client[i]}: lost ${Words.instant(fall.lost[i])}, ${back}, ${Words.name(fall.cause[i])}, ${attempts}`;
  };

  const shares = [0, 0.01, 0.1, 0.5, 1];
  const shown = { high: null };
  return [
    {
      name: "share of the clients that are back",
      height: 220,
      labels: true,
      y: { min: 0, max: 1, ticks: () => shares, tick: (value) => (value === 0.01 ? "" : `${Math.round(100 - 100 * value)}%`) },
      draw,
      shown,
      legend: [
        ...causes.map((cause) => ({ name: Words.name(cause), colour: causeColour(cause) })),
        { name: "back", read: backBy },
        { name: "client", read: (t) => clientAt(shown.plot ?? shown)(t) },
      ],
    },
    attemptsPlot(group.attempts, "attempts a second"),
  ];
};
