"""A comparison's static output, and what carries drawings between threads."""

from __future__ import annotations

import random
import re
import threading
from typing import Any

import pytest

from claude_magic.comparing import verdicts
from claude_magic.comparing.report import Case, Report
from claude_magic.comparing.verdicts import difference, word_diff
from claude_magic.display.columns import Column, bundle, guarded
from claude_magic.display.relayed import Relayed
from claude_magic.display.status import Status
from claude_magic.display.word_diff import as_markdown, as_text, shown_runs
from claude_magic.values import Section, Turn, Usage
from tests.display.hostile import NAMES
from tests.display.test_hostile import (
    CORPUS,
    DETAILS,
    EDGES,
    HIDDEN,
    assert_harmless_markdown,
    assert_plain_html,
    parsed,
    sections_of,
    texts_of,
    turn_of,
)

STATUS = Status("m", "writing", Usage(5, 9), 0.1, 1.0)
FRAME = re.compile(
    r'<(?:table|td|th|tr|div)(?: (?:style="[\w:;.,%# -]*"|align="left"|valign="top"|width="\d+%"))*>|</div>'
)
OWN = re.compile(r"<span>&#(?:36|92);</span>")
SOME = CORPUS[::7]
"""A few of each kind."""


def assert_columns(html: str, count: int, of: object) -> None:
    """See that it is our table with so many columns, in which nothing but sanitised HTML stands."""
    tags = [tag for tag, _ in parsed(html)]
    assert tags.count("table") - html.count("<table>") == 1, (of, html)
    assert html.count("<td align=") == html.count("<th align=") == count, (of, html)
    assert_plain_html(OWN.sub("", FRAME.sub("", DETAILS.sub("", html))), of)
    plain = re.sub(r'<span class="math [^>]*>[^<]*</span>', "<b>", html)
    assert not any(EDGES.search(run) for run in texts_of(plain)), (of, plain)


@pytest.mark.parametrize("kind", sorted({payload.kind for payload in SOME}))
def test_no_answer_breaks_out_of_its_column(kind: str) -> None:
    for payload in (one for one in SOME if one.kind == kind):
        turns = [turn_of(payload.text, "n", sections=tuple(sections_of(payload.text))), turn_of("x", "n")]
        for columns in (
            [Column(turn_of(payload.text, "n"), payload.text), Column(turns[1])],
            [Column(turn, payload.text) for turn in turns],
        ):
            data, _ = bundle(columns)
            assert_columns(data["text/html"], 2, payload)
            assert not HIDDEN.search(data["text/plain"])
            if columns[0].turn.sections == ():
                assert_harmless_markdown(data["text/markdown"], payload)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_neutral_in_columns(name: str) -> None:
    data, _ = bundle([Column(turn_of("x", name), name), Column(turn_of("", name))])
    assert_columns(data["text/html"], 2, name)
    assert_harmless_markdown(data["text/markdown"], name)
    assert not HIDDEN.search(data["text/plain"])


def test_formulas_stay_and_prices_do_not_become_any() -> None:
    data, _ = bundle([Column(turn_of("$x_1$ costs $5 or $6, `$a$`", "n"))])
    html = data["text/html"]
    assert '<span class="math inline">\\(x_1\\)</span>' in html
    assert "costs <span>&#36;</span>5 or <span>&#36;</span>6, <code>$a$</code>" in html
    assert guarded('<a href="https://e.example/$x">\\(y\\)</a>') == (
        '<a href="https://e.example/$x"><span>&#92;</span>(y<span>&#92;</span>)</a>'
    )


def test_a_partial_answer_is_not_said_to_be_gone_on_with() -> None:
    turn = turn_of("half", "n", stage="interrupted", conversation="c", reply=b"{}")
    data, metadata = bundle([Column(turn), Column(turn)])
    assert "stopped, the answer is partial" in data["text/html"]
    assert "--continue" not in "".join(data.values())
    assert metadata["claude_magic"]["conversation"] == "c"


# --- differences


def answer(text: str, **changes: Any) -> Turn:
    return turn_of(text, "m", **changes)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (answer("a b  c\n"), answer("a b c"), "same"),
        (answer("a b c d e f g h i j"), answer("a b c d e f g h i k"), "close"),
        (answer("a b"), answer("c d"), "different"),
        (answer("a"), answer("a", stage="refused"), "refused"),
        (answer("a", stage="max_tokens"), answer("a"), "cut"),
        (answer("a", stage="cut"), answer("a"), "cut"),
        (answer("a"), answer("", stage="failed"), "failed"),
        (answer("a"), answer("", stage="interrupted"), "not asked"),
        (answer(""), answer(""), "same"),
    ],
)
def test_a_verdict_says_what_was_measured(old: Turn, new: Turn, verdict: str) -> None:
    found = difference(old, new)
    assert found.verdict == verdict
    assert (found.alike is None) == (verdict not in ("same", "close", "different"))
    assert found.alike is None or (found.alike == 1) == (verdict == "same")


def labels(count: int) -> list[str]:
    return random.Random(1).choices(("yes", "no"), k=count)


