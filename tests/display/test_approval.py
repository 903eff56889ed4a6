"""A tool call is run only after a yes to exactly what was shown, in every front end."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import nbformat
import pexpect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Locator, Page, expect

from claude_magic.display.leave import leave_in, question_of, spelled
from claude_magic.values import ToolUsePart
from tests.display import versions
from tests.display.books import INTERRUPT
from tests.display.harness import SOURCE
from tests.kernels import Kernel, answer_input, clean_environment
from tests.pages import Notebook, Server, chromium, jupyter_server

# --- what is shown ------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
UNSEEN = re.compile(
    "[^\n -\U000e0000]|[\x00-\x09\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0]"
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), VALUES))
def test_what_is_shown_is_what_runs_letter_by_letter(arguments: dict[str, Any]) -> None:
    for written in (json.dumps(arguments), json.dumps(arguments, ensure_ascii=False, indent=1)):
        question = question_of(ToolUsePart("t", "tool", written))
        assert question is not None
        assert json.loads(question.arguments) == json.loads(written)
        assert not UNSEEN.search(question.arguments), question.arguments


@pytest.mark.parametrize(
    "given_json",
    ['{"a": 1, "a": 2}', '{"x": {"a": 1, "a": 2}}', '{"a": 1', "[1]", "3", "null", "[" * 9999, "x"],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_not_asked_about(given_json: str) -> None:
    assert question_of(ToolUsePart("t", "tool", given_json)) is None


def test_a_name_shows_what_is_hidden_in_it() -> None:
    question = question_of(ToolUsePart("t", "re\u202ead\nfile\u3164", ""))
    assert question is not None
    assert question.name == "re\\u202ead\\nfile\\u3164"
    assert question.arguments == "{}"
    assert spelled("é漢😀") == "é漢😀"


def test_only_an_answer_to_this_very_question_counts() -> None:
    call = ToolUsePart("t", "tool", "{}")
    one, same = question_of(call), question_of(call)
    assert one is not None
    assert same is not None
    assert one.id != same.id
    assert leave_in({"question": one.id, "leave": "once"}, one) == "once"
    for wrong in (
        {"question": same.id, "leave": "once"},
        {"question": one.id, "leave": "yes"},
        {"question": one.id, "leave": True},
        {"question": one.id, "leave": ["once"]},
        {"leave": "once"},
        {"question": None, "leave": "once"},
        {"question": one.id},
    ):
        assert leave_in(wrong, one) is None, wrong


# --- in a page ----------------------------------------------------------------------------------------

# Keeps what the page answers as it was sent, so that it can be sent again, whole or changed.
TAP = """
window.answers = [];
const send = WebSocket.prototype.send;
const text = data => typeof data === 'string' ? data : new TextDecoder('latin1').decode(data);
WebSocket.prototype.send = function (data) {
  if (text(data).includes('"leave"')) window.answers.push([this, data]);
  return send.call(this, data);
};
window.again = (at, change) => {
  const [socket, data] = window.answers[at];
  if (typeof data === 'string') return send.call(socket, change(data));
  send.call(socket, Uint8Array.from(change(text(data)), one => one.charCodeAt(0)).buffer);
};
"""


class Tapped:
    """A browser whose pages keep what they send."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def new_page(self, **kwargs: Any) -> Page:
        page = self._browser.new_page(**kwargs)
        page.add_init_script(TAP)
        return page


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    versions.write_kernelspecs(folder / "data")
    with jupyter_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


ONE = 'asked(("read_file", DANGER))'
TWO = 'asked(("read_file", DANGER), ("delete_file", DANGER))'


