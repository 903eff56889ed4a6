"""Tab on the line of a question in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from claude_magic.offline import LocalApi
from tests.pages import Notebook, chromium, jupyter_server


def test_in_jupyterlab(tmp_path: Path, local_api: LocalApi) -> None:
    reach = {"ANTHROPIC_BASE_URL": local_api.url, "ANTHROPIC_API_KEY": local_api.token}
    with jupyter_server(tmp_path, **reach) as server, chromium() as browser:
        book = Notebook(browser, server, ["%load_ext claude_magic", "%%claude --thin"], "tab")
        book.run(0)
        editor = book.cell(1).locator(".cm-content")
        editor.click()
        book.page.keyboard.press("Control+End")
        popup = book.page.locator(".jp-Completer")
        for _ in range(10):  # Lab waits a second for a kernel's completions, and does not ask again
            book.page.keyboard.press("Tab")
            book.page.wait_for_timeout(2_000)
            if popup.is_visible():
                break
        expect(popup).to_contain_text("--thinking")
        book.page.keyboard.press("Enter")
        book.page.wait_for_function(
            "() => /--thinking$/.test(document.querySelectorAll('.cm-content')[1].textContent)"
        )
        book.close()
