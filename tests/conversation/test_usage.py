"""Usage from the store: each turn once, money and the demo apart, in sums that agree."""

from __future__ import annotations

import base64
import csv
import io
import sys
import time
import uuid
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from claude_magic.api.models import cost, find, saved_by_cache
from claude_magic.conversation.history import Conversation
from claude_magic.conversation.store import Store
from claude_magic.conversation.usage import Shared, Spent, Sum, local_day, midnight, total, totals
from claude_magic.conversation.usage_csv import write_csv
from claude_magic.display.plot import MOST, Bar, Plot, summed
from claude_magic.errors import ConfigProblem, UsageProblem
from claude_magic.usage import Report, shared_lines
from claude_magic.values import Answer, Turn, Usage
from tests.conversation.made import a_turn, pending

SONNET = "claude-sonnet-5-5"  # 2 in, 10 out, 0.10 cached, per million
CACHED = Usage(100, 200, 3_000, 500, 0, 50, True)


def a_paid(talk: str, usage: Usage = CACHED, model: str = SONNET, **more: Any) -> Turn:
    """A turn as asking makes it, with its true price."""
    priced = find(model)
    turn = a_turn(conversation=talk, model=model, cost=cost(priced, usage) if priced else None)
    return replace(turn, answer=replace(turn.answer, usage=usage, model=model), **more)


def a_talk(*turns: Turn, id_: str = "", name: str = "main") -> Conversation:
    id_ = id_ or uuid.uuid4().hex
    return Conversation(id_, name, tuple(replace(turn, conversation=id_) for turn in turns))


def kept(path: Path | None, *talks: tuple[Conversation, str]) -> Store:
    store = Store.open(path)
    for talk, notebook in talks:
        assert store.create(talk, notebook)
    return store


def a_row(**more: Any) -> Spent:
    plain: dict[str, Any] = {
        field.name: {"int": 0, "str": "", "bool": False}.get(str(field.type), 0.0) for field in fields(Spent)
    }
    plain |= {"stage": "complete", "model": SONNET, "day": date(2026, 11, 21), "live": True, "final": True}
    return Spent(**{**plain, **more})


def test_a_turn_is_told_whole_and_its_saving_to_the_last_cent() -> None:
    talk = a_talk(a_paid("", prompt="  Why\nnot?  "))
    (row,) = kept(None, (talk, "nb")).spent(saved_by_cache)
    assert (row.number, row.prompt, row.conversation, row.notebook) == (1, "Why not?", "main", "nb")
    tokens = (row.input_tokens, row.cache_write_5m, row.cache_write_1h, row.cache_read)
    assert tokens == (100, 500, 0, 3_000)
    assert (row.output_tokens, row.thinking_tokens) == (200, 50)
    assert row.day == local_day(1_790_000_000.0)
    # 100 × 2 + 200 × 10 + 3,000 × 0.10 + 500 × 2.50 = 3,750; uncached 3,600 × 2 + 200 × 10 = 9,200.
    assert row.cost == pytest.approx(0.003750, abs=1e-12)
    assert row.saved == pytest.approx(0.005450, abs=1e-12)
    whole = total([row])
    assert whole.uncached_cost == pytest.approx(0.009200, abs=1e-12)
    assert whole.saved_share == pytest.approx(5450 / 9200)
    assert whole.prompt_tokens == 3_600


@pytest.mark.parametrize(
    ("usage", "model", "saved"),
    [
        (Usage(0, 0, 0, 1_000_000, 1_000_000), SONNET, -2.0),  # an hour costs 2 × and was never read
        (Usage(0, 0, 0, 1_000_000), SONNET, -0.5),
        (Usage(50, 10), SONNET, 0.0),
        (Usage(0, 0, 1_000_000), "claude-opus-4-5", 4.5),
        (Usage(0, 0, 1_000_000), "claude-opus-4-5-20260101", 4.5),  # a date the catalogue lacks
        (Usage(0, 0, 99_000), "claude-haiku-5-5", 0.0089_1),
        (
            Usage(0, 0, 200_000),
            "claude-haiku-5-5",
            0.09,
        ),  # a long prompt costs five times as much, cached or not
        (Usage(0, 0, 1_000), "claude-fable-5-2", None),
        (Usage(0, 0, 1_000), "gpt", None),
    ],
)
def test_what_the_cache_saved(usage: Usage, model: str, saved: float | None) -> None:
    assert saved_by_cache(model, usage) == (None if saved is None else pytest.approx(saved, abs=1e-12))


