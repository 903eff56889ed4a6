"""A newcomer's path, timed: ``python -m tests.newcomer``.

In a fresh clone, with an empty home, nothing but the README's first command is run. The page that it opens is
driven in a real Chromium from the first cell to the first answer that streams in. Prints seconds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from tests.kernels import clean_environment
from tests.pages import chromium

ROOT = Path(__file__).parent.parent
PATIENCE = 900.0
"""Seconds that installing may take."""


def first_command() -> str:
    """The first command of the README's "Try it without a key"."""
    section = (ROOT / "README.md").read_text("utf-8").split("## Try it without a key")[1]
    found = re.search(r"```\n(.+?)\n```", section)
    assert found is not None
    return found[1]


def opened(home: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that JupyterLab asks the browser to open."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        log = (home / "opened").read_text("utf-8") if (home / "opened").exists() else ""
        if log.strip():
            return log.split()[0]
        time.sleep(0.1)
    raise RuntimeError((home / "log").read_text("utf-8", "replace")[-2000:])


def first_answer(page: Page) -> None:
    """Run the cells from the top until an answer is there."""
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=120_000)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    answer = page.locator(".jp-Cell-outputArea").filter(has_text="Offline demo model, not Claude")
    for _ in range(8):
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(250)
        if answer.count():
            break
    answer.first.wait_for(timeout=120_000)


def main() -> int:
    """Go the path; print how long each part took."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        subprocess.run(["git", "clone", "-q", str(ROOT), str(home / "clone")], check=True)
        browser = home / "browser"
        browser.write_text(f'#!/bin/sh\necho "$1" >"{home}/opened"\n')
        browser.chmod(0o755)
        environment = clean_environment(home, BROWSER=f"{browser} %s")
        # Not the environment that these tests run in: the newcomer has the system's Python.
        own = str(Path(sys.executable).parent)
        environment["PATH"] = os.pathsep.join(p for p in environment["PATH"].split(os.pathsep) if p != own)
        environment.pop("PYTHONPATH", None)
        began = time.monotonic()
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", first_command()],
                cwd=home / "clone", env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            address = opened(home, process)
            installed = time.monotonic()
            with chromium() as running:
                page = running.new_page()
                page.goto(address)
                first_answer(page)
            ended = time.monotonic()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)
    print(f"{first_command()}\n{installed - began:6.0f} s until JupyterLab opens the page")
    print(
        f"{ended - installed:6.0f} s until the first streamed answer is there\n{ended - began:6.0f} s in all"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
