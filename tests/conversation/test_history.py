"""The conversation as a value: what a question follows, and what running a cell again does."""

from __future__ import annotations

import dataclasses

import pytest

from claude_magic.conversation.history import Conversation, OnRerun, cell_of, nth_of_cell
from tests.conversation.made import a_conversation, a_turn


def prompts(conversation: Conversation) -> list[str]:
    """Each turn's prompt, with a star when it is stale."""
    return [turn.prompt + "*" * turn.stale for turn in conversation.turns]


@pytest.fixture
def three() -> Conversation:
    turns = tuple(a_turn(letter, cell=f"cell-{letter}") for letter in "abc")
    return Conversation("1", turns=turns)


def test_a_cell_that_ran_again_follows_what_stands_above_its_turn(three: Conversation) -> None:
    assert prompts(three.above("cell-b", "replace")) == ["a"]
    assert prompts(three.above("cell-b", "truncate")) == ["a"]
    assert three.above("cell-b", "append") is three
    assert three.above("cell-x", "replace") is three
    assert three.above("", "replace") is three


def test_replace_puts_the_turn_in_place_and_marks_those_below(three: Conversation) -> None:
    again = three.put(a_turn("b2", cell="cell-b"), "replace")
    assert prompts(again) == ["a", "b2", "c*"]
    assert prompts(three) == ["a", "b", "c"], "the value before is as it was"
    assert prompts(again.put(a_turn("c2", cell="cell-c"), "replace")) == ["a", "b2", "c2"]


def test_run_all_rebuilds_the_conversation_fresh_and_not_doubled(three: Conversation) -> None:
    for letter in "abc":
        three = three.put(a_turn(f"{letter}2", cell=f"cell-{letter}"), "replace")
    assert prompts(three) == ["a2", "b2", "c2"]


def test_the_same_answer_again_leaves_those_below_fresh(three: Conversation) -> None:
    same = dataclasses.replace(three.turns[0], id="another", seconds=9.0)
    assert prompts(three.put(same, "replace")) == ["a", "b", "c"]


def test_truncate_lets_those_below_leave(three: Conversation) -> None:
    assert prompts(three.put(a_turn("b2", cell="cell-b"), "truncate")) == ["a", "b2"]


@pytest.mark.parametrize("cell", ["", "cell-x"])
@pytest.mark.parametrize("on_rerun", ["replace", "append", "truncate"])
def test_a_turn_of_no_known_cell_goes_to_the_end(three: Conversation, cell: str, on_rerun: OnRerun) -> None:
    assert prompts(three.put(a_turn("x", cell=cell), on_rerun)) == ["a", "b", "c", "x"]


def test_append_never_replaces(three: Conversation) -> None:
    assert prompts(three.put(a_turn("a2", cell="cell-a"), "append")) == ["a", "b", "c", "a2"]


def test_turns_appended_by_one_cell_become_one_when_it_replaces(three: Conversation) -> None:
    doubled = three.put(a_turn("a2", cell="cell-a"), "append")
    assert prompts(doubled.above("cell-a", "replace")) == []
    assert prompts(doubled.put(a_turn("a3", cell="cell-a"), "replace")) == ["a3", "b*", "c*"]


def test_several_questions_of_one_cell_replace_each_its_own() -> None:
    talk = Conversation()
    for run in "12":
        for count in (1, 2, 3):
            cell = nth_of_cell("vscode-notebook-cell:/a.ipynb#W0s", count)
            above = talk.above(cell, "replace")
            assert prompts(above) == [f"{run}.{n}" for n in range(1, count)]
            talk = talk.put(a_turn(f"{run}.{count}", cell=cell), "replace")
    assert prompts(talk) == ["2.1", "2.2", "2.3"]
    assert talk.without_cells(["vscode-notebook-cell:/a.ipynb#W0s"]).turns == ()
    assert cell_of(nth_of_cell("abc", 7)) == "abc"
    assert nth_of_cell("", 2) == ""


def test_deleted_cells_leave_and_those_below_become_stale(three: Conversation) -> None:
    assert prompts(three.without_cells(["cell-b"])) == ["a", "c*"]
    assert prompts(three.without_cells(["cell-c"])) == ["a", "b"]
    assert three.without_cells(["cell-x", ""]) is three
    assert prompts(three.put(a_turn("x"), "append").without_cells([""])) == ["a", "b", "c", "x"]


def test_undo_takes_the_last_back(three: Conversation) -> None:
    assert prompts(three.undo(1)) == ["a", "b"]
    assert prompts(three.undo(9)) == []
    assert three.undo(0) is three
    assert three.undo(-1) is three


def test_a_fork_shares_its_past(three: Conversation) -> None:
    fork = three.fork("2", "other")
    assert (fork.id, fork.name, fork.turns) == ("2", "other", three.turns)


def test_only_answered_turns_are_sent_again(three: Conversation) -> None:
    half = three.put(a_turn("cut", reply=b"", stage="cut"), "append")
    assert half.answered() == three.turns


def test_a_put_among_ten_thousand_shares_all_other_turns() -> None:
    long = a_conversation(10_000)
    after = long.put(a_turn("again", cell="c5000"), "replace")
    assert all(a is b for a, b in zip(long.turns[:5000], after.turns[:5000], strict=True))
    assert all(b.blocks is a.blocks for a, b in zip(long.turns[5001:], after.turns[5001:], strict=True))