def test_replaced_and_failed_turns_were_paid_for_too() -> None:
    first = a_talk(a_paid("", cell_id="c1"), a_paid("", cell_id="c2"))
    store = kept(None, (first, "nb"))
    again = first.put(a_paid(first.id, cell_id="c1"), "replace")
    store.write(first, again)
    store.write(again, again.undo())
    cut = a_paid(first.id, Usage(100, 7), stage="cut", cell_id="c1")
    store.record(cut)
    store.begin(first.id, pending("still on its way", conversation=first.id))
    rows = store.spent(saved_by_cache, "nb")
    assert [row.number for row in rows] == [0, 1, 0, 0, 0]
    assert [row.stage for row in rows] == ["complete"] * 3 + ["cut", "pending"]
    whole = total(rows)
    assert (whole.turns, whole.replaced) == (4, 3)
    assert whole.cost == pytest.approx(3 * 0.00375 + 0.00027)
    assert "3 turns of these are no longer in the conversation" in repr(Report(tuple(rows)))


def test_a_forks_past_counts_where_it_was_asked() -> None:
    talk = a_talk(a_paid(""), a_paid(""))
    store = kept(None, (talk, "nb"))
    fork = talk.fork(uuid.uuid4().hex, "branch")
    store.create(fork, "copy.ipynb", forked_from=talk.id)
    store.write(fork, fork.put(a_paid(fork.id)))
    everywhere = store.spent(saved_by_cache)
    assert len(everywhere) == 3
    (own,) = store.spent(saved_by_cache, "copy.ipynb")
    assert own.number == 3
    assert store.shared(fork.id) == Shared(elsewhere=2)
    assert store.shared(talk.id) == Shared()
    assert shared_lines(Shared(2, 1)) == [
        "2 turns shared with another conversation are counted there, where they were asked.",
        "1 turn taken in from a file: not paid for here.",
    ]


def test_what_was_taken_in_from_a_file_was_not_paid_for_here() -> None:
    talk = a_talk(a_paid(""))
    store = kept(None, (talk, "nb"))
    store.write(talk, replace(talk, turns=(*talk.turns, a_turn("foreign"))))
    assert len(store.spent(saved_by_cache)) == 1
    assert store.shared(talk.id) == Shared(taken_in=1)


def test_the_demo_and_the_reused_never_cost_money() -> None:
    demo = a_paid("", demo=True)
    talk = a_talk(
        a_paid(""), demo, a_paid("", reused=True, cost=0.0), a_paid("", demo=True, reused=True, cost=0.0)
    )
    rows = kept(None, (talk, "nb")).spent(saved_by_cache)
    assert [row.cost for row in rows] == [pytest.approx(0.00375), 0, 0, 0]
    assert [row.demo_cost for row in rows] == [0, pytest.approx(0.00375), 0, 0]
    assert [row.output_tokens for row in rows] == [200, 200, 0, 0]
    paid, apart = total(rows), total(rows, demo=True)
    assert (paid.turns, paid.demo_cost, apart.turns, apart.cost) == (2, 0.0, 2, 0.0)
    assert apart.uncached_cost == pytest.approx(0.0092)
    assert [(group.label, group.demo) for group in totals(rows, "model")] == [(SONNET, False), (SONNET, True)]
    table = repr(Report(tuple(rows)))
    assert "offline demo, $0.0037 at list price" in table or "offline demo, $0.0038 at list price" in table
    assert "Offline demo, not Claude, never charged: 2 turns" in table
    assert "reused, free" in table


def test_unknown_prices_count_with_their_tokens_only() -> None:
    talk = a_talk(a_paid("", model="claude-fable-5-2"), a_paid(""))
    rows = kept(None, (talk, "nb")).spent(saved_by_cache)
    whole = total(rows)
    assert (whole.unpriced, whole.turns, whole.input_tokens) == (1, 2, 200)
    assert whole.cost == pytest.approx(0.00375)
    assert "1 turn of a model without a known price: its tokens count" in repr(Report(tuple(rows)))