def opened(
    browser: Browser,
    server: Server,
    name: str,
    cells: list[str],
    version: str = versions.INSTALLED,
    place: str = "lab",
) -> Notebook:
    """Open a notebook on a kernel of a version, and run its harness."""
    versions.check(version)
    kernelspec = {"name": versions.kernelspec(version), "display_name": version, "language": "python"}
    file = nbformat.v4.new_notebook(metadata={"kernelspec": kernelspec})
    file.cells = [nbformat.v4.new_code_cell(cell) for cell in (SOURCE, *cells)]
    nbformat.write(file, server.root / f"{name}.ipynb")
    notebook = Notebook(cast("Browser", Tapped(browser)), server, [], name, place)
    notebook.run(0)
    return notebook


def panel(notebook: Notebook, index: int, name: str = "read_file") -> Locator:
    """The panel of a running cell, once it asks about a tool."""
    shown = notebook.output(index).get_by_role("group", name=f"The model wants to run {name}")
    shown.wait_for(timeout=30_000)
    return shown


def ended(notebook: Notebook, index: int) -> str:
    """What was allowed in a cell, as it says when it has ended."""
    line = notebook.output(index).get_by_text("leave:")
    line.wait_for(timeout=30_000)
    return line.inner_text().strip()


@pytest.fixture(scope="module", params=["lab", "notebooks"])
def book(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Notebook]:
    place = request.param
    cells = [ONE, ONE, ONE, TWO]
    notebook = opened(browser, server, f"asked-{place}", cells, place=place)
    yield notebook
    notebook.close()


@pytest.mark.parametrize(
    ("index", "button", "leave"),
    [(1, "Run once", "once"), (2, "Always run read_file", "always"), (3, "Do not run", "no")],
)
def test_a_button_answers(book: Notebook, index: int, button: str, leave: str) -> None:
    book.start(index)
    shown = panel(book, index)
    arguments = shown.get_by_role("region", name="Arguments")
    assert json.loads(arguments.inner_text()) == {
        "command": "echo hi", "note": "a\u202eb\u200bc\nd", "n": [1, 2.5, None]
    }  # fmt: skip
    assert "a\\u202eb\\u200bc\\nd" in arguments.inner_text()
    shown.get_by_role("button", name=button).click()
    assert ended(book, index) == f"leave: {leave} went on"
    expect(book.output(index).locator(".claude-leave")).to_have_count(0)


def test_two_calls_are_two_questions(book: Notebook) -> None:
    book.start(4)
    panel(book, 4).get_by_role("button", name="Run once").click()
    panel(book, 4, "delete_file").get_by_role("button", name="Do not run").click()
    assert ended(book, 4) == "leave: once no went on"


@pytest.fixture
def lab(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Notebook]:
    notebook = opened(browser, server, request.node.name.removeprefix("test_"), [ONE, TWO, "print(last)"])
    yield notebook
    notebook.close()


def test_an_answer_of_before_another_or_an_unknown_one_is_none(lab: Notebook) -> None:
    page = lab.page
    lab.start(1)
    panel(lab, 1).get_by_role("button", name="Run once").click()
    assert ended(lab, 1) == "leave: once went on"
    lab.start(2)
    shown = panel(lab, 2)
    # The first cell's yes, sent again; and the same on this view's line, to the question that stands there.
    page.evaluate("again(0, text => text)")
    shown.get_by_role("button", name="Run once").click()
    shown = panel(lab, 2, "delete_file")
    page.evaluate("again(1, text => text)")
    page.evaluate("again(1, text => text.replace(/[0-9a-f]{32}(?=\",\"leave)/, '0'.repeat(32)))")
    page.evaluate("again(1, text => text.replace('\"once\"', '\"evil\"'))")
    page.evaluate(
        "again(1, text => text.replace('\"once\"', '\"once\"').replace('\"question\"', '\"questiom\"'))"
    )
    seen = lab.output(2).locator(".claude-status em")
    before = seen.inner_text()
    page.wait_for_function(
        "([node, before]) => node.textContent !== before", arg=[seen.element_handle(), before]
    )
    shown.get_by_role("button", name="Do not run").click()
    assert ended(lab, 2) == "leave: once no went on"
    page.evaluate("again(1, text => text)")  # late: nobody asks any more
    lab.prints(3, "leave: once no went on")


