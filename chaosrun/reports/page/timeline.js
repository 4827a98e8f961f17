// The time axis that all charts share: which part of the run is shown, and where the cursor stands.

const LEAST_SHOWN = 0.05; // seconds
const ZOOM = 2;

class Timeline {
  constructor(end) {
    this.end = end;
    this.min = 0;
    this.max = end;
    this.at = null;
    this.plots = [];
    this.onChange = () => {};
  }

  get long() {
    return this.end > 180;
  }

  get whole() {
    return this.min === 0 && this.max === this.end;
  }

  show(min, max) {
    const wide = Math.min(this.end, Math.max(LEAST_SHOWN, max - min));
    this.min = Math.max(0, Math.min(min, this.end - wide));
    this.max = this.min + wide;
    if (this.end - this.max < 1e-9) this.max = this.end;
    for (const plot of this.plots) plot.rescale();
    this.point(this.at);
  }

  reset() {
    this.show(0, this.end);
  }

  /** Narrower (`factor` above 1) or wider, around the cursor. */
  zoom(factor) {
    const wide = (this.max - this.min) / factor;
    const seen = this.at != null && this.at >= this.min && this.at <= this.max;
    const centre = seen ? this.at : (this.min + this.max) / 2;
    const share = (centre - this.min) / (this.max - this.min);
    this.show(centre - wide * share, centre + wide * (1 - share));
  }

  point(t) {
    this.at = t == null ? null : Math.max(0, Math.min(this.end, t));
    for (const plot of this.plots) plot.point(this.at);
    this.onChange();
  }

  /** Moves the cursor by a share of what is shown, and the shown part with it where it leaves that. */
  step(share) {
    const wide = this.max - this.min;
    const from = this.at ?? (share > 0 ? this.min : this.max);
    const t = Math.max(0, Math.min(this.end, from + share * wide));
    if (t < this.min) this.show(t, t + wide);
    else if (t > this.max) this.show(t - wide, t);
    this.point(t);
  }
}