def test_it_survives_a_restart_and_the_end_of_its_conversation(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    talk = a_talk(a_paid(""), a_paid(""))
    store = kept(path, (talk, "old.ipynb"), (a_talk(a_paid("")), "other"))
    before = store.spent(saved_by_cache, "old.ipynb")
    store.close()
    again = Store.open(path)
    assert again.spent(saved_by_cache, "old.ipynb") == before
    again.delete(talk.id)
    again.rename_notebook("old.ipynb", "new.ipynb")
    moved = again.spent(saved_by_cache, "new.ipynb")
    assert [replace(row, notebook="old.ipynb") for row in moved] == before
    assert again.spent(saved_by_cache, "old.ipynb") == []


def test_today_is_read_whatever_the_notebook() -> None:
    now = time.time()
    talks = [a_talk(a_paid("", began=began)) for began in (now, now - 200_000)]
    store = kept(None, (talks[0], "a"), (talks[1], "a"), (a_talk(a_paid("", began=now)), "b"))
    assert [row.notebook for row in store.spent(saved_by_cache, "b", midnight(now))] == ["a", "b"]
    assert midnight(now) <= now
    assert local_day(midnight(now)) == local_day(now)


@pytest.mark.parametrize("began", [float("inf"), -1e300, 1e300])
def test_times_that_are_none(began: float) -> None:
    assert local_day(began) == date(1970, 1, 1)


@pytest.mark.parametrize("prompt", ["half \ud800 of it", "é" * 5_000, "\ud800" + "é" * 5_000, "", "\x00nul"])
def test_prompts_of_any_kind(prompt: str) -> None:
    (row,) = kept(None, (a_talk(a_paid("", prompt=prompt)), "nb\udc00")).spent(saved_by_cache)
    assert len(row.prompt) <= 200
    row.prompt.encode()


@pytest.mark.parametrize(
    "answer", ["", "not json", "[1]", '{"usage": 3}', '{"usage": {"input_tokens": "many"}}', "{" * 10_000]
)
def test_an_answer_that_cannot_be_read_counts_no_tokens(tmp_path: Path, answer: str) -> None:
    store = kept(tmp_path / "c.db", (a_talk(a_paid("")), "nb"))
    store._change("UPDATE turns SET answer = ?", answer)
    (row,) = store.spent(saved_by_cache)
    assert row.input_tokens == 0
    assert row.cost == pytest.approx(0.00375)


def test_numbers_that_json_has_not_are_read_all_the_same(tmp_path: Path) -> None:
    store = kept(tmp_path / "c.db", (a_talk(a_paid("")), "nb"))
    store._change("UPDATE turns SET answer = ?", '{"stop_details": Infinity, "usage": {"input_tokens": 5}}')
    (row,) = store.spent(saved_by_cache)
    assert row.input_tokens == 5


tokens = st.integers(0, 500_000)
usages = st.builds(lambda a, b, c, d, e, f: Usage(a, b, c, d, min(d, e), min(b, f), True), *([tokens] * 6))
turns = st.builds(
    lambda usage, model, began, demo, reused, stage: a_paid(
        "", usage, model, began=began, demo=demo, reused=reused, stage=stage
    ),
    usages,
    st.sampled_from([SONNET, "claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-2"]),
    st.floats(1.7e9, 1.8e9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["complete", "cut", "interrupted", "failed", "refused", "max_tokens"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(turns, max_size=6), max_size=3), st.integers(0, 3))
def test_all_sums_agree(talks: list[list[Turn]], undone: int) -> None:
    store = kept(None, *((a_talk(*one, name=f"talk {i}"), f"nb {i % 2}") for i, one in enumerate(talks)))
    for one in store.conversations("nb 0"):
        talk = store.load(one.id)
        store.write(talk, talk.undo(undone))
    rows = store.spent(saved_by_cache)
    assert len(rows) == sum(map(len, talks))
    by_turn = [total([row], demo=row.demo) for row in rows]
    for demo in (False, True):
        whole = total(rows, demo=demo)
        for groups in (by_turn, totals(rows, "conversation"), totals(rows, "model"), totals(rows, "day")):
            for field in fields(Sum):
                if field.name not in ("label", "demo"):
                    parts = [getattr(group, field.name) for group in groups if group.demo == demo]
                    assert sum(parts) == pytest.approx(getattr(whole, field.name), abs=1e-9), field.name
        assert (whole.cost == 0) if demo else (whole.demo_cost == 0)
    spent = sum(turn.cost or 0 for one in talks for turn in one if not (turn.demo or turn.reused))
    assert total(rows).cost == pytest.approx(spent)


HOSTILE = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "  =1", "'=1", "\t=1", "＝1", "| cmd", '"=1"']


def test_a_csv_reads_back_and_runs_nothing(tmp_path: Path) -> None:
    prompts = [*HOSTILE, 'say "hi", please', "a\nb", "naïve 日本"]
    talk = a_talk(*(a_paid("", prompt=prompt) for prompt in prompts), name="=cmd|' /C calc'!A0")
    rows = kept(None, (talk, "+nb")).spent(saved_by_cache)
    path = write_csv(rows, tmp_path / "u.csv", Spent)
    data = path.read_bytes()
    assert data.count(b"\r\n") == len(prompts) + 1
    back = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert [row["prompt"] for row in back[-3:]] == ['say "hi", please', "a b", "naïve 日本"]
    for row in back:
        assert not any(
            cell.strip(" '\"").startswith(("=", "+", "@", "＝", "|")) and cell[0] != "'"
            for cell in row.values()
        )
        assert row["conversation"][0] == row["notebook"][0] == "'"
        assert sum(int(row[name]) for name in ("input_tokens", "cache_read", "cache_write_5m")) == 3_600
        assert float(row["cost"]) == 0.00375
    assert all(row["prompt"].startswith("'") for row in back[: len(HOSTILE)])


def test_a_csv_replaces_its_like_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    rows = [a_row()]
    write_csv(rows, path, Spent)
    write_csv(totals(rows, "model"), path, Sum)
    write_csv([], path, Spent)
    assert len(path.read_text().splitlines()) == 1
    path.write_text("my,own\n1,2\n")
    with pytest.raises(UsageProblem, match="holds something else"):
        write_csv(rows, path, Spent)
    assert path.read_text() == "my,own\n1,2\n"
    with pytest.raises(UsageProblem, match=r"usage is written as \.csv"):
        write_csv(rows, tmp_path / "u.xlsx", Spent)
    with pytest.raises(UsageProblem, match="no such folder"):
        write_csv(rows, tmp_path / "no" / "u.csv", Spent)


def test_the_frame_has_what_the_table_has(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (a_row(cost=0.5, began=1.79e9), a_row(model="other", cost=None, day=date(1970, 1, 1)))
    frame = Report(rows).frame
    assert list(frame.columns) == [field.name for field in fields(Spent)]
    assert frame.cost.sum() == 0.5
    assert str(frame.began.dtype).endswith("UTC]")
    assert list(Report(rows, "model").frame.label) == [SONNET, "other"]
    assert list(Report(()).frame.columns) == list(frame.columns)
    assert list(Report((), "day").frame.columns) == [field.name for field in fields(Sum)]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigProblem, match="needs the package pandas"):
        Report(rows).frame  # noqa: B018


def test_a_hostile_prompt_is_harmless_in_the_table() -> None:
    prompt = "<img src=x onerror=alert(1)> | $x$ [a](javascript:alert(1)) \u202e"
    bundle = Report((a_row(prompt=prompt, number=1),))._repr_mimebundle_()
    assert "<img" not in bundle["text/markdown"]
    assert "](javascript" not in bundle["text/markdown"]
    assert "\u202e" not in bundle["text/plain"]


def some_bars(count: int) -> tuple[Bar, ...]:
    return tuple(Bar(str(i), (i, 3 * i, 0, i, 2), i / 1000, None) for i in range(1, count + 1))


@pytest.mark.parametrize("count", [1, 7, 60, 61, 431])
def test_the_picture_is_light_opaque_and_the_same_each_time(count: int) -> None:
    plot = Plot(some_bars(count))
    data, metadata = plot._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert len(png) < 30_000
    picture = Image.open(io.BytesIO(png))
    assert picture.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    assert metadata["image/png"]["width"] * 2 == picture.width
    assert Plot(some_bars(count)).png() == png
    assert f"{sum(sum(bar.parts) for bar in plot.bars):,} in all" in data["text/plain"]
    assert plot.alt == metadata["image/png"]["alt"]


def test_many_bars_are_summed_and_nothing_is_lost() -> None:
    bars = some_bars(431)
    fewer = summed(bars, MOST)
    assert len(fewer) <= MOST
    assert (fewer[0].label, fewer[-1].label) == ("1–8", "425–431")
    assert sum(sum(bar.parts) for bar in fewer) == sum(sum(bar.parts) for bar in bars)
    assert sum(bar.cost or 0 for bar in fewer) == pytest.approx(sum(bar.cost or 0 for bar in bars))
    assert Plot(bars).axis == "turns, 8 in each bar"


@pytest.mark.parametrize(
    "bars",
    [
        (Bar("1", (0, 0, 0, 0, 0)),),
        (Bar("", (0, 0, 0, 0, 0), 0.0),),
        (Bar("日本\u202e" * 40, (10**12, 0, 0, 0, 1), 1e-9, 5e6),),
        (Bar("a", (1, 0, 0, 0, 0), None, 0.0), Bar("b", (1, 0, 0, 0, 0), 1e-7)),
    ],
)
def test_odd_bars_are_drawn(bars: tuple[Bar, ...]) -> None:
    assert Plot(bars, "model").png().startswith(b"\x89PNG")
    assert "\u202e" not in str(Plot(bars, "model"))


def test_the_days_of_the_demo_and_of_claude_share_a_bar_and_no_cost() -> None:
    rows = (
        a_row(cost=0.5, input_tokens=5),
        a_row(demo=True, demo_cost=0.25, input_tokens=7),
        a_row(day=date(2026, 11, 22), cost=0.125),
    )
    bars = Report(rows, "day").plot.bars
    assert [(bar.label, bar.parts[0], bar.cost, bar.demo_cost) for bar in bars] == [
        ("2026-11-21", 12, 0.5, 0.25),
        ("2026-11-22", 0, 0.125, None),
    ]
    assert [bar.label for bar in Report(rows, "model").plot.bars] == [SONNET, f"{SONNET} (demo)"]


def test_an_interrupted_answer_says_that_its_output_is_an_estimate() -> None:
    talk = a_talk(a_paid("", Usage(10, 1_234), stage="interrupted"))
    rows = kept(None, (talk, "nb")).spent(saved_by_cache)
    assert "≈1,234" in repr(Report(tuple(rows)))


def test_nothing_yet() -> None:
    empty = Report((), plotted=True)
    assert "Total: nothing yet." in repr(empty)
    assert not hasattr(empty, "_ipython_display_")
    assert Answer().usage == Usage()


def test_rows_of_a_map_are_one_line_and_no_longer_sent_is_not_said_of_them() -> None:
    template = "Friendly? {{ row.text }}"
    rows = [a_row(number=1, prompt="first", cost=1.0, output_tokens=5)]
    rows += [a_row(prompt=template, live=False, beside=True, cost=0.5, output_tokens=2) for _ in range(149)]
    rows += [a_row(prompt=template, live=False, beside=True, stage="failed")]
    rows += [a_row(number=2, prompt="last", cost=1.0), a_row(prompt="gone", live=False, cost=1.0)]
    report = Report(tuple(rows))
    lines = [row[1] for row in report.table.rows]
    assert lines == ["first", f"%%claude_map {template} (150 rows)", "last", "gone"]
    of_map = report.table.rows[1]
    assert of_map[6:8] == ("298", "$74.50")
    assert of_map[-1] == "1 failed"
    assert report.table.rows[3][-1] == "no longer sent"
    assert report.total.replaced == 1
    assert not any("not shown" in line for line in report.table.foot)
    assert len(report.plot.bars) == 4
