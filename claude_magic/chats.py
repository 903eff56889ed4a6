"""Which conversation a cell speaks in, and its keeping: what stands between the session and the store."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from claude_magic import asides
from claude_magic.conversation.history import Conversation, OnRerun, nth_of_cell
from claude_magic.conversation.notebook import Notebook, conversation_ids, is_kin, settle
from claude_magic.conversation.reading import Summary
from claude_magic.conversation.store import Store
from claude_magic.conversation.usage import midnight
from claude_magic.ending import recovered
from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.places import CellRun, Place, going_on
from claude_magic.values import Turn


class Chats:
    """The conversations of one kernel's notebook, and the one that is spoken in now.

    Parameters
    ----------
    store : Store
        Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._notes: list[str] = []
        self._notebook: Notebook | None = None
        self._current = Conversation()
        self._asked = CellRun()

    @property
    def current(self) -> Conversation:
        """The conversation that is spoken in now."""
        return self._current

    @property
    def notebook(self) -> Notebook | None:
        """The notebook a cell was last run in; None before the first."""
        return self._notebook

    def enter(self, notebook: Notebook) -> None:
        """Find the conversations of the notebook that a cell runs in; once for each path it has."""
        if self._notebook is not None and notebook.key == self._notebook.key:
            return
        known = self._notebook
        self._notebook = notebook
        if known is not None and known.path == "" and notebook.path:
            # The path is learnt late: all that was said so far belongs to it.
            self.store.rename_notebook(known.key, notebook.key)
            return
        self._settle(notebook)
        summaries = self.store.conversations(notebook.key)
        if summaries:
            self._current = self._opened(max(summaries, key=lambda one: one.last).id)

    def _settle(self, notebook: Notebook) -> None:
        """Recognise a notebook that was renamed, moved or copied by the ids in its saved outputs."""
        if not notebook.path:
            return
        ids = conversation_ids(notebook.path)
        named = {one: found.notebook for one in ids if (found := self.store.find(one)) is not None}
        places = {notebook.key, *named.values()}
        known = named | {one.id: place for place in places for one in self.store.conversations(place)}
        decision = settle(notebook.key, ids, known, lambda path: is_kin(path, notebook.path))
        for moved in decision.rebind:
            self.store.bind(moved, notebook.key)
        # The one last spoken in is made last, and so spoken in here too.
        for copied in sorted(decision.fork, key=self._last_touched):
            original = self.store.load(copied)
            self.store.create(
                original.fork(uuid.uuid4().hex, original.name), notebook.key, forked_from=copied
            )
        if decision.kind == "foreign":
            self._notes.append(
                "This notebook holds earlier turns that were not asked here; "
                "%claude_restore shows them and takes them in."
            )

    def _last_touched(self, conversation_id: str) -> float:
        return found.last if (found := self.store.find(conversation_id)) is not None else 0.0

    def _opened(self, conversation_id: str) -> Conversation:
        """Load a conversation; turns that a kernel left unfinished when it died are ended first."""
        loaded = self.store.load(conversation_id)
        self._notes += asides.recover(self.store, loaded)
        unfinished = self.store.unfinished(conversation_id)
        if not unfinished:
            return loaded
        after = loaded
        for turn, lines in unfinished:
            done = recovered(turn, lines, after.above(turn.cell_id, "replace").turns)
            if done.stands_for or _would_lose_an_answer(after, done):
                # Half a summary takes the place of nothing.
                self.store.record(done)
            else:
                after = after.put(done, "replace")
        self.store.write(loaded, after)
        summaries = sum(bool(turn.stands_for) for turn, _ in unfinished)
        if summaries:
            self._notes.append("A summary was cut when an earlier kernel ended, so nothing was compacted.")
        if count := len(unfinished) - summaries:
            self._notes.append(
                f"{count} answer{'s were' if count > 1 else ' was'} cut when an earlier kernel ended; "
                "what came is in %claude_history."
            )
        return after

    def place(
        self, cell_id: str, execution: int, *, name: str, new: bool, rerun: OnRerun, go_on: bool
    ) -> Place:
        """Where a cell speaks; nothing is changed by asking.

        Parameters
        ----------
        cell_id : str
            The front end's id of the cell, ``""`` for none.
        execution : int
            The number of this run; a cell may ask more than once in one.
        name : str
            The conversation asked for; ``""`` for the cell's own, or the current one.
        new : bool
            Whether the question begins a conversation of its own.
        go_on : bool
            Whether it asks for the rest of a partial answer, which may be that of the same cell.

        Raises
        ------
        UsageProblem
            When there is no partial answer to go on from. Nothing was sent.
        """
        count = self._asked.count + 1 if self._asked.during(cell_id, execution) else 1
        cell = nth_of_cell(cell_id, count)
        if name:
            spoken_in = self._named(name) or Conversation(name=name)
        elif new:
            spoken_in = self._begun_by(cell) or Conversation(name=self._free_name())
        elif cell and not self._current.has(cell):
            spoken_in = self._spoken_in(cell) or self._current
        else:
            spoken_in = self._current
        if spoken_in.id:
            # Another kernel of this notebook may have spoken since.
            spoken_in = self.store.refreshed(spoken_in)
        asked = CellRun(cell_id, execution, count)
        if go_on:
            return going_on(spoken_in, cell, rerun, asked)
        return Place(spoken_in, cell, spoken_in.above(cell, rerun).answered(), rerun, asked)

    def take(self, place: Place) -> str:
        """Speak there from now on; return the id of the conversation, which is made if need be."""
        self._asked = place.asked
        self._current = place.conversation
        if place.cell and not self._current.has(place.cell) and self._summarised(place.cell):
            self._notes.append(
                f"What this cell asked before stands in the summary that {self._current.name!r} begins with, "
                "which stays as it is: it was asked anew, at the end."
            )
        return self.home()

    def home(self) -> str:
        """The id of the conversation under which questions outside of any are counted; made if need be."""
        if not self._current.id:
            self._current = self._created(self._current.name)
        return self._current.id

    def return_to(self, before: Conversation) -> None:
        """Go on where one was, whatever was spoken in meanwhile."""
        if before.id != self._current.id:
            self._current = before

    def _summarised(self, cell: str) -> bool:
        return self._current.summarises(self.store.asked_by(cell))

    def without_cells(self, cell_ids: Sequence[str]) -> None:
        """Let the turns of deleted cells leave; they stay in the store."""
        if cell_ids:
            self.change(self._current.without_cells(cell_ids))

    def begin(self, turn: Turn, key: str) -> None:
        """Keep a prompt before it is sent."""
        self.store.begin(turn.conversation or self._current.id, turn, key)

    def advance(self, turn: Turn) -> None:
        """Keep the rounds of a turn that goes on."""
        self.store.advance(turn)

    def journal(self, turn: Turn, lines: Sequence[str]) -> None:
        """Keep what has come of a reply."""
        self.store.journal(turn.id, lines)

    def keep(self, turn: Turn, rerun: OnRerun, key: str = "") -> None:
        """Keep a turn that has ended, in its place; a failed one does not replace an answer."""
        if turn.conversation not in ("", self._current.id):
            # A tool or an expression of this question has asked elsewhere meanwhile.
            self._current = self._opened(turn.conversation)
        if rerun != "append" and _would_lose_an_answer(self._current, turn):
            self.store.record(turn, key)
            return
        self.change(self._current.put(turn, rerun), key)

    def refresh(self) -> Conversation:
        """The conversation that is spoken in now, with what another kernel has said in it since."""
        if self._current.id:
            self._current = self.store.refreshed(self._current)
        return self._current

    def reused(self, key: str) -> Turn | None:
        """An earlier turn, complete, that asked exactly this."""
        return self.store.answered(key)

    def take_notes(self) -> list[str]:
        """Lines for the user that were not said yet: of the notebook, and of the store."""
        notes, self._notes = self._notes, []
        return notes + self.store.news().splitlines()

    @property
    def path(self) -> str:
        """The notebook's file, ``""`` where it is not known."""
        return self._notebook.path if self._notebook is not None else ""

    def spent_today(self, *, demo: bool) -> float:
        """USD that this notebook's questions have cost since midnight, replaced and undone ones included."""
        return self.store.spent_since(self.key, midnight(time.time()), demo=demo)

    def under_way(self, since: float | None = None, *, demo: bool) -> float:
        """USD that batches may still cost which this notebook has sent since a moment, or since midnight."""
        since = midnight(time.time()) if since is None else since
        return self.store.batches.outstanding(self.key, since, demo=demo)

    def undo(self, count: int) -> int:
        """Take the last turns back; return how many left."""
        before = self._current
        self.change(before.undo(count))
        return len(before.turns) - len(self._current.turns)

    def switch(self, name: str) -> Conversation:
        """Speak in another conversation of this notebook."""
        found = self._named(name)
        if found is None:
            names = [one.name for one in self.summaries()]
            raise UsageProblem(
                f"No conversation {name!r} in this notebook.{did_you_mean(name, names)} "
                f"%claude_chat --new {name} begins one."
            )
        self._current = found
        return found

    def resume(self, conversation_id: str) -> None:
        """Speak in a conversation by its id, as it stands now."""
        same = conversation_id == self._current.id
        self._current = self.refresh() if same else self._opened(conversation_id)

    def begin_new(self, name: str) -> Conversation:
        """Begin a conversation; the name must be free."""
        self._must_be_free(name)
        self._current = self._created(name or self._free_name())
        return self._current

    def fork(self, name: str) -> Conversation:
        """Go on from here in a conversation of its own; the past is shared."""
        self._must_be_free(name)
        forked = self._current.fork(uuid.uuid4().hex, name)
        self.store.create(forked, self.key, forked_from=self._current.id)
        self._current = forked
        return forked

    def delete(self, name: str) -> None:
        """Take a conversation out of the notebook; it stays in the store."""
        gone = self.switch(name)
        self.store.delete(gone.id)
        rest = self.summaries()
        self._current = self._opened(max(rest, key=lambda one: one.last).id) if rest else Conversation()

    def take_in(self, turns: Sequence[Turn]) -> None:
        """Put restored or imported turns at the end of the current conversation."""
        self.home()
        self.change(replace(self._current, turns=(*self._current.turns, *turns)))

    def change(self, after: Conversation, key: str = "") -> None:
        """Go on in the current conversation as it is to be from now on.

        Parameters
        ----------
        key : str
            The question of a turn that is new in it, as a hash.
        """
        if after is not self._current:
            self.store.write(self._current, after, key)
            self._current = after

    def _must_be_free(self, name: str) -> None:
        if name and self._named(name) is not None:
            raise UsageProblem(f"This notebook has a conversation {name!r} already. %claude_chat lists them.")

    def _named(self, name: str) -> Conversation | None:
        for one in self.summaries():
            if one.name == name:
                return self._current if one.id == self._current.id else self._opened(one.id)
        return None

    def _begun_by(self, cell: str) -> Conversation | None:
        """The conversation whose first turn is this cell's: running it again begins the same one anew."""
        for loaded in self._holding(cell):
            if loaded.turns[0].cell_id == cell:
                return loaded
        return None

    def _spoken_in(self, cell: str) -> Conversation | None:
        """The conversation that holds this cell's turn, or a summary that stands for it."""
        return next(self._holding(cell), None)

    def _holding(self, cell: str) -> Iterator[Conversation]:
        """Where a turn of this cell stands, the last touched first, up to where it is summarised.

        Not where it is only shared with the current conversation, which has let it go: what was summarised
        or taken back here does not come back with a fork, nor with the whole that was kept.
        """
        asked = self.store.asked_by(cell) if cell else frozenset()
        holding = self.store.holding(self.key, cell) if asked else []
        gone = self.store.let_go(self._current.id) if holding else frozenset()
        for one in self.summaries() if asked else ():
            loaded = self._current if one.id == self._current.id else self._opened(one.id)
            own = {turn.id for turn in loaded.turns if turn.cell_id == cell} if one.id in holding else set()
            if own and not (own <= gone or self._current.summarises(own)):
                yield loaded
            elif loaded.summarises(asked):
                yield loaded
                return

    def _created(self, name: str) -> Conversation:
        created = Conversation(uuid.uuid4().hex, name)
        self.store.create(created, self.key)
        return created

    def _free_name(self) -> str:
        names = {one.name for one in self.summaries()}
        free = ("main", *(f"chat {number}" for number in range(2, len(names) + 2)))
        return next(name for name in free if name not in names)

    def summaries(self) -> Sequence[Summary]:
        """The conversations of this notebook."""
        return self.store.conversations(self.key)

    @property
    def key(self) -> str:
        """What the store keeps this notebook's conversations under."""
        return self._notebook.key if self._notebook is not None else ""


def _would_lose_an_answer(conversation: Conversation, turn: Turn) -> bool:
    """Whether a turn that brought nothing would take the place of one that did."""
    if turn.goes_back or not turn.cell_id:
        return False
    return any(old.goes_back for old in conversation.turns if old.cell_id == turn.cell_id)
