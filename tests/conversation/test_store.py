"""The store: what is written is what is loaded, whoever writes, in whatever order."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from claude_magic import values
from claude_magic.conversation import search
from claude_magic.conversation.codec import said_of, turn_json
from claude_magic.conversation.history import Conversation, OnRerun
from claude_magic.conversation.store import Store
from claude_magic.values import (
    Answer,
    Block,
    Call,
    OtherPart,
    Round,
    Section,
    TextPart,
    ThinkingPart,
    ToolUsePart,
    Turn,
    Usage,
)
from tests.conversation.made import a_conversation, a_turn, pending, text_block

NAUGHTY = (
    "",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800 half",
    "\u202e\u200b\ufeff",
    "';DROP TABLE turns;--",
    "\r\n\u2028",
    "😀é",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "claude_magic" / "conversations.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    assert opened.problem == ""
    yield opened
    assert opened.problem == ""
    opened.close()


def reopened(store: Store, path: Path, id_: str) -> Conversation:
    """The conversation as the next kernel finds it."""
    other = Store.open(path)
    loaded = other.load(id_)
    assert other.problem == ""
    other.close()
    assert store.load(id_) == loaded
    return loaded


def count(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    connection.close()
    return int(rows[0])


def test_every_field_of_a_turn_comes_back(store: Store, path: Path) -> None:
    block = Block(
        "image", b'{"type":"image"}', "", "fig", "4000 to 1568", 9, 7, (3, 4), 5, (1, 3), b"\x89PNG"
    )
    answer = Answer(
        parts=(
            ThinkingPart("hm\u0000\ud83d", "sig+/="),
            TextPart(
                "see", ({"type": "page_location", "start_page_number": 1, "nested": {"a": [1.5, None]}},)
            ),
            TextPart("plain"),
            ToolUsePart("toolu_1", "plot", '{"half'),
            OtherPart("redacted_thinking", {"type": "redacted_thinking", "data": "xyz", "text": "trap"}),
        ),
        usage=Usage(1, 2, 3, 4, 5, 6, True, 7, "batch", "fast", "us", 8),
        model="claude-opus-5-5",
        message_id="msg_9",
        stop_reason="stop_sequence",
        stop_sequence="END",
        stop_details={"why": "x"},
        complete=True,
        cache_miss="system_changed",
        container="container_1",
    )
    told = values.text_block("3 \ud800")
    turn = Turn(
        prompt="the prompt",
        blocks=(block, text_block("the prompt"), Block("text", b"not json", text="its own")),
        reply=b'{"role":"assistant","content":[]}\xff',
        shown="**shown**",
        answer=answer,
        stage="max_tokens",
        model="claude-opus-5-5",
        cost=0.25,
        seconds=3.5,
        request_id="req_1",
        demo=True,
        id=uuid.uuid4().hex,
        conversation="feed",
        cell_id="abc-DEF_1",
        began=1_790_000_000.125,
        stale=True,
        reused=True,
        replayed="talk.cassette, recorded 2026-11-21",
        saved=-0.125,
        rounds=(
            Round(
                replace(answer, parts=(ToolUsePart("toolu_0", "f", "{}"),), usage=Usage(9, 8, final=True)),
                b'{"role":"assistant","content":[1]}',
                (Call("toolu_0", "f", "{}", (block, told), True, "not allowed", 0.5),),
                0.125,
                0.0625,
            ),
            Round(Answer(stop_reason="pause_turn"), b""),
        ),
        sections=(Section("call", "`x`", "f() \ud800"), Section("text", "see")),
        stands_for=("t1", "t2"),
    )
    blank = {field.name: field.default for field in dataclasses.fields(Turn)}
    assert [name for name, default in blank.items() if getattr(turn, name) == default] == []
    talk = Conversation(uuid.uuid4().hex, "naïve \ud800", (turn,))
    store.create(talk, "nb")
    assert reopened(store, path, talk.id) == talk


@pytest.mark.parametrize("text", NAUGHTY)
def test_any_text_comes_back(store: Store, path: Path, text: str) -> None:
    block = Block("text", json.dumps({"type": "text", "text": text}).encode(), text, name=text, note=text)
    answer = Answer(parts=(TextPart(text), ThinkingPart(text, text)), model=text, stop_sequence=text)
    turn = a_turn("x", blocks=(block,), answer=answer, cell_id=text, request_id=text)
    talk = Conversation(uuid.uuid4().hex, text, (dataclasses.replace(turn, prompt=text, shown=text),))
    store.create(talk, text)
    assert reopened(store, path, talk.id) == talk
    assert [one.id for one in store.conversations(text)] == [talk.id]
    store.search(text)
    store.set_setting(text, "k", text)
    assert store.setting(text, "k") == text


def test_attachments_are_stored_and_loaded_once(store: Store, path: Path) -> None:
    picture = Block(
        "image", b'{"type":"image","data":"' + b"A" * 500_000 + b'"}', name="fig", thumbnail=b"png"
    )
    talk = a_conversation()
    store.create(talk, "nb")
    for number in range(20):
        after = talk.put(a_turn("look", blocks=(picture, text_block(f"look {number}"))), "append")
        store.write(talk, after)
        talk = after
    loaded = reopened(store, path, talk.id)
    assert len({id(turn.blocks[0]) for turn in loaded.turns}) == 1
    assert path.stat().st_size + Path(f"{path}-wal").stat().st_size < 2_000_000
    connection = sqlite3.connect(path)
    hashes = [row[0] for row in connection.execute("SELECT hash FROM attachments")]
    connection.close()
    assert len(hashes) == 22
    assert {one.partition(":")[0] for one in hashes} == {"sha256"}


def test_replaced_turns_stay_as_versions_beside_the_new_one(store: Store, path: Path) -> None:
    talk = a_conversation(3)
    store.create(talk, "nb")
    after = talk.put(a_turn("again", cell="c1"), "replace")
    store.write(talk, after)
    assert reopened(store, path, talk.id) == after
    listed = [(v.turn.prompt, v.live, v.turn.stale) for v in store.versions(talk.id)]
    assert listed == [
        ("question 0", True, False),
        ("question 1", False, False),
        ("again", True, False),
        ("question 2", True, True),
    ]


def test_undone_turns_stay_in_the_store_and_may_come_back(store: Store, path: Path) -> None:
    talk = a_conversation(3)
    store.create(talk, "nb")
    undone = talk.undo(2)
    store.write(talk, undone)
    assert reopened(store, path, talk.id) == undone
    more = undone.put(a_turn("another"), "append")
    store.write(undone, more)
    back = dataclasses.replace(more, turns=(*more.turns, *talk.turns[1:]))
    store.write(more, back)
    assert reopened(store, path, talk.id) == back
    assert len(store.versions(talk.id)) == 4


def test_turns_put_between_others_are_found_there(store: Store, path: Path) -> None:
    talk = a_conversation(3)
    store.create(talk, "nb")
    a, b, c = talk.turns
    between = dataclasses.replace(talk, turns=(a_turn("0"), a, a_turn("1"), a_turn("2"), b, c, a_turn("3")))
    store.write(talk, between)
    assert reopened(store, path, talk.id) == between


def test_writing_twice_adds_nothing(store: Store, path: Path) -> None:
    talk = a_conversation(3)
    store.create(talk, "nb")
    after = talk.put(a_turn("again", cell="c0"), "replace").put(a_turn("new"), "append")
    for _ in range(3):
        assert store.write(talk, after)
    assert reopened(store, path, talk.id) == after
    assert len(store.versions(talk.id)) == 5


def test_a_fork_shares_its_past_in_the_store(store: Store, path: Path) -> None:
    talk = a_conversation(5)
    store.create(talk, "nb")
    fork = talk.fork(uuid.uuid4().hex, "other")
    store.create(fork, "nb", forked_from=talk.id)
    assert count(path, "turns") == 5
    changed = fork.put(a_turn("elsewhere", cell="c1"), "replace")
    store.write(fork, changed)
    assert reopened(store, path, fork.id) == changed
    assert reopened(store, path, talk.id) == talk, "the original neither changes nor becomes stale"
    found = store.find(fork.id)
    assert found is not None
    assert found.forked_from == talk.id


def test_conversations_of_a_notebook_are_listed_moved_and_deleted(store: Store, path: Path) -> None:
    one, two = a_conversation(2), a_conversation(1, name="two")
    store.create(one, "a.ipynb")
    store.create(two, "a.ipynb")
    store.write(one, one.undo(1))
    assert [(found.name, found.turns) for found in store.conversations("a.ipynb")] == [
        ("main", 1),
        ("two", 1),
    ]
    store.set_setting("a.ipynb", "current", "two")
    assert store.rename_notebook("a.ipynb", "b.ipynb")
    assert store.conversations("a.ipynb") == []
    assert store.setting("b.ipynb", "current") == "two"
    assert store.bind(two.id, "c.ipynb")
    assert store.delete(two.id)
    assert store.conversations("c.ipynb") == []
    assert reopened(store, path, two.id) == two
    assert store.undelete(two.id)
    assert [found.id for found in store.conversations("c.ipynb")] == [two.id]
    assert store.find("nobody") is None
    assert store.load("nobody").turns == ()
    assert not store.delete("nobody")


def test_a_cells_conversations_are_found(store: Store) -> None:
    one, two = a_conversation(2), a_conversation(2, name="two")
    store.create(one, "nb")
    store.create(two, "nb")
    assert store.holding("nb", "c1") == [two.id, one.id]
    store.write(two, two.undo(1))
    assert store.holding("nb", "c1") == [one.id]
    assert store.holding("other", "c1") == []


def test_answers_are_found_by_the_hash_of_their_request(store: Store) -> None:
    talk = a_conversation()
    store.create(talk, "nb")
    turn = a_turn("costly")
    store.begin(talk.id, dataclasses.replace(turn, stage="pending"), "key-1")
    assert store.answered("key-1") is None
    store.write(talk, talk.put(turn), "")
    assert store.answered("key-1") == turn
    store.record(other := a_turn("aside"), "key-2")
    assert store.answered("key-2") == other
    store.record(a_turn("cut", stage="cut"), "key-3")
    assert store.answered("key-3") is None
    assert store.answered("") is None


@pytest.mark.parametrize("indexed", [True, False])
def test_search_finds_prompts_and_answers(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    if not indexed:

        def missing(_: object) -> None:
            raise sqlite3.OperationalError("no such module: fts5")

        monkeypatch.setattr(search, "bring_up_to_date", missing)
    talk = a_conversation()
    store.create(talk, "nb")
    turns = (
        a_turn("The dip in March", "A public holiday"),
        a_turn('C++ and "quotes" AND NEAR(x)', "naïve Æther"),
        a_turn("何がおきた", "三月の谷"),
    )
    talk = dataclasses.replace(talk, turns=turns)
    store.write(Conversation(talk.id), talk)

    def found(words: str, notebook: str | None = None) -> list[int]:
        return [turns.index(one.turn) for one in store.search(words, notebook)]

    assert found("march") == [0]
    assert found("dip holiday") == [0]
    assert found("holi") == [0]
    assert found("dip æther") == []
    assert found("c++") == [1]
    assert found('"quotes" NEAR(x)') == [1]
    assert found("AND") == [1]
    assert found("三月") == [2]
    assert found("月の") == [2], "also within what has no blanks"
    assert found("dip", "nb") == [0]
    assert found("dip", "elsewhere") == []
    assert found("") == []
    assert ("words" in {row[0] for row in tables(path)}) is indexed
    store.delete(talk.id)
    assert found("march") == []


def tables(path: Path) -> list[tuple[str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name FROM sqlite_schema").fetchall()
    connection.close()
    return rows


def test_a_rewritten_turn_is_found_by_its_new_words_only(store: Store) -> None:
    talk = a_conversation()
    store.create(talk, "nb")
    cut = a_turn("q", "alpha", stage="cut")
    first = talk.put(cut)
    store.write(talk, first)
    assert len(store.search("alpha")) == 1
    second = dataclasses.replace(first, turns=(dataclasses.replace(cut, shown="beta", stage="complete"),))
    store.write(first, second)
    assert store.search("alpha") == []
    assert [one.turn.shown for one in store.search("beta")] == ["beta"]


def test_what_is_under_way_is_neither_loaded_nor_lost(store: Store, path: Path) -> None:
    talk = a_conversation(1)
    store.create(talk, "nb")
    open_turn = pending("long one", cell="c9")
    store.begin(talk.id, open_turn)
    assert store.journal(open_turn.id, ['{"a":1}', "two\nlines"])
    assert store.journal(open_turn.id, [])
    assert reopened(store, path, talk.id) == talk
    assert store.unfinished(talk.id) == [], "this kernel lives"
    after = talk.put(a_turn("long one", cell="c9", id=open_turn.id), "replace")
    store.write(talk, after)
    assert reopened(store, path, talk.id) == after
    assert (count(path, "journal"), count(path, "underway")) == (0, 0)
    assert not store.journal("nobody's", ["x"])


def test_another_kernels_turns_are_seen_and_kept(store: Store, path: Path) -> None:
    other = Store.open(path)
    mine = a_conversation(1)
    store.create(mine, "nb")
    theirs = other.load(mine.id)
    assert store.refreshed(mine) is mine
    for number in range(10):
        after = mine.put(a_turn(f"mine {number}"), "append")
        store.write(mine, after)
        mine = after
        after = theirs.put(a_turn(f"theirs {number}"), "append")
        other.write(theirs, after)
        theirs = after
    merged = [turn.prompt for turn in store.refreshed(mine).turns]
    assert merged[1:] == [f"{whose} {n}" for n in range(10) for whose in ("mine", "theirs")]
    assert store.refreshed(mine) == other.load(mine.id) == store.load(mine.id)
    other.close()


def test_two_kernels_that_replace_one_turn_keep_both(store: Store, path: Path) -> None:
    talk = a_conversation(2)
    store.create(talk, "nb")
    other = Store.open(path)
    theirs = other.load(talk.id)
    store.write(talk, talk.put(a_turn("mine", cell="c0"), "replace"))
    other.write(theirs, theirs.put(a_turn("theirs", cell="c0"), "replace"))
    assert [turn.prompt for turn in store.load(talk.id).turns] == ["theirs", "question 1"]
    assert [v.turn.prompt for v in other.versions(talk.id)] == ["question 0", "mine", "theirs", "question 1"]
    other.close()


def test_threads_may_share_a_store(store: Store) -> None:
    talks = [a_conversation() for _ in range(4)]

    def speak(talk: Conversation) -> None:
        store.create(talk, "nb")
        for number in range(20):
            after = talk.put(a_turn(str(number)), "append")
            store.write(talk, after)
            talk = after

    threads = [threading.Thread(target=speak, args=(talk,)) for talk in talks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store.load(talk.id).turns) for talk in talks] == [20] * 4


class Notebook(RuleBasedStateMachine):
    """Cells run, run again, are deleted, undone, forked, kernels restart; a list of words is the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.store = Store.open(self.path)
        self.talks: list[Conversation] = []
        self.model: list[list[tuple[str, str, bool]]] = []
        self.written: dict[str, set[str]] = {}
        self.count = 0

    @initialize()
    def first(self) -> None:
        self.begin([], Conversation(uuid.uuid4().hex), "")

    def begin(self, words: list[tuple[str, str, bool]], talk: Conversation, forked_from: str) -> None:
        assert self.store.create(talk, "nb", forked_from)
        self.talks.append(talk)
        self.model.append(words)
        self.written[talk.id] = {turn.id for turn in talk.turns}

    def change(self, which: int, after: Conversation) -> None:
        assert self.store.write(self.talks[which], after)
        self.talks[which] = after
        self.written[after.id] |= {turn.id for turn in after.turns}

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, len(self.talks) - 1))

    @rule(
        data=st.data(),
        cell=st.sampled_from(["", "a", "b", "c", "d"]),
        on_rerun=st.sampled_from(["replace", "replace", "append", "truncate"]),
        streamed=st.booleans(),
    )
    def run(self, data: st.DataObject, cell: str, on_rerun: OnRerun, streamed: bool) -> None:
        which, self.count = self.pick(data), self.count + 1
        talk, words = self.talks[which], self.model[which]
        turn = a_turn(str(self.count), cell=cell)
        if streamed:
            asked = dataclasses.replace(turn, stage="pending", reply=b"", answer=Answer(), shown="")
            assert self.store.begin(talk.id, asked)
            assert self.store.journal(turn.id, ["{}"])
        at = next((i for i, word in enumerate(words) if cell and word[1] == cell), None)
        if on_rerun == "append" or at is None:
            assert talk.above(cell, on_rerun) == talk
            self.model[which] = [*words, (turn.prompt, cell, False)]
        else:
            assert [one.prompt for one in talk.above(cell, on_rerun).turns] == [one[0] for one in words[:at]]
            below = (
                [] if on_rerun == "truncate" else [(p, c, True) for p, c, _ in words[at + 1 :] if c != cell]
            )
            self.model[which] = [*words[:at], (turn.prompt, cell, False), *below]
        self.change(which, talk.put(turn, on_rerun))

    @rule(data=st.data(), back=st.integers(1, 3))
    def undo(self, data: st.DataObject, back: int) -> None:
        which = self.pick(data)
        self.model[which] = self.model[which][:-back]
        self.change(which, self.talks[which].undo(back))

    @rule(data=st.data(), cells=st.sets(st.sampled_from(["a", "b", "c", "d"])))
    def delete_cells(self, data: st.DataObject, cells: set[str]) -> None:
        which = self.pick(data)
        kept: list[tuple[str, str, bool]] = []
        stale = False
        for prompt, cell, was in self.model[which]:
            if cell in cells:
                stale = True
            else:
                kept.append((prompt, cell, was or stale))
        self.model[which] = kept
        self.change(which, self.talks[which].without_cells(cells))

    @precondition(lambda self: len(self.talks) < 4)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        which = self.pick(data)
        origin = self.talks[which]
        self.begin(list(self.model[which]), origin.fork(uuid.uuid4().hex, "fork"), origin.id)

    @rule(data=st.data(), deleted=st.booleans())
    def delete_and_bring_back(self, data: st.DataObject, deleted: bool) -> None:
        id_ = self.talks[self.pick(data)].id
        assert self.store.delete(id_) if deleted else self.store.undelete(id_)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.path)
        self.talks = [self.store.load(talk.id) for talk in self.talks]

    @rule(data=st.data())
    def fail_and_go_on(self, data: st.DataObject) -> None:
        """A write fails for want of room; the next one writes what is owed."""
        which, self.count = self.pick(data), self.count + 1
        talk = self.talks[which]
        after = talk.put(a_turn(str(self.count)), "append")
        connection: Any = self.store._access._opened.connection
        connection.execute("PRAGMA query_only = 1")
        assert not self.store.write(talk, after)
        connection.execute("PRAGMA query_only = 0")
        self.talks[which] = after
        self.model[which] = [*self.model[which], (str(self.count), "", False)]
        self.change(which, after)

    @invariant()
    def the_store_holds_the_value_and_the_value_is_the_model(self) -> None:
        for talk, words in zip(self.talks, self.model, strict=True):
            assert self.store.load(talk.id) == talk
            assert [(turn.prompt, turn.cell_id, turn.stale) for turn in talk.turns] == words
            versions = self.store.versions(talk.id)
            assert {version.turn.id for version in versions} == self.written[talk.id], (
                "nothing written is lost"
            )
            assert tuple(v.turn for v in versions if v.live) == talk.turns
        assert self.store.problem == ""

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestNotebook = Notebook.TestCase
TestNotebook.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_an_answer_kept_before_the_prompt_cache_was_told_of_is_read() -> None:
    old = '{"parts": [{"text": "x"}], "usage": {"input_tokens": 3}, "model": "m", "complete": true}'
    said = said_of(old)
    assert (said.answer.text, said.answer.usage.input_tokens, said.answer.cache_miss) == ("x", 3, "")
    assert (said.saved, said.rounds, said.sections) == (0.0, (), ())
    assert turn_json(Turn("", (), answer=said.answer)) == old
