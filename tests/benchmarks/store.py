"""What keeping a conversation costs: ``python -m tests.benchmarks.store`` prints a table.

Real files, on the disk of the temporary folder.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from claude_magic.api.events import decode
from claude_magic.api.fold import Fold
from claude_magic.conversation.history import Conversation
from claude_magic.conversation.store import Store
from claude_magic.values import Block
from tests.conversation.made import a_turn, pending, text_block

Row = tuple[str, str, str]


def long_conversation(count: int) -> Conversation:
    turns = (
        a_turn(f"question {i} " + "of some words " * 10, "an answer of some length " * 80, f"cell-{i}")
        for i in range(count)
    )
    return Conversation(uuid.uuid4().hex, turns=tuple(turns))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def opening(folder: Path, others: int) -> Row:
    path = folder / f"opening-{others}.db"
    store = Store.open(path)
    picture = Block("image", b'{"type":"image","data":"' + b"A" * 4_000_000 + b'"}', name="fig")
    talk = long_conversation(10_000)
    first = a_turn("the figure", blocks=(picture, text_block("the figure")))
    talk = Conversation(talk.id, turns=(first, *talk.turns))
    wrote, _ = seconds(lambda: store.create(talk, "mine"))
    for number in range(others):
        store.create(long_conversation(2_000), f"other {number}")
    store.close()
    times = []
    for _ in range(5):

        def work() -> None:
            opened = Store.open(path)
            assert opened.conversations("mine")[0].turns == 10_001
            assert opened.unfinished(talk.id) == []
            assert len(opened.load(talk.id).turns) == 10_001
            opened.close()

        times.append(seconds(work)[0])
    size = path.stat().st_size / 1e6
    return (
        f"open and load 10,000 turns, {others} other notebooks",
        f"{statistics.median(times):.2f} s",
        f"≤ 2 s · {size:.0f} MB · first written in {wrote:.1f} s",
    )


def turns(folder: Path) -> Iterator[Row]:
    """What the turns of a growing conversation cost, medians over several conversations."""
    store = Store.open(folder / "turns.db")
    walls: dict[int, list[float]] = {}
    cpus: dict[int, list[float]] = {}
    for _ in range(10):
        talk = Conversation(uuid.uuid4().hex)
        store.create(talk, "nb")
        for number in range(1, 101):
            asked = pending(f"question {number}", cell=f"c{number}")
            ended = a_turn(asked.prompt, "an answer " * 200, asked.cell_id, id=asked.id, blocks=asked.blocks)

            def work(
                before: Conversation = talk, asked: object = asked, ended: object = ended
            ) -> Conversation:
                store.begin(before.id, asked)  # type: ignore[arg-type]
                store.journal(asked.id, ["{}"])  # type: ignore[attr-defined]
                after = before.put(ended, "replace")  # type: ignore[arg-type]
                store.write(before, after)
                return after

            wall, cpu = seconds(work)
            talk = talk.put(ended, "replace")
            walls.setdefault(number, []).append(wall)
            cpus.setdefault(number, []).append(cpu)

    def median(of: dict[int, list[float]], first: int, last: int) -> float:
        return statistics.median(one for number in range(first, last + 1) for one in of[number]) * 1e3

    early, late = median(walls, 2, 4), median(walls, 98, 100)
    yield "turn 3: begin, one batch, write", f"{early:.2f} ms", f"CPU {median(cpus, 2, 4):.2f} ms"
    yield "turn 100", f"{late:.2f} ms", f"CPU {median(cpus, 98, 100):.2f} ms"
    yield "turn 100 / turn 3", f"{late / early:.2f}", "≤ 1.15 for a whole cell"
    store.close()
    store = Store.open(folder / "long.db")
    talk = long_conversation(10_000)
    store.create(talk, "nb")
    last = talk.put(a_turn("one more"), "append")
    wall, cpu = seconds(lambda: store.write(talk, last))
    yield "turn 10,001", f"{wall * 1e3:.1f} ms", f"CPU {cpu * 1e3:.1f} ms"
    again = last.put(a_turn("again", cell="cell-0"), "replace")
    wall, cpu = seconds(lambda: store.write(last, again))
    yield "turn 1 of 10,001 again: all below become stale", f"{wall * 1e3:.0f} ms", f"CPU {cpu * 1e3:.0f} ms"
    wall, _ = seconds(lambda: store.search("nothing of the kind"))
    yield "first search over 10,001 turns (makes the index)", f"{wall:.2f} s", ""
    wall, _ = seconds(lambda: store.search("again"))
    yield "next search", f"{wall * 1e3:.1f} ms", ""
    store.close()


def journaling(folder: Path, per_batch: int) -> Row:
    """The CPU of journaling a stream, beside that of decoding and folding it alone."""
    batches = [
        [
            json.dumps(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
            )
            for _ in range(per_batch)
        ]
        for _ in range(12 * 60)
    ]

    def folded() -> None:
        fold = Fold()
        for batch in batches:
            for event in decode(batch):
                fold.take(event)
            fold.news()

    store = Store.open(folder / "journal.db")
    talk = Conversation(uuid.uuid4().hex)
    store.create(talk, "nb")
    turn = pending()
    store.begin(talk.id, turn)

    def journaled() -> None:
        owed: list[str] = []
        for number, batch in enumerate(batches):
            owed += batch
            if number % 5 == 4:  # every 0.4 s of twelve batches a second
                store.journal(turn.id, owed)
                owed = []

    _, fold_cpu = seconds(folded)
    wall, cpu = seconds(journaled)
    store.close()
    return (
        f"journal of 60 s, 12 batches/s of {per_batch} deltas",
        f"{cpu * 1e3:.0f} ms CPU, {wall * 1e3:.0f} ms",
        f"{cpu / 60:.3%} of one CPU · decode and fold alone {fold_cpu * 1e3:.0f} ms",
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        others = (0, 50) if "--quick" not in sys.argv else (0, 5)
        rows = [opening(folder, count) for count in others]
        rows += turns(folder)
        rows += [journaling(folder, count) for count in (1, 5, 50)]
    width = max(len(row[0]) for row in rows)
    for what, value, note in rows:
        print(f"{what:<{width}}  {value:>20}  {note}")


if __name__ == "__main__":
    main()
