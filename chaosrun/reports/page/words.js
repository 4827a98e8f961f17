// Numbers and names as a person would say them.

const Words = {
  names: {},

  /** A class or cause; `close(1012)` stays recognisable. */
  name(id) {
    if (Words.names[id]) return Words.names[id];
    const [base, rest] = id.split("(", 2);
    return (Words.names[base] || base.replaceAll("_", " ")) + (rest ? ` (${rest}` : "");
  },

  count: (n) => Math.round(n).toLocaleString("en"),

  digits(value) {
    if (Number.isInteger(value) || Math.abs(value) >= 1000) return Words.count(value);
    return String(Number(value.toPrecision(3)));
  },

  ms(value) {
    if (value == null) return "–";
    return value >= 1000 ? `${Words.digits(value / 1000)} s` : `${Words.digits(value)} ms`;
  },

  bytes(value) {
    for (const [factor, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
      if (value >= factor) return `${Words.digits(value / factor)} ${unit}`;
    }
    return `${value} B`;
  },

  percent: (value) => (value == null ? "–" : `${Words.digits(value)}%`),

  /** An instant of the run, to 10 ms. */
  instant: (t) => `${t.toFixed(2)} s`,

  /** An instant on the axis: 45 s, or 12:30 in a long run. */
  tick(t, long) {
    if (!long) return `${Number(t.toFixed(3))} s`;
    const whole = Math.floor(t);
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (n) => String(n).padStart(2, "0");
    const rest = t === whole ? "" : (t - whole).toFixed(2).slice(1);
    return (h ? `${h}:${two(m)}` : `${m}`) + `:${two(s)}${rest}`;
  },
};