def test_a_scripts_click_is_no_answer_and_a_hasty_one_neither(lab: Notebook) -> None:
    lab.page.evaluate(
        """() => new MutationObserver(() => document.querySelectorAll('.claude-leave button').forEach(
             button => button.click())).observe(document.body, {childList: true, subtree: true})"""
    )
    lab.start(1)
    shown = panel(lab, 1)
    always = shown.get_by_role("button", name="Always")
    always.click()  # waits until it can be pressed
    assert ended(lab, 1) == "leave: always went on"
    assert lab.page.evaluate("answers.length") == 1


def test_the_question_is_announced_and_leaves_the_focus_where_it_was(lab: Notebook) -> None:
    lab.start(1)
    lab.cell(3).locator(".cm-content").click()
    lab.page.keyboard.type("1 + 1 #")
    shown = panel(lab, 1)
    assert lab.page.evaluate("document.activeElement.classList.contains('cm-content')")
    lab.page.keyboard.type("on")
    expect(lab.cell(3).locator(".cm-content")).to_contain_text("1 + 1 #on")
    expect(lab.output(1).locator("[role=status]")).to_have_text(
        "The model wants to run read_file. Run once, always, or do not run?"
    )
    lab.page.wait_for_function(
        "() => document.querySelector('.claude-leave button:enabled.claude-leave-once')"
    )
    shown.get_by_role("region", name="Arguments").focus()
    for name in ("Run once", "Always run read_file", "Do not run"):
        lab.page.keyboard.press("Tab")
        assert lab.page.evaluate("document.activeElement.textContent") == name
    lab.page.keyboard.press("Shift+Tab")
    lab.page.keyboard.press("Enter")
    assert ended(lab, 1) == "leave: always went on"


def test_stop_is_a_no_and_so_is_an_interrupt(lab: Notebook) -> None:
    lab.start(1)
    panel(lab, 1)
    lab.output(1).get_by_role("button", name="Stop").click()
    assert ended(lab, 1) == "leave: no stopped"
    lab.start(2)
    panel(lab, 2)
    lab.page.locator(INTERRUPT).first.click()
    assert ended(lab, 2) == "leave: no no interrupted"


def test_another_view_shows_the_open_question_too(lab: Notebook) -> None:
    page = lab.page
    lab.start(1)
    panel(lab, 1)
    lab.output(1).click(button="right")
    page.locator(".lm-Menu-item[data-command='notebook:create-output-view']").click()
    second = page.locator(".jp-LinkedOutputView")
    asking = second.get_by_role("group", name="The model wants to run read_file")
    asking.wait_for(timeout=30_000)
    asking.get_by_role("button", name="Run once").click()
    assert ended(lab, 1) == "leave: once went on"
    expect(page.locator(".claude-leave")).to_have_count(0)


def test_after_a_reload_an_interrupt_is_a_no(lab: Notebook) -> None:
    page = lab.page
    lab.start(1)
    panel(lab, 1)
    lab.save()
    page.reload()
    # While the kernel is busy Lab has no models for a page that comes anew: nothing is run, nothing answered.
    lab.start(3)  # it waits for cell 1; that it waits shows that the page has its kernel again
    page.locator(INTERRUPT).first.click()
    lab.wait(3)
    assert lab.shown(3, "leave:").strip() == "leave: no interrupted"
    assert page.evaluate("answers") == []


STDIN = ".jp-Stdin-input"


def test_where_the_page_is_not_heard_it_is_asked_for_input(browser: Browser, server: Server) -> None:
    typed = {"y": "once", "a": "always", "": "no", "yess": "no"}
    notebook = opened(browser, server, "older", [ONE] * len(typed), "6.31.0")
    for index, (said, leave) in enumerate(typed.items(), 1):
        notebook.start(index)
        box = notebook.output(index).locator(STDIN)
        box.wait_for(timeout=30_000)
        shown = notebook.output(index).locator(".jp-Stdin-prompt")
        expect(shown).to_contain_text("The model wants to run read_file with")
        expect(shown).to_contain_text("a\\u202eb\\u200bc\\nd")
        box.fill(said)
        box.press("Enter")
        assert ended(notebook, index) == f"leave: {leave} went on"
    notebook.close()


