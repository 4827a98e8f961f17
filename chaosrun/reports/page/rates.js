// Throughput: requests due and good replies, and messages pushed, a second.

/** A line through the middles of the bins, as steps. */
function stepLine(colour, width, fill) {
  return {
    stroke: () => Theme.colour(colour),
    width,
    fill: fill ? () => Theme.colour(fill) : undefined,
    paths: uPlot.paths.stepped({ align: 1 }),
    points: { show: false },
  };
}

Charts.rates = ({ group }) => {
  const { rates } = group;
  const t = rates.due.map((_, i) => rates.start + i * rates.step);
  // A step needs an instant at which it ends.
  const [times, held] = [[...t, rates.start + t.length * rates.step], (values) => [...values, values[values.length - 1] ?? null]];
  const read = (values) => binReader(rates, values, (value) => `${Words.digits(value)}/s`);
  const pushed = Math.max(0, ...rates.pushes);
  const asked = Math.max(0, ...rates.due, ...rates.good);
  const plots = [];
  if (asked > 0 || pushed === 0) {
    plots.push({
      name: "requests a second",
      height: 110,
      labels: true,
      y: { min: 0, max: ceiling(asked), tick: Words.digits },
      data: [times, held(rates.due), held(rates.good)],
      series: [stepLine("due", 1.5), stepLine("good", 2, "good-fill")],
      legend: [
        { name: "due", colour: "due", shape: "line", read: read(rates.due) },
        { name: "answered well", colour: "good", shape: "line", read: read(rates.good) },
      ],
    });
  }
  if (pushed > 0) {
    plots.push({
      name: "pushed messages a second",
      height: 90,
      labels: !plots.length,
      y: { min: 0, max: ceiling(pushed), tick: Words.digits },
      data: [times, held(rates.pushes)],
      series: [stepLine("pushes", 2, "pushes-fill")],
      legend: [{ name: "received", colour: "pushes", shape: "line", read: read(rates.pushes) }],
    });
  }
  plots[plots.length - 1].last = true;
  return plots;
};
