"""A kernel that writes turns until it is killed; its arguments: store, conversation, name, turns, mounts.

It prints a line when something is promised to be on disk: ``done ID`` for a turn, ``line ID N`` for the
first N lines of a turn's journal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from claude_magic.conversation import database
from claude_magic.conversation.store import Store
from tests.conversation.made import a_turn, pending


def main(path: str, id_: str, name: str, turns: int) -> None:
    store = Store.open(Path(path))
    talk = store.load(id_)
    assert not store.problem, store.problem
    for number in range(turns):
        cell = f"{name}-{number % 7}" if number % 3 else ""
        asked = pending(f"{name} {number} " + "words " * (number % 50), cell=cell)
        assert store.begin(id_, asked), store.problem
        for count in range(number % 4):
            assert store.journal(asked.id, [f"{asked.id} {count} " + "x" * 100]), store.problem
            print("line", asked.id, count + 1, flush=True)
        ended = a_turn(asked.prompt, "said " * (number % 300), id=asked.id, cell=cell, blocks=asked.blocks)
        after = talk.put(ended, "replace" if number % 2 else "append")
        assert store.write(talk, after), store.problem
        print("done", asked.id, flush=True)
        talk = after
    store.close()


if __name__ == "__main__":
    database._MOUNTS = Path(sys.argv[5])
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
