"""A real JupyterLab, or Notebook 7, in a real Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.canary import keys_in
from tests.kernels import PATIENCE, clean_environment

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Server:
    """A running Jupyter server."""

    url: str
    token: str
    root: Path


@contextmanager
def jupyter_server(folder: Path, **extra: str) -> Iterator[Server]:
    """Start a Jupyter server on a free port of loopback; end it by its process."""
    root, runtime = folder / "notebooks", folder / "runtime"
    root.mkdir()
    runtime.mkdir()
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.port=0",
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=test-token",
        f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    environment = clean_environment(
        folder,
        JUPYTER_RUNTIME_DIR=str(runtime),
        JUPYTER_CONFIG_DIR=str(folder / "config"),
        JUPYTER_DATA_DIR=str(folder / "data"),
        **extra,
    )
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=root)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = list(runtime.glob(f"jpserver-{process.pid}.json"))
            if found and (info := _read(found[0])):
                yield Server(f"http://127.0.0.1:{info['port']}", "test-token", root)
                return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((folder / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:])
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return None  # still being written


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; the machine's own, because no other can be had here."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise RuntimeError("the browser tests need Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Notebook:
    """A notebook open in a page.

    Parameters
    ----------
    place : str
        ``lab`` or ``notebooks`` (Notebook 7).
    """

    def __init__(
        self, browser: Browser, server: Server, cells: list[str], name: str, place: str = "lab"
    ) -> None:
        self.path = server.root / f"{name}.ipynb"
        if cells:
            book = nbformat.v4.new_notebook()
            book.metadata["kernelspec"] = {
                "name": "python3",
                "display_name": "Python 3",
                "language": "python",
            }
            book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
            nbformat.write(book, self.path)
        self.page: Page = browser.new_page(viewport={"width": 1100, "height": 900})
        self.console: list[str] = []
        self.page.on("console", lambda message: self.console.append(message.text))
        self.requested: list[str] = []
        self.page.on("request", lambda request: self.requested.append(request.url))
        # On a busy machine Jupyter may ask for the kernel that the file names: what it proposes is that one.
        chooser = self.page.locator("dialog.jp-Dialog").filter(has_text="Select Kernel")
        accept = chooser.locator(".jp-mod-accept")
        self.page.add_locator_handler(chooser, lambda _: accept.click())
        # A workspace of its own: the common one brings back, on a reload, what other pages have open.
        where = f"lab/workspaces/{name.replace('.', '-')}/tree" if place == "lab" else "notebooks"
        extra = "&reset" if place == "lab" else ""
        self.page.goto(f"{server.url}/{where}/{name}.ipynb?token={server.token}{extra}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        # Cells can be run once the kernel is there; its status need not say so (it idles while widgets talk).
        self.page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=60_000)

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def start(self, index: int) -> None:
        """Run a cell without waiting for it; a page without a kernel ignores the key, so press again."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        for _ in range(10):
            self.cell(index).locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            for _ in range(20):
                if prompt.inner_text().strip() != "[ ]:":
                    return
                self.page.wait_for_timeout(50)
        raise TimeoutError("the page does not run its cells")

    def run(self, index: int) -> Locator:
        """Run a cell to its end; return its output area."""
        self.start(index)
        self.wait(index)
        return self.output(index)

    def run_again(self, index: int) -> None:
        """Run a cell that has run before, to its end: its prompt shows another number."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.start(index)
        for _ in range(600):
            if prompt.inner_text() not in (before, "[*]:"):
                return
            self.page.wait_for_timeout(50)
        raise TimeoutError("the cell did not end")

    def wait(self, index: int) -> None:
        """Wait until a cell has ended: its prompt shows a number."""
        self.page.wait_for_function(
            "i => /\\[\\d+\\]/.test(document.querySelectorAll('.jp-Notebook .jp-Cell')[i]"
            ".querySelector('.jp-InputPrompt').textContent)",
            arg=index,
            timeout=60_000,
        )

    def output(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-Cell-outputArea")

    def shown(self, index: int, *texts: str) -> str:
        """What a cell shows, once these texts stand there: a page draws an output when its cell has ended."""
        for text in texts:
            expect(self.output(index)).to_contain_text(text, timeout=30_000, use_inner_text=True)
        return self.output(index).inner_text()

    def prints(self, index: int, text: str) -> None:
        """Run a cell to its end; all that it shows is this text."""
        expect(self.run(index)).to_have_text(text, timeout=30_000, use_inner_text=True)

    def restart(self) -> None:
        """Restart the kernel by the menu, after which the page asks the new one how it is."""
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.locator(".lm-Menu-item[data-command='kernelmenu:restart']").click()
        self.page.locator("dialog.jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_timeout(1_000)
        self.page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=60_000)

    def save(self) -> Any:
        """Save the notebook; return what is on disk."""
        before = self.path.stat().st_mtime_ns
        self.page.keyboard.press("Control+s")
        deadline = time.monotonic() + PATIENCE
        while self.path.stat().st_mtime_ns == before or _read(self.path) is None:
            if time.monotonic() > deadline:
                break
            self.page.wait_for_timeout(50)
        return nbformat.read(self.path, as_version=4)

    def close(self) -> None:
        """Close the page; neither it nor its console may hold a key."""
        seen = "\n".join((self.page.content(), *self.console))
        self.page.close()
        assert not keys_in(seen.encode("utf-8", "replace")), "a key is in the page"
