// How well chaosrun itself kept up, on a logarithmic axis, and the limit above which it is not believed.

const LEAST_MS = 0.1;

Charts.observer = ({ page }) => {
  const { observer } = page;
  const { t, lag_limit_ms: limit } = observer;
  const kinds = [
    ["event loop late, p99", "lag_p99_ms", "hue-1"],
    ["event loop late, most", "lag_max_ms", "hue-2"],
    ["sends late, most", "lateness_max_ms", "hue-4"],
  ];
  const log = (value) => (value == null ? null : Math.log10(Math.max(LEAST_MS, value)));
  const known = kinds.flatMap(([, field]) => observer[field].filter((value) => value != null));
  const most = Math.max(limit ?? 0, 10, ...known);
  const max = Math.log10(most) + 0.15;
  const near = (values, words) => (time) => {
    const i = indexAt(t, time + 0.5);
    return i < 0 ? "–" : words(values[i]);
  };
  const ticks = [];
  for (let power = Math.log10(LEAST_MS); power <= max; power++) ticks.push(power);

  return [
    {
      height: 110,
      last: true,
      labels: true,
      y: { min: Math.log10(LEAST_MS), max, ticks: () => ticks, tick: (value) => Words.ms(Number((10 ** value).toPrecision(2))) },
      data: [t, ...kinds.map(([, field]) => observer[field].map(log))],
      series: kinds.map(([, , colour]) => ({
        stroke: () => Theme.colour(colour), width: 1.75, points: { show: t.length < 3 }, spanGaps: false,
      })),
      after: (pen) => limit != null && pen.horizontal(Math.log10(limit), "limit", `limit of the p99, ${Words.ms(limit)}`),
      legend: [
        ...kinds.map(([name, field, colour]) => ({ name, colour, shape: "line", read: near(observer[field], Words.ms) })),
        { name: "CPU taken away", read: near(observer.stolen_percent, Words.percent) },
        ...(observer.excluded.length ? [{ name: "left out", colour: "left-out", shape: "hatched" }] : []),
      ],
    },
  ];
};
