"""What the magics of the conversation show and do: tables, one turn again, export, restore."""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.api.models import saved_by_cache
from claude_magic.api.repair import assistant_message
from claude_magic.chats import Chats
from claude_magic.code_cells import offer_again
from claude_magic.content.texts import encoded
from claude_magic.conversation.export import export
from claude_magic.conversation.portable import import_json, plain_turns
from claude_magic.conversation.restore import Restored, RestoredTurn, read_turns
from claude_magic.conversation.usage import By, midnight
from claude_magic.display.static import bundle, markdown
from claude_magic.display.status import ended_how, money
from claude_magic.display.table import Table
from claude_magic.errors import UsageProblem
from claude_magic.file_names import expanded
from claude_magic.usage import Report, shared_lines, spent_line
from claude_magic.values import Answer, TextPart, Turn

_START = 60


class Desk:
    """The conversations of a notebook, as its user sees them."""

    def __init__(self, shell: InteractiveShell, chats: Chats) -> None:
        self._shell = shell
        self.chats = chats

    def chats_table(self) -> Table:
        """The conversations of this notebook; the current one is marked."""
        rows = [
            (
                "→" if one.id == self.chats.current.id else "",
                one.name,
                f"{one.turns:,}",
            )
            for one in self.chats.summaries()
        ]
        return Table(("", "conversation", "turns"), tuple(rows))

    def history_table(self, *, every: bool) -> Table:
        """The turns of the current conversation; with ``every``, those that were replaced too."""
        current = self.chats.current
        live = {turn.id: number for number, turn in enumerate(current.turns, 1)}
        versions = self.chats.store.versions(current.id) if every else []
        turns = [version.turn for version in versions] or current.turns
        rows = [_row(turn, live.get(turn.id)) for turn in turns]
        return Table(("", "prompt", "answer", "in", "out", "cost", ""), tuple(rows), current.name)

    def search_table(self, words: str) -> Table:
        """Turns of all notebooks that say these words."""
        found = self.chats.store.search(words)
        rows = [(Path(one.notebook).name, one.name, *_row(one.turn, None)[1:3]) for one in found]
        return Table(("notebook", "conversation", "prompt", "answer"), tuple(rows), f"{len(rows)} turns")

    def show(self, number: int) -> None:
        """Publish one turn of the current conversation again, whole."""
        data, metadata = bundle(self._turn(number))
        self._shell.display_pub.publish(data, metadata)

    def code(self, number: int) -> None:
        """Put the code of an answer into a new cell below; 0 for the last."""
        offer_again(self._turn(number or len(self.chats.current.turns) or 1), self._shell)

    def _turn(self, number: int) -> Turn:
        turns = self.chats.current.turns
        if number > len(turns):
            raise UsageProblem(f"No turn {number}: the conversation has {len(turns)}.")
        return turns[number - 1]

    def usage(self, by: By, *, every: bool, plotted: bool) -> Report:
        """What was used and spent: by turn in this conversation, else in this notebook, or in all.

        Parameters
        ----------
        every : bool
            Whether all notebooks of the store are told of.
        """
        store, current = self.chats.store, self.chats.current
        today = midnight(time.time())
        place = None if every else self.chats.key
        rows = store.spent(saved_by_cache, place, today)
        here = [row for row in rows if row.notebook == self.chats.key]
        notes = ["Today, all notebooks: " + spent_line(row for row in rows if row.began >= today)]
        if every:
            shown, title = sorted(rows, key=lambda row: row.began), "All notebooks"
        elif by == "turn":
            shown = [row for row in here if row.conversation_id == current.id]
            title = f"Conversation {current.name}"
            notes[:0] = [*shared_lines(store.shared(current.id)), "This notebook: " + spent_line(here)]
        else:
            shown, title = here, "This notebook"
        return Report(tuple(shown), by, title, tuple(notes), plotted, several=every)

    def export(self, file: str, *, force: bool) -> int:
        """Write the current conversation to a file; return the number of its turns."""
        current = self.chats.current
        if not current.turns:
            raise UsageProblem("Nothing to export: the conversation has no turns.")
        path = expanded(file)
        export(current.turns, path, title=current.name, bundle=bundle, markdown=markdown, force=force)
        return len(current.turns)

    def restore(self, file: str, *, accepted: bool) -> Table | None:
        """Show what a file's conversation would bring, or take it in."""
        path = expanded(file or self.chats.path) if file or self.chats.path else None
        if path is None:
            raise UsageProblem("This notebook's file is not known: %claude_restore FILE.ipynb.")
        if path.suffix == ".json":
            turns = plain_turns(import_json(path))
        else:
            restored = read_turns(path)
            if not accepted:
                return _preview(restored)
            turns = tuple(_turn(one) for one in restored.turns)
        if not accepted:
            rows = [_row(turn, number) for number, turn in enumerate(turns, 1)]
            return Table(("", "prompt", "answer", "in", "out", "cost", ""), tuple(rows), _OFFER)
        self.chats.take_in(turns)
        sys.stdout.write(f"{len(turns)} turns taken into the conversation {self.chats.current.name!r}.\n")
        return None


_OFFER = "This would be taken in, prompts and answers only; %claude_restore --yes does so."


def _preview(restored: Restored) -> Table:
    rows = [
        (str(number), _start(turn.prompt), _start(turn.answer), turn.model)
        for number, turn in enumerate(restored.turns, 1)
    ]
    title = " ".join((_OFFER, *restored.notes)) if rows else "No turns were found in its saved outputs."
    return Table(("", "prompt", "answer", "model, as it says"), tuple(rows), title)


def _turn(restored: RestoredTurn) -> Turn:
    """A turn of plain text from what a notebook's outputs hold."""
    whole = restored.stage == "complete"
    parts = (TextPart(restored.answer),) if restored.answer else ()
    answer = Answer(parts, model=restored.model, stop_reason="end_turn" if whole else "", complete=whole)
    return Turn(
        prompt=restored.prompt,
        blocks=(encoded(restored.prompt, ""),),
        reply=assistant_message(answer),
        shown=restored.answer,
        answer=answer,
        stage=restored.stage,
        model=restored.model,
        demo=restored.demo,
        id=uuid.uuid4().hex,
        cell_id=restored.cell_id,
        began=time.time(),
    )


def _row(turn: Turn, number: int | None) -> tuple[str, ...]:
    usage = turn.usage
    known = (("summary", turn.stands_for), ("stale", turn.stale), ("reused", turn.reused))
    marks = [mark for mark, on in known if on]
    if number is None:
        marks.append("no longer sent")
    if wording := ended_how(turn):
        marks.append(wording)
    return (
        str(number) if number else "",
        _start(turn.prompt),
        _start(turn.text),
        f"{usage.prompt_tokens:,}" if usage.prompt_tokens else "",
        f"{usage.output_tokens:,}" if usage.output_tokens else "",
        money(turn.cost) if turn.cost is not None else "",
        ", ".join(marks),
    )


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _START else line[: _START - 1] + "…"
