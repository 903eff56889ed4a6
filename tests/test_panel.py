"""``%claude_panel`` in a real kernel, without a page: fallbacks, refusals, and what it leaves behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Enum, HasTraits, Unicode

from claude_magic.display.panel import Choice, Facts, Gauge, PanelView
from tests.kernels import Kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
PANEL = "panel = get_ipython().magics_manager.registry['ClaudeMagics']._session._panel"


@pytest.mark.parametrize("asked", [True, False], ids=["terminal", "nbclient"])
def test_without_widgets_the_facts_stand_in_a_plain_table(kernel: Kernel, asked: bool) -> None:
    kernel.run("%claude_config model=haiku budget=2")
    ran = kernel.run("%claude_panel", allow_stdin=asked)
    kernel.run("%claude_config model=sonnet budget=0")
    assert ran.status == "ok", ran.error
    assert not ran.displayed
    lines = ran.result.splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "model", "", "effort", "system", "conversation", "cache", "budget", "spent today",
        "context", "tokens",
    ]  # fmt: skip
    assert "haiku" in lines[2]
    assert "$0.10 in, $0.50 out per million · 1M context" in lines[3]
    assert "of $2.00" in lines[9]


def opened(kernel: Kernel) -> dict[str, Any]:
    """Open the panel as a page would; return what is displayed."""
    ran = kernel.run("%claude_panel", cell_id="the-panel")
    assert ran.status == "ok", ran.error
    (shown,) = ran.displayed
    kernel.run(PANEL)
    return shown


def test_the_output_says_the_same_without_the_widget(kernel: Kernel) -> None:
    first, second = opened(kernel), opened(kernel)
    assert first[WIDGET]["model_id"] == second[WIDGET]["model_id"]
    for kind in ("text/plain", "text/markdown"):
        assert "sonnet" in first[kind]
        assert "run it again for the live panel" in first[kind]


@pytest.mark.parametrize(
    ("widget", "value", "line"),
    [
        ("_budget", "-3", "%claude_panel: '-3' is no value for budget (a number, 0 or more)."),
        ("_budget", "much", "%claude_panel: 'much' is no value for budget"),
        ("_budget", "<b>1</b>", "&lt;b&gt;1&lt;/b&gt;"),
    ],
)
def test_a_refused_value_is_one_line_and_nothing_changes(
    kernel: Kernel, widget: str, value: str, line: str
) -> None:
    opened(kernel)
    kernel.run("%claude_config budget=1.5")
    ran = kernel.run(f"panel._view.{widget}.value = {value!r}")
    assert ran.status == "ok"
    assert not ran.stdout
    assert json.dumps(line)[1:-1].replace("'", "&#x27;") in kernel.value("panel._view._line.value")
    assert kernel.value(f"panel._view.{widget}.value") == "'1.5'"
    kernel.run("panel._view._budget.value = '$2.50'")
    assert kernel.value("panel._settings.budget") == "2.5"
    assert "problem" not in kernel.value("panel._view._line.value")
    kernel.run("panel._view._budget.value = ''")
    assert kernel.value("panel._settings.budget") == "0.0"


def test_a_conversation_that_cannot_be_begun_is_one_line(kernel: Kernel) -> None:
    opened(kernel)
    kernel.run("%claude_chat --new taken")
    kernel.run("panel._view._new.value = 'taken'; panel._view._begin.click()")
    assert "has a conversation" in kernel.value("panel._view._line.value")
    kernel.run("panel._view._new.value = 'free'; panel._view._begin.click()")
    assert kernel.value("panel._view._chats.value") == "'free'"
    assert "→  free" in kernel.run("%claude_chat").result


def test_the_system_prompt_is_taken_as_written(kernel: Kernel) -> None:
    opened(kernel)
    kernel.run('panel._view._system.value = \'"~" means "about"\'')
    assert kernel.value("panel._settings.system") == repr('"~" means "about"')
    assert "%claude_panel" in kernel.run("%claude_config").result
    kernel.run("%claude_config system=''")
    assert kernel.value("panel._view._system.value") == "''"


HOSTILE = "<img src=x onerror=alert(1)>\u202e$x$"


def test_foreign_names_are_text(kernel: Kernel) -> None:
    opened(kernel)
    kernel.run(f"panel._settings.model = {HOSTILE!r}")
    kernel.run(f"panel._chats().begin_new({HOSTILE!r})")
    shown = kernel.value("panel._view._chats.options")
    assert "\u202e" not in shown.split("', '")[0]
    assert kernel.value("panel._view._lists['model'].label").count("⟨U+202E⟩") == 1
    html = kernel.value("[one.value for one in (panel._view._about, panel._view._figures)]")
    assert "<img" not in html
    ran = kernel.run("%claude_panel", cell_id="the-panel")
    assert "<img" not in ran.displayed[0]["text/markdown"]
    kernel.run("%config ClaudeMagics.model = 'sonnet'")
    kernel.run("%claude_chat --new main2")
    assert kernel.value("panel._view._lists['model'].value") == "'sonnet'"


def test_the_bars_move_with_each_question(kernel: Kernel) -> None:
    opened(kernel)
    kernel.run("%claude_chat --new counted")
    code = "seen = []\nfor n in range(2):\n    get_ipython().run_line_magic('claude', f'--quiet say: {n}')\n"
    kernel.run(code + "    seen.append(panel._view._figures.value)", cell_id="asks")
    assert kernel.value("seen[0] != seen[1]") == "True"
    assert kernel.value("panel._view._chats.label") == "'counted · 2 turns'"
    assert kernel.value("panel._view._stop.reply") == "''"


def test_a_question_may_be_asked_within_a_question(kernel: Kernel) -> None:
    opened(kernel)
    ran = kernel.run(
        "%%claude\nsay: {{ get_ipython().run_line_magic('claude', '--no-history say: 7').text }}"
    )
    assert ran.status == "ok", ran.error
    assert kernel.value("panel._asking._threads") == "()"
    assert kernel.value("panel._view._stop.reply") == "''"


def test_a_panel_that_cannot_be_brought_up_to_date_harms_no_question(kernel: Kernel) -> None:
    opened(kernel)
    kernel.run("panel._facts = lambda: 1 / 0")
    ran = kernel.run("%claude say: fine")
    kernel.run("del panel._facts")
    assert ran.status == "ok", ran.error
    assert "Error in callback" not in ran.stdout
    assert "could not be brought up to date (ZeroDivisionError)" in kernel.value("panel._view._line.value")


def test_another_store_has_its_own_conversations(kernel: Kernel) -> None:
    opened(kernel)
    before = kernel.value("panel._view._chats.value")
    kernel.run("%claude_config store=memory")
    assert kernel.value("panel._view._chats.label") == "'main · 0 turns'"
    kernel.run("panel._view._new.value = 'brief'; panel._view._begin.click()")
    assert "→  brief" in kernel.run("%claude_chat").result
    kernel.run("%claude_config store=''")
    kernel.run("%claude_chat")
    assert kernel.value("panel._view._chats.value") == before


def test_unloading_closes_it_and_leaves_its_facts(kernel: Kernel) -> None:
    opened(kernel)
    ran = kernel.run("%unload_ext claude_magic", cell_id="unloads")
    assert ran.status == "ok", ran.error
    (left,) = ran.updated
    assert WIDGET not in left
    assert "The panel was closed." in left["text/plain"]
    assert (
        kernel.value(
            "[one for one in get_ipython().events.callbacks['post_run_cell'] if 'claude' in repr(one)]"
        )
        == "[]"
    )
    kernel.run("import ipywidgets; left = list(ipywidgets.widgets.widget._instances.values())")
    assert kernel.value("left") == "[]"
    kernel.run("%load_ext claude_magic")
    assert opened(kernel)[WIDGET]["model_id"]


class Sets(HasTraits):
    """Settings with an effort."""

    effort = Enum(("low", "high"), default_value=None, allow_none=True)


class Writes(HasTraits):
    """Settings whose effort is a text."""

    effort = Unicode("high")


class NoHands:
    """Hands that do nothing, and remember."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def choose(self, name: str, text: str) -> str:
        self.done.append((name, text))
        return ""

    def switch(self, chat: str) -> str:
        self.done.append(("chat", chat))
        return ""

    def begin(self, chat: str) -> str:
        self.done.append(("new", chat))
        return ""

    def stop(self) -> None:
        self.done.append(("stop",))


