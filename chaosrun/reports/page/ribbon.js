// Availability: clients that are usable, have a session only, or have none, stacked up to those the plan wants.

const Charts = {};

Charts.ribbon = ({ page, group }) => {
  const { t, planned, usable, degraded, down, lost_client_seconds: lost } = group.ribbon;
  const most = Math.max(1, ...planned);
  const at = (values) => (time) => {
    const i = indexAt(t, time);
    return i < 0 ? "–" : Words.count(values[i]);
  };
  const reachable = usable.map((n, i) => n + degraded[i]);

  const layer = (pen, low, high, colour, hatched) => {
    const { ctx } = pen;
    ctx.beginPath();
    t.forEach((from, i) => {
      if (high[i] <= low[i]) return;
      const [a, b] = [pen.x(from), pen.x(i + 1 < t.length ? t[i + 1] : page.end)];
      // What is there is seen, however short it was and however few it were.
      const tall = Math.max(pen.y(low[i]) - pen.y(high[i]), 1.5 * pen.ratio);
      ctx.rect(a, pen.y(high[i]), Math.max(b - a, 1.5 * pen.ratio), tall);
    });
    ctx.fillStyle = Theme.colour(colour);
    ctx.fill();
    if (hatched) pen.hatched(hatched);
  };

  /** Beside the widest gap, what the area between planned and usable amounts to. */
  const areaLabel = (pen) => {
    if (!lost) return;
    let gap = null;
    for (let i = 0, from = null; i <= t.length; i++) {
      const missing = i < t.length && usable[i] < planned[i];
      if (missing && from == null) from = i;
      if (!missing && from != null) {
        let area = 0;
        for (let j = from; j < i; j++) area += (planned[j] - usable[j]) * ((t[j + 1] ?? page.end) - t[j]);
        if (!gap || area > gap.area) gap = { area, from: t[from], to: t[i] ?? page.end };
        from = null;
      }
    }
    if (!gap) return;
    const text = `${Words.digits(lost)} client-seconds lost in the whole run`;
    const [a, b] = [pen.x(gap.from), pen.x(gap.to)].map((x) => x / pen.ratio);
    const y = pen.bottom - (pen.bottom - pen.top) * 0.42;
    const wide = pen.width(text, 12);
    if (b < pen.left || a > pen.right) return;
    const style = { size: 12, weight: 600, halo: true };
    if (b - a > wide + 12) pen.text(text, (a + b) / 2, y, { ...style, align: "center" });
    else if (b + wide + 14 < pen.right) pen.text(`◂ ${text}`, b + 6, y, style);
    else if (a - wide - 14 > pen.left) pen.text(`${text} ▸`, a - 6, y, { ...style, align: "right" });
    else pen.text(text, pen.left + 6, pen.bottom - 8, style);
  };

  return [
    {
      height: 170,
      last: true,
      labels: true,
      lane: true,
      covered: true,
      y: { min: 0, max: most, tick: Words.count },
      draw(pen) {
        layer(pen, planned.map(() => 0), usable, "usable");
        layer(pen, usable, reachable, "degraded", "hatch");
        layer(pen, reachable, planned, "down", "hatch");
      },
      after: areaLabel,
      legend: [
        { name: "usable", colour: "usable", read: at(usable) },
        { name: "connected, not usable", colour: "degraded", read: at(degraded) },
        { name: "no session", colour: "down", read: at(down) },
        { name: "planned", read: at(planned) },
      ],
    },
  ];
};
