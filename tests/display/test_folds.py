"""Thinking and tool calls fold: live, where they grow; saved, in every front end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from claude_magic.display.live import CSS, MODULE, LiveView
from claude_magic.display.status import Status
from claude_magic.sections import call_section
from claude_magic.stop import Stop
from claude_magic.values import Call, Section, Usage, text_block
from tests.display.harness import SOURCE
from tests.pages import Notebook, Server, chromium, jupyter_server

STATUS = Status("claude-sonnet-5-5", "thinking", Usage(), None, 1.0)
CALL = Call("t", "mean", '{"column": "a"}', (text_block("1.5"),), seconds=0.42)
CODE = "Look:\n\n```python\nx = 'a\u202eb'\nprint(x)\n```\n\nSo much for that.\n\n"


class Sent:
    """A live view without a page: what it would send."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.view = LiveView(cast("Any", None), cast("Any", None), Stop(), inline=True)
        self.view._widget = cast("Any", self)
        self.view._heard.set()

    def send(self, message: dict[str, Any]) -> None:
        """Take one message."""
        self.messages.append(message)

    def think(self, text: str) -> None:
        """Have the model think on."""
        self.view.show(Section("thinking", text), STATUS)

    def whole(self) -> dict[str, Any]:
        """The message with all there is, as it is sent to a page that has lost something."""
        return {"whole": self.view.whole_frame()}


def test_thinking_is_sent_once() -> None:
    sent, piece = Sent(), "a thought <b> of some length, "
    for _ in range(2_000):
        sent.think(piece)
    size = 2_000 * len(piece)
    assert len(json.dumps(sent.messages)) < 3 * size
    assert "".join(one["thought"] for one in sent.messages) == piece * 2_000
    before = len(sent.messages)
    sent.view.draw("So.", STATUS)
    assert len(json.dumps(sent.messages[before:])) < 500
    assert sent.view.whole_frame()["done"].count("&lt;b&gt;") == 2_000


def test_a_thought_cut_anywhere_is_the_same_text() -> None:
    text = "\n\none\r\ntwo\rthree\u202e😀\r\n\r\nfour"
    whole = Sent()
    whole.think(text)
    whole.view.draw("x", STATUS)
    for cut in range(1, len(text)):
        sent = Sent()
        sent.think(text[:cut])
        sent.think(text[cut:])
        sent.view.draw("x", STATUS)
        assert sent.view.whole_frame()["done"] == whole.view.whole_frame()["done"], cut


def test_what_was_written_stays_when_it_thinks_again() -> None:
    sent = Sent()
    sent.view.draw("Half a par", STATUS)
    sent.think("hm")
    sent.view.draw("agraph.", STATUS)
    frame = sent.view.whole_frame()
    assert frame["done"].index("Half a par") < frame["done"].index("hm")
    assert "agraph" in frame["tail"]


# --- the drawing module, in a page --------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter_server(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