def facts(**settings: str) -> Facts:
    one = (Choice("A", "a"), Choice("B", "b"))
    texts = {"model": "a", "system": "", "cache": "a", "budget": "", **settings}
    lists = dict.fromkeys(("model", "effort", "cache"), one)
    gauges = (Gauge("Spent", ("much",), (1.2,)), Gauge("Tokens", ("1", "2", "3", "$0"), (0.2, 0.3, 0.5)))
    return Facts(texts, lists, "cheap", "main", (Choice("main", "main"),), gauges)


def test_the_effort_has_a_row(shell: InteractiveShell) -> None:
    assert shell is not None
    hands = NoHands()
    view = PanelView(facts(effort="b"), hands)
    view._lists["effort"].value = "a"
    assert hands.done == [("effort", "a")]
    assert "effort" in repr(facts(effort="b").table())


def test_what_is_shown_is_not_taken_for_a_choice(shell: InteractiveShell) -> None:
    assert shell is not None
    hands = NoHands()
    view = PanelView(facts(), hands)
    view.show(facts(model="b", system="x", budget="3"))
    view.show(facts(model="c"))
    assert hands.done == []
    assert view._lists["model"].value == "c"
    view._lists["model"].value = "b"
    assert hands.done == [("model", "b")]


def test_a_stop_for_an_earlier_reply_stops_nothing(shell: InteractiveShell) -> None:
    assert shell is not None
    hands = NoHands()
    view = PanelView(facts(), hands)
    view.running(on=True)
    old = view._stop.reply
    view.running(on=False)
    view._stop._listen(view._stop, {"kind": "stop", "reply": old}, [])
    view.running(on=True)
    view._stop._listen(view._stop, {"kind": "stop", "reply": old}, [])
    assert hands.done == []
    view._stop._listen(view._stop, {"kind": "stop", "reply": view._stop.reply}, [])
    assert hands.done == [("stop",)]
    assert view._stop.heard == view._stop.reply
