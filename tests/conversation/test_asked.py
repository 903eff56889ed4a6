"""Questions asked by the hundred: found again by their hash, whole answers before failures."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from claude_magic.conversation import schema
from claude_magic.conversation.asked import Kept
from claude_magic.conversation.store import Store
from claude_magic.values import OtherPart
from tests.conversation.made import a_turn


def test_answers_and_failures_are_found_again_in_another_kernel(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db")
    whole, cut = a_turn("q1", "an answer"), replace(a_turn("q2", "half"), stage="cut")
    assert store.asked.record([Kept("k1", whole), Kept("k2", cut, "The reply was cut.")])
    stopped = replace(a_turn("q3", ""), stage="interrupted")
    assert store.asked.record([Kept("k3", stopped)])
    store.close()
    store = Store.open(tmp_path / "store.db")
    found = store.asked.found(["k1", "k2", "k3", "k4", *map(str, range(1_200))])
    assert set(found) == {"k1", "k2"}  # what was stopped is missing, not failed
    assert (found["k1"].turn.text, found["k1"].error, found["k1"].turn.blocks) == ("an answer", "", ())
    assert (found["k2"].turn.text, found["k2"].error) == ("half", "The reply was cut.")
    # A whole answer takes the failure's place, and no later failure takes the answer's.
    assert store.asked.record([Kept("k2", a_turn("q2", "the rest"))])
    assert (store.asked.found(["k2"])["k2"].turn.text, store.asked.found(["k2"])["k2"].error) == (
        "the rest",
        "",
    )
    assert store.asked.record([Kept("k2", replace(a_turn("q2", ""), stage="failed"), "No.")])
    assert store.asked.found(["k2"])["k2"].turn.text == "the rest"
    assert store.answered("k2") is not None


def test_an_answer_that_is_not_as_asked_is_a_failure_until_it_is_forgotten(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db")
    assert store.asked.record([Kept("k", a_turn("q", "no json"), "No data.")])
    assert store.asked.found(["k"])["k"].error == "No data."
    assert store.asked.forget_failures(["k"])
    assert store.asked.found(["k"])["k"].error == ""


def test_an_answer_that_came_otherwise_since_goes_before_one_that_was_not_as_asked(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db")
    assert store.asked.record([Kept("k", a_turn("q", "no json"), "No data.")])
    store.record(a_turn("q", "{}"), "k")
    assert (store.asked.found(["k"])["k"].turn.text, store.asked.found(["k"])["k"].error) == ("{}", "")


def test_what_json_has_no_words_for_keeps_no_other_from_being_kept(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db")
    turn = a_turn("q", "x")
    odd = replace(turn, answer=replace(turn.answer, parts=(OtherPart("odd", {"raw": object()}),)))
    assert store.asked.record([Kept("odd", odd), Kept("well", a_turn("q", "y"))])
    assert set(store.asked.found(["odd", "well"])) == {"well"}


def test_a_store_from_before_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(path).close()
    with sqlite3.connect(path) as old:
        tables = old.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'batch%'")
        for (name,) in [("failures",), *tables.fetchall()]:
            old.execute(f"DROP TABLE {name}")
        old.execute("PRAGMA user_version = 1")
    old.close()
    store = Store.open(path)
    assert store.problem == ""
    assert store.asked.record([Kept("k", replace(a_turn("q", ""), stage="failed"), "No.")])
    assert store.asked.found(["k"])["k"].error == "No."
    assert len(schema.MIGRATIONS) >= 2