def changed(words: list[str], *places: int) -> list[str]:
    return ["maybe" if place in places else word for place, word in enumerate(words)]


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        (labels(250), changed(labels(250), 100), 0.996),
        (labels(250), changed(labels(250), 0, 100, 249), 0.988),
        (labels(4_000), changed(labels(4_000), 0, 2_000, 3_999), 0.999),
        ([*map(str, range(20_000))], [*map(str, range(5_000))], 0.4),
        ([*map(str, range(20_000))], [*map(str, range(10_000)), *["x"] * 10_000], 0.5),
    ],
)
def test_every_word_counts_and_frequent_ones_do(old: list[str], new: list[str], alike: float) -> None:
    found = difference(answer(" ".join(old)), answer(" ".join(new)))
    assert found.alike == pytest.approx(alike, abs=0.001)
    assert found.verdict == ("close" if alike >= 0.8 else "different")


def test_same_is_the_same_in_all_words() -> None:
    words = "a " * 100_000
    assert difference(answer(words), answer(f"{words}\n")).verdict == "same"
    assert difference(answer(words), answer(f"{words} b")).verdict == "close"


@pytest.mark.parametrize("at_once", [100, verdicts.AT_ONCE])
def test_a_diff_has_the_words_of_both(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(verdicts, "AT_ONCE", at_once)
    chance = random.Random(2)
    for _ in range(50):
        old, new = (chance.choices("abcdefg", k=chance.randrange(60)) for _ in range(2))
        runs = list(word_diff(" ".join(old), " ".join(new)))
        for where, whole in (("old", old), ("new", new)):
            assert [word for one in runs if one.where in (where, "both") for word in one.words] == whole


def test_looking_for_common_words_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "MOST_PAIRS", 0)
    found = difference(answer("a b c d e f g"), answer("a x c d y f g"))
    assert found.alike == pytest.approx(6 / 14)  # what both begin and end with


def test_answers_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Turn] = []

    def noted(old: Turn, new: Turn) -> verdicts.Difference:
        compared.append(new)
        return difference(old, new)

    monkeypatch.setattr("claude_magic.comparing.report.difference", noted)
    report = Report(("m", "n"), (Case(1, "p", (answer("a b"), answer("a c")), ("", "")),))
    report.bundle()
    report.frame()
    assert len(compared) == 1


def test_a_long_common_text_is_left_out_of_a_diff() -> None:
    same = " ".join(map(str, range(100)))
    runs = shown_runs((one.where, one.words) for one in word_diff(f"{same} a {same}", f"{same} b {same}"))
    assert as_text(runs) == "… 94 95 96 97 98 99 [-a-] {+b+} 0 1 2 3 4 5 …"
    assert sum(len(words) for _, words in runs) < 20
    long = shown_runs((one.where, one.words) for one in word_diff("x " * 900, "y " * 900))
    assert sum(len(words) for _, words in long) <= 252


@pytest.mark.parametrize("kind", sorted({payload.kind for payload in SOME}))
def test_a_report_is_neutral(kind: str) -> None:
    for payload in (one for one in SOME if one.kind == kind):
        turns = (turn_of(f"{payload.text} a", "n"), turn_of(f"b {payload.text}", "n"))
        report = Report(("m", payload.text), (Case(1, payload.text, turns, (payload.text, "")),))
        data, _ = report.bundle()
        assert not HIDDEN.search(data["text/plain"])
        runs = shown_runs((one.where, one.words) for one in word_diff(turns[0].text, turns[1].text))
        assert "".join(re.findall(r"<[^>]*>", as_markdown(runs))).replace("<span></span>", "") in (
            "<ins></ins><del></del>",
            "<del></del><ins></ins>",
        ), (payload, as_markdown(runs))
        shown = re.sub(r"</?(?:ins|del)>", "", data["text/markdown"])
        assert_harmless_markdown(shown, payload)


# --- between threads


class Noted:
    """A view that notes what it is told, and in which thread."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.threads: set[int] = set()

    def _note(self, what: str, more: object) -> None:
        self.told.append((what, more))
        self.threads.add(threading.get_ident())

    def begin(self, status: Status, blocks: object) -> None:
        self._note("begin", blocks)

    def draw(self, text: str, status: Status) -> None:
        self._note("draw", text)

    def show(self, section: Section, status: Status) -> None:
        self._note(section.kind, section.body)

    def may_run(self, call: object, status: Status) -> Any:
        raise AssertionError

    def end(self, turn: Turn) -> None:
        self._note("end", turn.text)


def test_drawings_of_another_thread_are_shown_in_this_one_in_order_and_together() -> None:
    noted = Noted()
    relayed = Relayed(noted)

    def draw() -> None:
        relayed.begin(STATUS, ())
        for number in range(100):
            relayed.draw(f"{number} ", STATUS)
        relayed.show(Section("thinking", "a"), STATUS)
        relayed.show(Section("thinking", "b"), STATUS)
        relayed.draw("", STATUS)
        relayed.draw("c", STATUS)
        relayed.end(turn_of("whole", "n"))

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert noted.told == []
    relayed.pass_on()
    relayed.pass_on()
    numbers = "".join(f"{number} " for number in range(100))
    assert noted.told == [
        ("begin", ()),
        ("draw", numbers),
        ("thinking", "ab"),
        ("draw", "c"),
        ("end", "whole"),
    ]
    assert noted.threads == {threading.get_ident()}
