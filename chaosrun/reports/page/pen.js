// What uPlot cannot draw: boxes, hatches, lines and texts, in run seconds and values of the chart.

/** Draws on uPlot's canvas in run seconds and values of the chart. `left` to `bottom` and texts are in CSS pixels. */
class Pen {
  constructor(u) {
    this.u = u;
    this.ctx = u.ctx;
    this.ratio = devicePixelRatio;
    const { left, top, width, height } = u.bbox;
    this.left = left / this.ratio;
    this.top = top / this.ratio;
    this.right = (left + width) / this.ratio;
    this.bottom = (top + height) / this.ratio;
  }

  x(t) {
    return this.u.valToPos(t, "x", true);
  }

  y(value) {
    return this.u.valToPos(value, "y", true);
  }

  /** A box in pixels without seams: what is there is at least a pixel or two wide and high. */
  box(left, top, right, bottom, least = 1) {
    const [a, b] = [Math.round(left), Math.round(right)];
    const [y, z] = [Math.round(top), Math.round(bottom)];
    const high = Math.max(z - y, Math.round(least * this.ratio));
    this.ctx.fillRect(a, z - high, Math.max(b - a, Math.round(this.ratio)), high);
  }

  /** Calls `draw` with everything outside the plot cut off. */
  clipped(draw) {
    const { left, top, width, height } = this.u.bbox;
    this.ctx.save();
    this.ctx.beginPath();
    this.ctx.rect(left, top, width, height);
    this.ctx.clip();
    draw(this.ctx);
    this.ctx.restore();
  }

  /** Over the whole height, or `high` CSS pixels at the top edge. */
  rect(from, to, colour, high) {
    const { top, height } = this.u.bbox;
    this.clipped((ctx) => {
      ctx.fillStyle = Theme.colour(colour);
      const wide = Math.max(this.ratio, this.x(to) - this.x(from));
      ctx.fillRect(this.x(from), top, wide, high ? high * this.ratio : height);
    });
  }

  hatch(from, to, colour) {
    const { top, height } = this.u.bbox;
    this.clipped((ctx) => {
      ctx.beginPath();
      ctx.rect(this.x(from), top, Math.max(2, this.x(to) - this.x(from)), height);
      this.hatched(colour);
    });
  }

  /** Fills the current path with slanted lines. */
  hatched(colour) {
    const { ctx, ratio } = this;
    const { left, top, width, height } = this.u.bbox;
    ctx.save();
    ctx.clip();
    ctx.beginPath();
    for (let x = left - height; x < left + width; x += 6 * ratio) {
      ctx.moveTo(x, top + height);
      ctx.lineTo(x + height, top);
    }
    ctx.strokeStyle = Theme.colour(colour);
    ctx.lineWidth = ratio;
    ctx.stroke();
    ctx.restore();
  }

  vertical(t, colour, dash, width) {
    const { top, height } = this.u.bbox;
    this.clipped((ctx) => {
      const x = Math.round(this.x(t));
      ctx.beginPath();
      ctx.setLineDash(dash.map((d) => d * this.ratio));
      ctx.strokeStyle = Theme.colour(colour);
      ctx.lineWidth = width * this.ratio;
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
    });
  }

  /** A limit, named at its right end. */
  horizontal(value, colour, label) {
    const { left, width } = this.u.bbox;
    const y = Math.round(this.y(value));
    this.clipped((ctx) => {
      ctx.beginPath();
      ctx.setLineDash([5 * this.ratio, 4 * this.ratio]);
      ctx.strokeStyle = Theme.colour(colour);
      ctx.lineWidth = 1.25 * this.ratio;
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
    });
    this.text(label, this.right - 5, y / this.ratio - 4, { align: "right", colour, weight: 600, halo: true });
  }

  width(text, size) {
    this.ctx.font = `600 ${size * this.ratio}px ${FONT}`;
    return this.ctx.measureText(text).width / this.ratio;
  }

  text(text, x, y, { align = "left", colour = "text", size = 11, weight = 400, halo = false } = {}) {
    const { ctx, ratio } = this;
    ctx.save();
    ctx.font = `${weight} ${size * ratio}px ${FONT}`;
    ctx.textAlign = align;
    ctx.textBaseline = "alphabetic";
    if (halo) {
      ctx.strokeStyle = Theme.colour("panel");
      ctx.lineWidth = 4 * ratio;
      ctx.lineJoin = "round";
      ctx.strokeText(text, x * ratio, y * ratio);
    }
    ctx.fillStyle = Theme.colour(colour);
    ctx.fillText(text, x * ratio, y * ratio);
    ctx.restore();
  }
}
