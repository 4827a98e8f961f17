// Waits as a heat map: columns by due time, rows by how long on a logarithmic axis, darker for more, another hue where late.

const SHADES = 5; // custom properties --heat-1 to --heat-5, and --late-1 to --late-5

Charts.heat = ({ group }) => {
  const { heat } = group;
  const rows = heat.rows_ms;
  const ratio = rows.length > 2 ? rows[rows.length - 1] / rows[rows.length - 2] : 2;
  const first = rows[0] > 0 ? rows[0] : rows[1] / ratio;
  const edges = [first, ...rows.slice(1), rows[rows.length - 1] * ratio].map(Math.log10);
  const top = edges[edges.length - 1];
  const high = (top - edges[0]) * 0.1; // the lane of those that never came
  const most = Math.max(1, ...heat.corrected.map((cell) => cell[2]), ...heat.uncorrected.map((cell) => cell[2]));
  const limit = heat.latency_limit_ms;
  const shade = (count) => Math.min(SHADES, 1 + Math.floor((Math.log(count) / Math.log(most + 1)) * SHADES));
  const late = (row) => limit != null && 10 ** edges[row] >= limit * 0.999;

  const cells = (pen, list, never) => {
    const { ctx } = pen;
    const x = (column) => pen.x(heat.start + column * heat.step);
    for (const [column, row, count] of list) {
      ctx.fillStyle = Theme.colour(`${late(row) ? "late" : "heat"}-${shade(count)}`);
      pen.box(x(column), pen.y(edges[row + 1]), x(column + 1), pen.y(edges[row]));
    }
    never.forEach((count, column) => {
      if (!count) return;
      ctx.fillStyle = Theme.colour(`never-${shade(count)}`);
      pen.box(x(column), pen.y(top + high), x(column + 1), pen.y(top + high * 0.25));
    });
  };

  const decades = () => {
    const found = [];
    for (let power = Math.ceil(edges[0] - 1e-9); power <= top; power++) found.push(power);
    return [...found, top + high * 0.62];
  };

  const counts = (list) => {
    const sums = new Array(heat.columns).fill(0);
    for (const [column, row, count] of list) if (late(row)) sums[column] += count;
    return sums;
  };

  const plot = (name, list, never, neverName, longest, last) => ({
    name,
    height: 132,
    last,
    labels: !last,
    y: {
      min: edges[0],
      max: top + high,
      ticks: decades,
      tick: (value) => (value > top ? neverName : Words.ms(Number((10 ** value).toPrecision(3)))),
    },
    draw: (pen) => cells(pen, list, never),
    after: (pen) => limit != null && pen.horizontal(Math.log10(limit), "limit", `limit ${Words.ms(limit)}`),
    legend: [
      { name: "above the limit", colour: "late-3", read: binReader(heat, counts(list), Words.count) },
      { name: neverName, colour: "never-4", read: binReader(heat, never, Words.count) },
      { name: "few", colour: "heat-1" },
      { name: `many (${Words.count(most)})`, colour: "heat-5" },
      { name: "due", read: binReader(heat, heat.due, Words.count) },
      { name: "longest", read: binReader(heat, longest, Words.ms) },
    ],
  });

  return [
    plot("as users waited (corrected)", heat.corrected, heat.censored, "never", heat.corrected_max_ms, false),
    plot("from the send (uncorrected)", heat.uncorrected, heat.unanswered, "no reply", heat.uncorrected_max_ms, true),
  ];
};
