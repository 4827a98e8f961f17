"""What a reader sees of the charts, by the pixels of their canvases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Open = Callable[..., Any]
"""Opens the page of a run, in a context with these options."""

_COUNT = """([plot, name]) => {
  const canvas = plot.querySelector("canvas"), over = plot.querySelector(".u-over"), r = devicePixelRatio;
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = over;
  const [x, y, w, h] = [offsetLeft, offsetTop, offsetWidth, offsetHeight].map((n) => Math.round(n * r));
  const { data } = canvas.getContext("2d").getImageData(x, y, w, h);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] === 255 && data[i] === red && data[i + 1] === green && data[i + 2] === blue) count++;
  }
  return count;
}"""

_ALPHA = """([plot, share]) => {
  const canvas = plot.querySelector("canvas"), over = plot.querySelector(".u-over"), r = devicePixelRatio;
  const x = Math.round((over.offsetLeft + share * over.offsetWidth) * r), y = Math.round((over.offsetTop + 3) * r);
  const { data } = canvas.getContext("2d").getImageData(x - 2, y, 5, 5);
  return Math.min(...data.filter((_, i) => i % 4 === 3));
}"""


def plots(page: Any) -> list[Any]:
    return page.query_selector_all(".plot")


def of_figure(page: Any, figure: str) -> list[Any]:
    return page.query_selector_all(f"#{figure} .plot")


def pixels(page: Any, plot: Any, colour: str) -> int:
    """How many pixels inside the axes have a colour of the theme."""
    return page.evaluate(_COUNT, [plot, colour])


def opacity(page: Any, plot: Any, share: float) -> int:
    """The least opacity (0 to 255) near the top edge, at a share of the time axis: where nothing is drawn it is 0."""
    return page.evaluate(_ALPHA, [plot, share])


def pictures(page: Any) -> list[str]:
    """Every chart as it looks now."""
    return page.evaluate("[...document.querySelectorAll('.plot canvas')].map((canvas) => canvas.toDataURL())")


def settle(page: Any) -> None:
    """uPlot draws after the code that asked for it has ended."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
