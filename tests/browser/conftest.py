"""A real Chromium, and pages of scored runs in it. A page that logs an error, asks for anything or is refused anything
by its own policy fails the test that opened it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
for folder in ("reports", "scoring", "compare", "history", "browser"):
    sys.path.insert(0, str(TESTS / folder))

AXE = "4.14.1"
_WATCH = "addEventListener('securitypolicyviolation', (e) => (window.refused ??= []).push(e.violatedDirective))"


@pytest.fixture(scope="module")  # Playwright keeps a loop running in this thread, and other tests want their own
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'; .ci/run does"
    )
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium on the PATH; .ci/run installs it")
    with playwright.sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(shown: Any) -> Any:
    """Opens the page of a run, once its charts are drawn."""
    from chaosrun.reports.html import render

    def open_(run: Any, **options: Any) -> Any:
        page = shown(render(run)["report.html"], **options)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-drawn]", state="attached", timeout=60_000)
        return page

    return open_


@pytest.fixture
def shown(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a page, given its bytes."""
    contexts, troubles, asked = [], [], []

    def show(data: bytes, **options: Any) -> Any:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_bytes(data)
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        context.add_init_script(_WATCH)
        page = context.new_page()
        page.on("console", lambda line: troubles.append(line.text) if _is_trouble(line) else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page

    yield show
    refused = [page.evaluate("window.refused ?? []") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert troubles == []
    assert refused == [[]] * len(contexts)
    assert len(asked) == len(contexts), asked  # the page itself, and nothing else


def _is_trouble(line: Any) -> bool:
    """That canvases are read often is the doing of the tests."""
    return line.type in ("error", "warning") and "getImageData" not in line.text


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which npm fetches once."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on the PATH; .ci/run installs it")
    folder = Path.home() / ".cache" / "chaosrun" / f"axe-{AXE}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", f"axe-core@{AXE}"]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=100)
    return script.read_text()
