// Connection attempts a second: all of them, and those that failed.

function attemptsPlot(attempts, name) {
  const rate = (count) => count / attempts.step;
  const most = ceiling(rate(Math.max(0, ...attempts.begun, ...attempts.refused)));
  const bars = (pen, counts, colour) => {
    const { ctx } = pen;
    ctx.fillStyle = Theme.colour(colour);
    counts.forEach((count, i) => {
      if (!count) return;
      const [a, b] = [pen.x(attempts.start + i * attempts.step), pen.x(attempts.start + (i + 1) * attempts.step)];
      pen.box(a, pen.y(rate(count)), b, pen.y(0), 2);
    });
  };
  const read = (counts) => binReader(attempts, counts, (count) => `${Words.digits(rate(count))}/s`);
  return {
    name,
    height: 80,
    last: true,
    y: { min: 0, max: most, tick: Words.digits },
    draw(pen) {
      bars(pen, attempts.begun, "begun");
      bars(pen, attempts.refused, "refused");
    },
    legend: [
      { name: "begun", colour: "begun", read: read(attempts.begun) },
      { name: "of these failed", colour: "refused", read: read(attempts.refused) },
      { name: "opened", read: read(attempts.opened) },
    ],
  };
}

Charts.attempts = ({ group }) => [{ ...attemptsPlot(group.attempts), labels: true }];