START = """async ({code, css}) => {
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const live = (await import(url)).default;
  const style = document.createElement('style');
  style.textContent = css;
  document.head.append(style);
  window.open_view = key => {
    const heard = [], asked = [];
    const model = {get: name => ({key, frame: {}})[name], on: (_, listen) => heard.push(listen),
                   send: message => asked.push(message)};
    const show = () => {
      const el = document.createElement('div');
      document.body.append(el);
      live.render({model, el});
      return el;
    };
    live.initialize({model});
    return {tell: message => heard.forEach(listen => listen(message)), show, el: show(), asked};
  };
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    blank = "http://127.0.0.1/blank"  # nothing is sent there; a page of it may use the clipboard
    page.route(blank, lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(blank)
    page.evaluate(START, {"code": MODULE, "css": CSS})
    page.evaluate("window.view = open_view('k')")
    tell(page, [Sent().whole()])
    yield page
    page.close()


def tell(page: Page, messages: list[dict[str, Any]]) -> None:
    """Hand the view messages of the kernel, and forget them."""
    page.evaluate("messages => messages.forEach(view.tell)", json.loads(json.dumps(messages)))
    messages.clear()


# A view's HTML, but for line ends between elements and what is spoken now and then.
DRAWN = """which => {
  const copy = eval(which).firstChild.cloneNode(true);
  copy.querySelector('.claude-spoken').remove();
  return copy.innerHTML.replaceAll('\\n', '');
}"""


def folds(page: Page) -> list[list[Any]]:
    """The folds that stand in the view: class, open, text."""
    return list(
        page.evaluate(
            "() => [...view.el.querySelectorAll('details')].map(d => [d.className.split(' ')[1], d.open,"
            " d.lastElementChild.textContent])"
        )
    )


def test_thinking_grows_open_and_folds_when_something_follows(page: Page) -> None:
    sent = Sent()
    sent.think("first, <i>")
    tell(page, sent.messages)
    page.evaluate("window.fold = view.el.querySelector('details')")
    sent.think("and\nthen")
    tell(page, sent.messages)
    assert folds(page) == [["claude-thinking", True, "first, <i>and\nthen"]]
    sent.view.show(call_section(CALL, timed=True), STATUS)
    tell(page, sent.messages)
    assert [fold[:2] for fold in folds(page)] == [["claude-thinking", False], ["claude-call", False]]
    summary = page.locator(".claude-call summary").inner_text()
    assert summary == 'mean(column="a") · 0.4 s'
    sent.think("again")
    sent.view.draw("Done.", STATUS)
    tell(page, sent.messages)
    assert [fold[0] for fold in folds(page)] == ["claude-thinking", "claude-call", "claude-thinking"]
    assert page.evaluate("fold === view.el.querySelector('details')"), "it is made anew"
    # A view that comes later, and one that lost something, show the same.
    drawn = page.evaluate(DRAWN, "view.el")
    assert page.evaluate(DRAWN, "view.show()") == drawn
    tell(page, [sent.whole()])
    assert page.evaluate(DRAWN, "view.el") == drawn


def test_a_gap_is_noticed_and_the_whole_brings_the_open_thought(page: Page) -> None:
    sent = Sent()
    sent.think("one ")
    tell(page, sent.messages)
    sent.think("two ")
    sent.messages.clear()
    sent.think("three ")
    tell(page, sent.messages)
    assert folds(page) == [["claude-thinking", True, "one "]]
    assert page.evaluate("view.asked.at(-1).kind") == "hello"
    sent.view._asked.set()
    sent.think("four")
    tell(page, sent.messages)
    assert folds(page) == [["claude-thinking", True, "one two three four"]]


def test_what_the_reader_has_turned_stays_so(page: Page) -> None:
    sent = Sent()
    sent.think("one ")
    tell(page, sent.messages)
    thinking = page.locator(".claude-thinking summary")
    thinking.click()
    sent.think("two")
    tell(page, sent.messages)
    assert folds(page) == [["claude-thinking", False, "one two"]]
    thinking.click()
    sent.view.show(call_section(CALL), STATUS)
    tell(page, sent.messages)
    page.locator(".claude-call summary").click()
    sent.view.draw("Text.\n\nMore", STATUS)
    tell(page, [*sent.messages, sent.whole()])
    assert [fold[1] for fold in folds(page)] == [True, True]


def test_code_is_copied_as_it_is_seen(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sent = Sent()
    sent.view.draw(CODE, STATUS)
    tell(page, sent.messages)
    block = page.locator("pre")
    seen = block.locator("code").inner_text()
    assert seen.startswith("x = 'a⟨U+202E⟩b'\nprint(x)")
    button = page.get_by_role("button", name="Copy the code")
    opacity = "node => getComputedStyle(node).opacity"
    assert button.evaluate(opacity) == "0"
    assert block.inner_text() == seen  # the button is no part of it
    block.hover()
    assert button.evaluate(opacity) == "1"
    button.click()
    page.wait_for_function("() => document.querySelector('.claude-copy').dataset.says === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == seen.rstrip("\n")
    assert page.locator("[role=status]").inner_text() == "Copied"
    page.evaluate("navigator.clipboard.writeText('')")
    page.mouse.move(0, 0)
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert button.evaluate(opacity) == "1"
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as over plain http
    page.evaluate("addEventListener('copy', event => window.copied = document.getSelection().toString())")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.copied !== undefined")
    assert page.evaluate("copied") == seen.rstrip("\n")
    assert button.evaluate("node => node === document.activeElement")
    assert page.locator("textarea").count() == 0


def test_a_question_stands_still_while_the_rest_goes_on(page: Page) -> None:
    question = {"id": "q1", "name": "tool", "arguments": '{\n  "a": "<img src=x>"\n}'}
    tell(page, [{"number": 1, "question": question, "status": "s"}])
    page.evaluate("window.panel = view.el.querySelector('.claude-leave')")
    assert page.locator(".claude-leave-arguments").inner_text() == question["arguments"]
    frame = {**Sent().view.whole_frame(), "number": 2, "question": question, "done": "<p>x</p>"}
    tell(page, [{"whole": frame}, {"number": 3, "status": "t"}])
    assert page.evaluate("panel === view.el.querySelector('.claude-leave')")
    page.get_by_role("button", name="Run once").click()
    assert page.evaluate("view.asked.at(-1)") == {"kind": "leave", "question": "q1", "leave": "once"}
    tell(page, [{"number": 4, "question": None}])
    assert page.locator(".claude-leave").count() == 0


# --- in a notebook ------------------------------------------------------------------------------------

HOSTILE = "</div></details><img src=x onerror=alert(1)> [x](javascript:1) `"
SHOWN = f"""\
hostile = {HOSTILE!r}
call = Call("t", "mean" + hostile, json.dumps({{"a": hostile}}), (text_block(hostile),))
thought = "One.\\n\\n- two " + hostile + "\\n\\n```\\nthree"
with Stop() as stop:
    view = views.make("auto", stop)
    view.begin(STATUS, ())
    for at in range(0, len(thought), 5):
        view.show(Section("thinking", thought[at:at + 5]), STATUS)
        time.sleep(0.05)
    view.show(call_section(call, timed=True), STATUS)
    view.draw("Text.", STATUS)
    while not stop.asked:
        stop.sleep(0.1)
    sections = [Section("thinking", thought, "Thinking"), call_section(call), Section("text", "Text.")]
    view.end(turn_of("Text.", sections))
