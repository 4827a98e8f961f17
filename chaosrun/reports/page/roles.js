// CPU and memory of each role, a sample a second.

const ROLE_COLOURS = ["hue-1", "hue-4", "hue-3", "hue-6", "hue-5", "hue-2", "hue-7", "hue-8"];

Charts.roles = ({ page }) => {
  const roles = page.roles.filter((role) => role.t.length);
  const times = [...new Set(roles.flatMap((role) => role.t))].sort((a, b) => a - b);

  const plot = (name, of, words, last) => {
    const columns = roles.map((role) => {
      const values = new Map(role.t.map((t, i) => [t, role[of][i]]));
      return times.map((t) => values.get(t)); // undefined: an instant of another role; null: a gap
    });
    const most = ceiling(Math.max(0, ...roles.flatMap((role) => role[of])));
    const read = (role) => (t) => {
      const i = indexAt(role.t, t + 0.5);
      return i < 0 || role[of][i] == null ? "–" : words(role[of][i]);
    };
    return {
      name,
      height: 100,
      last,
      labels: !last,
      y: { min: 0, max: most, tick: words },
      data: [times, ...columns],
      series: roles.map((_, i) => ({
        stroke: () => Theme.colour(ROLE_COLOURS[i % ROLE_COLOURS.length]),
        width: 1.75,
        dash: i >= ROLE_COLOURS.length ? [6, 3] : [],
        points: { show: times.length < 3 },
      })),
      legend: roles.map((role, i) => ({
        name: role.name,
        colour: ROLE_COLOURS[i % ROLE_COLOURS.length],
        shape: "line",
        read: read(role),
      })),
    };
  };

  return [
    plot("CPU, of one core", "cpu_percent", Words.percent, false),
    plot("memory", "memory_bytes", Words.bytes, true),
  ];
};