def test_where_messages_come_too_late_it_is_asked_for_input_in_the_end(lab: Notebook) -> None:
    lab.cell(3).locator(".cm-content").click()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.insert_text("live.hear_while_busy = lambda widget: None")
    lab.run(3)
    lab.start(1)
    panel(lab, 1)
    box = lab.output(1).locator(STDIN)
    box.wait_for(timeout=30_000)
    expect(lab.output(1).locator(".claude-leave")).to_have_count(0)
    lab.page.locator(INTERRUPT).first.click()
    assert ended(lab, 1) == "leave: no interrupted"


# --- without a page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def harnessed(kernel: Kernel) -> Kernel:
    ran = kernel.run(SOURCE)
    assert ran.status == "ok", ran.error
    return kernel


def test_a_notebook_whose_page_never_comes_is_a_no_in_the_end(harnessed: Kernel) -> None:
    ran = harnessed.run(ONE, cell_id="a", allow_stdin=False)
    assert "leave: unasked went on" in ran.stdout


def test_without_a_front_end_nobody_is_asked(harnessed: Kernel) -> None:
    ran = harnessed.run(ONE, allow_stdin=False)
    assert "leave: unasked went on" in ran.stdout
    assert len(ran.displayed) == 1


@pytest.mark.parametrize(
    ("typed", "leave"), [("Y", "once"), ("always", "always"), ("no", "no"), ("\x04", "no")]
)
def test_a_console_is_asked_for_input(harnessed: Kernel, typed: str, leave: str) -> None:
    request = harnessed.send(ONE)
    assert "The model wants to run read_file with\n{\n" in answer_input(harnessed, typed)
    assert f"leave: {leave} went on" in harnessed.collect(request).stdout


def test_a_call_that_is_cut_is_a_no_unasked(harnessed: Kernel) -> None:
    assert "leave: unasked went on" in harnessed.run("""asked(("read_file", '{"a": 1'))""").stdout


def test_an_interrupt_of_the_question_is_a_no_and_ends_the_reply(harnessed: Kernel) -> None:
    request = harnessed.send(TWO)
    message = harnessed.client.get_stdin_msg(timeout=60)
    assert message["msg_type"] == "input_request"
    harnessed.manager.interrupt_kernel()
    assert "leave: no no interrupted" in harnessed.collect(request).stdout


def test_a_terminal_is_asked_and_what_was_typed_before_is_no_answer(tmp_path: Path) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor", "--no-confirm-exit"],
        env=clean_environment(tmp_path, TERM="dumb"), cwd=str(tmp_path), encoding="utf-8", timeout=60,
        dimensions=(50, 200),
    )  # fmt: skip
    try:
        (tmp_path / "harness.py").write_text(
            SOURCE.replace("views =", "from IPython import get_ipython\nviews =")
        )
        child.expect(r"In \[1\]: ")
        child.sendline("from harness import *")
        for at, (typed, leave) in enumerate([("y", "once"), ("a", "always"), ("what?", "no"), ("", "no")], 2):
            child.expect(rf"In \[{at}\]: ")
            child.sendline(ONE)
            child.expect(r"\[N\]o: ")
            assert "\\u202e" in child.before
            child.sendline(typed)
            child.expect(f"leave: {leave} went on")
        child.expect(r"In \[6\]: ")
        child.sendline(f"print('first'); time.sleep(1.5); {ONE}")
        child.expect("first")
        child.send("y\n")
        child.expect(r"\[N\]o: ")
        child.kill(signal.SIGINT)
        child.expect("leave: no interrupted")
    finally:
        child.close(force=True)
