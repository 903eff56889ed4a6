"""Stop, by the view's button and by the notebook's interrupt, on every ipykernel that is still about."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.display import versions
from tests.display.books import END, INTERRUPT, LONG, NEXT, STAGE, Book, opened_book
from tests.faults import (
    GOOD,
    SO_FAR,
    TEXT,
    WELL,
    FaultServer,
    Hang,
    Raw,
    Script,
    Seen,
    Sleep,
    chunk,
    closed,
    delta,
    ended,
    head,
    opened,
    refusal,
    sse,
    start,
)
from tests.pages import Server, chromium, jupyter_server

PARTIAL = "stopped, the answer is partial"
LAST = "the last words"


def long_answer(pieces: int) -> Script:
    """An answer at the pace of a model: fifty pieces a second."""
    steps = [Raw(head()), Raw(chunk(sse(start(), opened())))]
    written = [Raw(chunk(sse(delta("text_delta", text=f"word {number} ")))) for number in range(pieces)]
    paced = [step for word in written for step in (word, Sleep(0.02))]
    last = Raw(chunk(sse(delta("text_delta", text=LAST))))
    return (*steps, *paced, last, Sleep(0.12), Raw(chunk(sse(closed(), *ended()))), Raw(chunk(b"")))


ANSWERS: dict[str, Script] = {
    "Write at length.": long_answer(1500),
    "Write a little.": long_answer(200),
    "Say nothing.": (Hang(),),
    "Say you will.": (Raw(head()), Hang()),
    "Say half of it.": (Raw(head()), Raw(chunk(SO_FAR)), Hang()),
    "Be busy.": refusal(529, "overloaded_error", "Overloaded", retry_after="30"),
    "Be well.": GOOD,
}
SILENT = {"Say nothing.": "", "Say you will.": "", "Say half of it.": TEXT}


def choose(seen: Seen) -> Script:
    """The answer to the last question of a conversation."""
    asked = json.dumps(seen.messages[-1])
    return next(script for question, script in ANSWERS.items() if question in asked)


@pytest.fixture(scope="module")
def api() -> Iterator[FaultServer]:
    with FaultServer(choose) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, api: FaultServer) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    versions.write_kernelspecs(folder / "data")
    with jupyter_server(folder, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY="test-key") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


PLACES = [("lab", versions.INSTALLED), ("notebooks", versions.INSTALLED)]
PLACES += [("lab", version) for version in versions.OLDER]


@pytest.fixture(scope="module", params=PLACES, ids="-".join)
def book(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Book]:
    place, version = request.param
    running = opened_book(browser, server, version, f"{place}-{version}", place)
    yield running
    running.notebook.close()


def test_the_button_keeps_what_has_come_and_run_all_goes_on(book: Book, api: FaultServer) -> None:
    book.run_all()
    book.seen(LONG, "word 20")
    book.heard(LONG)
    book.stop(LONG)
    assert api.settled()
    shown = book.notebook.shown(LONG, "word 20", PARTIAL)
    if book.hears:
        assert "Interrupted" not in shown
        book.notebook.wait(END)
    else:
        book.notebook.shown(LONG, "Interrupted: ")
        assert book.prompt(STAGE) == "[ ]:"
        book.notebook.run(STAGE)
        book.notebook.run(NEXT)
    assert book.notebook.shown(STAGE, "interrupted").strip() == "interrupted"
    book.notebook.shown(NEXT, WELL)


@pytest.mark.parametrize("question", SILENT)
def test_a_silent_socket_stops_too(book: Book, api: FaultServer, question: str) -> None:
    asked = len(api.requests)
    book.ask(LONG, question)
    assert api.wait_for(asked + 1)
    assert not api.settled(0.1)
    if text := SILENT[question]:
        book.seen(LONG, text)
    book.heard(LONG)
    book.stop(LONG)
    assert api.settled(1)
    shown = book.notebook.shown(LONG, SILENT[question], *([] if book.hears else ["Interrupted: "]))
    assert ("Interrupted: " in shown) == (not book.hears)
    book.run(NEXT)
    book.notebook.shown(NEXT, WELL)


def test_the_wait_before_another_try_stops_at_once(book: Book, api: FaultServer) -> None:
    asked = len(api.requests)
    book.ask(LONG, "Be busy.")
    book.seen(LONG, "try 2 of 5")
    book.heard(LONG)
    book.stop(LONG)
    assert len(api.requests) == asked + 1
    said = "stopped" if book.hears else "Interrupted: "
    assert "Traceback" not in book.notebook.shown(LONG, said)
    book.run(NEXT)
    book.notebook.shown(NEXT, WELL)


def test_the_toolbars_interrupt_keeps_what_has_come_and_ends_run_all(book: Book, api: FaultServer) -> None:
    book.write(LONG, "%%claude\nWrite at length.")
    book.run_all()
    book.seen(LONG, "word 20")
    book.interrupt(LONG)
    assert api.settled(1)
    shown = book.notebook.shown(LONG, "word 20", PARTIAL, "Interrupted: ")
    assert shown.count("Interrupted: ") == 1
    assert "Traceback" not in shown
    book.notebook.page.wait_for_timeout(500)
    assert [book.prompt(index) for index in (STAGE, NEXT, END)] == ["[ ]:"] * 3
    book.run(STAGE)
    book.run(NEXT)
    assert book.notebook.shown(STAGE, "interrupted").strip() == "interrupted"
    book.notebook.shown(NEXT, WELL)


@pytest.fixture(scope="module")
def lab(browser: Browser, server: Server) -> Iterator[Book]:
    running = opened_book(browser, server, versions.INSTALLED, "more")
    yield running
    running.notebook.close()


def test_the_keyboards_interrupt_does_the_same(lab: Book, api: FaultServer) -> None:
    lab.run_all()
    lab.seen(LONG, "word 20")
    lab.notebook.page.keyboard.press("Escape")

    def press() -> None:
        lab.notebook.page.keyboard.press("i")
        lab.notebook.page.keyboard.press("i")

    lab.ends(LONG, press)
    assert api.settled(1)
    lab.notebook.shown(LONG, PARTIAL, "Interrupted: ")
    assert [lab.prompt(index) for index in (STAGE, NEXT, END)] == ["[ ]:"] * 3
    lab.run(STAGE)
    assert lab.notebook.shown(STAGE, "interrupted").strip() == "interrupted"


def test_pressed_twice_it_stops_one_cell_only(lab: Book, api: FaultServer) -> None:
    lab.run_all()
    lab.seen(LONG, "word 20")
    lab.heard(LONG)
    lab.ends(LONG, lab.button(LONG).dblclick)
    lab.notebook.wait(END)
    assert api.settled(1)
    assert "Interrupted" not in lab.notebook.page.locator(".jp-Notebook").inner_text()
    assert lab.notebook.shown(STAGE, "interrupted").strip() == "interrupted"
    lab.notebook.shown(NEXT, WELL)


# Pressed by the page itself, as soon as the last words stand there.
PRESS_AT = """last => new Promise(resolve => {
  const look = () => {
    const view = document.querySelector('.claude-magic');
    if (!view.innerText.includes(last)) return setTimeout(look, 1);
    view.querySelector('button').click();
    resolve();
  };
  look();
})"""


def test_pressed_as_the_reply_ends_it_harms_nothing(lab: Book, api: FaultServer) -> None:
    lab.write(END, "import time\ntime.sleep(1.5)\nprint('end')")
    lab.write(LONG, "%%claude\nWrite a little.")
    lab.run_all()
    lab.seen(LONG, "word 5")
    lab.heard(LONG)
    lab.notebook.page.evaluate(PRESS_AT, LAST)
    lab.seen(END, "end")
    assert api.settled(1)
    assert "Interrupted" not in lab.notebook.page.locator(".jp-Notebook").inner_text()
    lab.notebook.shown(LONG, LAST)


def test_each_of_two_views_has_the_button(lab: Book, api: FaultServer) -> None:
    page = lab.notebook.page
    lab.ask(LONG, "Write at length.")
    lab.seen(LONG, "word 5")
    lab.notebook.output(LONG).click(button="right")
    page.locator(".lm-Menu-item[data-command='notebook:create-output-view']").click()
    second = page.locator(".jp-LinkedOutputView")
    second.get_by_text("word 5").first.wait_for(timeout=30_000)
    lab.ends(LONG, second.get_by_role("button", name="Stop").click)
    assert api.settled(1)
    for output in (lab.notebook.output(LONG), second):
        output.get_by_text(PARTIAL).wait_for(timeout=10_000)
        expect(output.get_by_role("button", name="Stop")).to_have_count(0)


def test_after_a_reload_the_notebooks_interrupt_still_stops_the_reply(
    browser: Browser, server: Server, api: FaultServer
) -> None:
    lab = opened_book(browser, server, versions.INSTALLED, "reloaded")
    page = lab.notebook.page
    lab.ask(LONG, "Write at length.")
    lab.seen(LONG, "word 20")
    while not lab.notebook.save().cells[LONG].outputs:
        page.wait_for_timeout(200)
    page.reload()
    lab.notebook.cell(LONG).scroll_into_view_if_needed()
    # While the kernel is busy Lab has no models for a page that comes anew: the view, and its button, wait.
    assert not api.settled(0.1)
    for _ in range(20):  # a page that is not connected yet does nothing
        page.locator(INTERRUPT).first.click()
        if api.settled(1):
            break
    assert api.settled(0.1)
    lab.notebook.shown(LONG, PARTIAL, "word 20")
    lab.run(NEXT)
    lab.notebook.shown(NEXT, WELL)
    lab.notebook.close()


BUSY_PAGE = """() => document.querySelector('.claude-magic button').addEventListener('click', () => {
  setTimeout(() => { const end = performance.now() + 1500; while (performance.now() < end); }, 30);
})"""


def test_a_page_too_busy_to_see_the_end_does_not_interrupt_the_next_cell(lab: Book, api: FaultServer) -> None:
    lab.write(STAGE, "import time\ntime.sleep(4)\nprint(_claude.stage)")
    lab.run_all()
    lab.seen(LONG, "word 20")
    lab.heard(LONG)
    lab.notebook.page.evaluate(BUSY_PAGE)
    lab.stop(LONG)
    lab.seen(STAGE, "interrupted")
    assert api.settled(1)
    assert "KeyboardInterrupt" not in lab.notebook.page.locator(".jp-Notebook").inner_text()


SLOW_END = """import time, claude_magic.display.live as live
end = live.LiveView.end
live.LiveView.end = lambda self, turn: (time.sleep(1.5), end(self, turn))"""


def test_a_stop_that_was_heard_is_given_time(lab: Book, api: FaultServer) -> None:
    lab.write(END, SLOW_END)
    lab.run(END)
    lab.ask(LONG, "Write at length.")
    lab.seen(LONG, "word 20")
    lab.heard(LONG)
    lab.stop(LONG)
    assert api.settled(1)
    assert "Interrupted" not in lab.notebook.shown(LONG, PARTIAL)
    lab.write(END, "live.LiveView.end = end")
    lab.run(END)


WITHOUT_ROUTE = "import claude_magic.display.live as live\nlive.hear_while_busy = lambda widget: None"


def test_where_the_message_comes_too_late_the_interrupt_ends_the_reply(lab: Book, api: FaultServer) -> None:
    lab.write(END, WITHOUT_ROUTE)
    lab.run(END)
    lab.ask(LONG, "Write at length.")
    lab.seen(LONG, "word 20")
    lab.stop(LONG)
    assert api.settled(1)
    lab.notebook.shown(LONG, "word 20", "Interrupted: ")
    lab.run(NEXT)
    lab.notebook.shown(NEXT, WELL)


def test_with_subshells_switched_off_the_interrupt_ends_the_reply(
    browser: Browser, server: Server, api: FaultServer
) -> None:
    address = f"{server.url}/lab/api/settings/@jupyterlab/apputils-extension:kernels-settings"
    raw = json.dumps({"raw": json.dumps({"commsOverSubshells": "disabled"})}).encode()
    wanted = {"Authorization": f"token {server.token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, raw, wanted, method="PUT"), timeout=20):
        off = opened_book(browser, server, versions.INSTALLED, "off")
    off.ask(LONG, "Say half of it.")
    off.seen(LONG, TEXT)
    off.stop(LONG)
    assert api.settled(1)
    off.notebook.shown(LONG, TEXT, "Interrupted: ")
    off.run(NEXT)
    off.notebook.shown(NEXT, WELL)
    off.notebook.close()
