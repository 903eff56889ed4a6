"""A notebook that asks and is stopped, on a kernel of any ipykernel version, and the time it took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import nbformat
from playwright.sync_api import Browser, Locator

from tests.display import versions
from tests.pages import Notebook, Server

BOUND = 5.0
"""Seconds a Stop may take on a machine that has other things to do; each test prints what it took."""
INTERRUPT = ".jp-NotebookPanel-toolbar [data-command$='interrupt-kernel']"
LOAD = "%load_ext claude_magic\nimport ipykernel\nprint(ipykernel.__version__)"
CELLS = [LOAD, "%%claude\nWrite at length.", "print(_claude.stage)", "%%claude\nBe well.", "print('end')"]
LONG, STAGE, NEXT, END = range(1, 5)

WATCH = """index => {
  const prompt = document.querySelectorAll('.jp-Notebook .jp-Cell')[index].querySelector('.jp-InputPrompt');
  let pressed = 0;
  const note = () => { pressed ||= performance.now(); };
  for (const kind of ['click', 'keydown']) document.addEventListener(kind, note, {capture: true, once: true});
  window.claudeStopped = new Promise((resolve, reject) => {
    const look = () => {
      const now = performance.now();
      if (pressed && /\\d|\\[ \\]/.test(prompt.textContent)) resolve(now - pressed);
      else if (pressed && now - pressed > 20000) reject(new Error('the cell goes on'));
      else setTimeout(look, 5);
    };
    look();
  });
}"""


@dataclass
class Book:
    """A notebook open in a page, whose kernel runs one version of ipykernel."""

    notebook: Notebook
    version: str

    @property
    def hears(self) -> bool:
        """Whether the button's message reaches the kernel while a cell runs: it has subshells."""
        return not self.version.startswith("6.")

    def button(self, index: int) -> Locator:
        """The Stop button of a running cell."""
        button = self.notebook.output(index).get_by_role("button", name="Stop")
        button.wait_for(timeout=30_000)
        return button

    def seen(self, index: int, text: str) -> None:
        """Wait until a cell's output shows a text."""
        self.notebook.output(index).get_by_text(text).first.wait_for(timeout=30_000)

    def heard(self, index: int) -> None:
        """Wait until the kernel has heard the page while the cell runs, where it can."""
        if self.hears:
            self.notebook.output(index).locator(".claude-magic[data-heard]").wait_for(timeout=30_000)

    def prompt(self, index: int) -> str:
        return self.notebook.cell(index).locator(".jp-InputPrompt").inner_text().strip()

    def write(self, index: int, source: str) -> None:
        """Put another text into a cell."""
        self.notebook.cell(index).locator(".cm-content").click()
        self.notebook.page.keyboard.press("Control+a")
        self.notebook.page.keyboard.insert_text(source)

    def ask(self, index: int, question: str) -> None:
        """Start another question in a cell; its output is that of this question."""
        self.write(index, f"%%claude\n{question}")
        self.notebook.page.keyboard.press("Control+Enter")
        self.button(index)

    def run(self, index: int) -> Locator:
        """Run a cell, again or for the first time; return its output."""
        (self.notebook.run if self.prompt(index) == "[ ]:" else self.notebook.run_again)(index)
        return self.notebook.output(index)

    def run_all(self) -> None:
        """Choose Run All in the menu; the long answer begins."""
        page = self.notebook.page
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
        self.button(LONG)

    def ends(self, index: int, press: Callable[[], None]) -> None:
        """Press something that ends a running cell, and see that it does so in time."""
        page = self.notebook.page
        page.evaluate(WATCH, index)
        press()
        seconds = page.evaluate("window.claudeStopped") / 1000
        print(f"ipykernel {self.version}: ended after {seconds:.2f} s")
        assert seconds < BOUND

    def stop(self, index: int) -> None:
        """Press a cell's Stop button."""
        self.ends(index, self.button(index).click)

    def interrupt(self, index: int) -> None:
        """Press the toolbar's button that interrupts the kernel."""
        self.ends(index, self.notebook.page.locator(INTERRUPT).first.click)


def opened_book(browser: Browser, server: Server, version: str, name: str, place: str = "lab") -> Book:
    """Open a new notebook on a kernel of a version."""
    versions.check(version)
    kernelspec = {"name": versions.kernelspec(version), "display_name": version, "language": "python"}
    file = nbformat.v4.new_notebook(metadata={"kernelspec": kernelspec})
    file.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(file, server.root / f"{name}.ipynb")
    book = Book(Notebook(browser, server, [], name, place), version)
    book.notebook.prints(0, version)
    return book