"""


def saved_folds(output: Locator) -> list[list[Any]]:
    """What stands in a saved output, element by element: its name, whether it is open, what is seen."""
    root = output.locator(".jp-RenderedMarkdown")
    root.locator("details").nth(1).wait_for(timeout=30_000)
    return list(
        root.evaluate("root => [...root.children].map(n => [n.localName, n.open ?? null, n.innerText])")
    )


def test_folds_are_folded_in_the_saved_notebook_and_can_be_opened(browser: Browser, server: Server) -> None:
    notebook = Notebook(browser, server, [SOURCE, SHOWN], "folds")
    notebook.run(0)
    notebook.start(1)
    live = notebook.output(1).locator(".claude-magic")
    live.locator(".claude-growing[open]").wait_for(timeout=30_000)
    live.locator(".claude-call").wait_for(timeout=30_000)
    expect(live.locator("details[open]")).to_have_count(0)
    live.locator(".claude-thinking summary").click()
    expect(live.locator(".claude-thinking .claude-folded")).to_contain_text(HOSTILE)
    assert live.locator("img, a").count() == 0
    notebook.output(1).get_by_role("button", name="Stop").click()
    notebook.wait(1)
    fresh = saved_folds(notebook.output(1))
    notebook.save()
    notebook.close()
    notebook = Notebook(browser, server, [], "folds")
    for shown in (fresh, saved_folds(notebook.output(1))):
        assert [one[0] for one in shown] == ["details", "details", "p", "p"]
        assert [one[1] for one in shown[:2]] == [False, False]
        assert [one[2] for one in shown[:1]] == ["Thinking"]
        assert shown[1][2].startswith("mean</div></details><img src=x onerror=alert(1)>")
    summary = notebook.output(1).locator("summary").first
    summary.focus()
    notebook.page.keyboard.press("Enter")
    opened = saved_folds(notebook.output(1))[0]
    assert opened[1] is True
    assert "three" in opened[2]
    notebook.close()


def test_folds_are_folded_in_nbconverts_html(browser: Browser, server: Server) -> None:
    book = server.root / "folds.ipynb"
    assert book.exists(), "the test above has written it"
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(book)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    page = browser.new_page()
    page.route(
        "**/*", lambda route: route.abort() if route.request.url.startswith("http") else route.continue_()
    )
    page.goto(f"file://{book.with_suffix('.html')}")
    folds = page.locator(".jp-RenderedMarkdown details")
    assert folds.evaluate_all("all => all.map(one => one.open)") == [False, False]
    assert page.locator(".jp-RenderedMarkdown img").count() == 0
    folds.first.locator("summary").click()
    assert "three" in folds.first.inner_text()
    page.close()
