// What was lost, by class over time: requests in one lane, pushed messages in another.

const LOSS_COLOURS = {
  lost_connected: "hue-7", lost_at_break: "hue-4", skipped_disconnected: "hue-8", missed_disconnected: "hue-8",
  replied_late: "hue-2", replied_error: "hue-6", replayed: "hue-2", tail: "hue-4", conflated: "hue-6",
};

Charts.losses = ({ group }) => {
  const { losses } = group;
  const lane = (of) => losses.classes.filter((each) => each.of === of);
  const lanes = ["requests", "pushes"].filter((of) => lane(of).length);
  const shown = lanes.length ? lanes : ["requests"];

  const stack = (pen, classes) => {
    const { ctx } = pen;
    const sums = new Array(losses.sequence.length).fill(0);
    for (const each of classes) {
      ctx.fillStyle = Theme.colour(LOSS_COLOURS[each.name] ?? "hue-3");
      each.counts.forEach((count, i) => {
        if (!count) return;
        const [a, b] = [pen.x(losses.start + i * losses.step), pen.x(losses.start + (i + 1) * losses.step)];
        // A single loss beside thousands is seen, too.
        pen.box(a, pen.y(sums[i] + count), b, pen.y(sums[i]), 3);
        sums[i] += count;
      });
    }
  };

  const sequence = {
    name: `numbers of ${losses.channel}`,
    read: binReader(losses, losses.sequence, (span) =>
      span ? `${Words.count(span[0])} – ${Words.count(span[1])}` : "–"),
  };

  return shown.map((of, i) => {
    const classes = lane(of);
    const totals = losses.sequence.map((_, bin) => classes.reduce((sum, each) => sum + each.counts[bin], 0));
    return {
      name: of,
      height: 84,
      last: i === shown.length - 1,
      labels: i === 0,
      y: { min: 0, max: ceiling(Math.max(0, ...totals)), tick: (value) => (Number.isInteger(value) ? Words.count(value) : "") },
      draw: (pen) => stack(pen, classes),
      after: (pen) => classes.length || pen.text("nothing was lost", (pen.left + pen.right) / 2, (pen.top + pen.bottom) / 2, { align: "center", colour: "muted", size: 12 }),
      legend: [
        ...classes.map((each) => ({
          name: Words.name(each.name),
          colour: LOSS_COLOURS[each.name] ?? "hue-3",
          read: binReader(losses, each.counts, Words.count),
        })),
        ...(of === "pushes" && losses.channel != null ? [sequence] : []),
      ],
    };
  });
};
