"""The functions that the model may call: those of all cells, those of one, and the leave they were given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from claude_magic.api.functions import Definition, define
from claude_magic.content import blocks_of
from claude_magic.content.secrets import document_text, find_secrets
from claude_magic.display.table import Table
from claude_magic.errors import ToolProblem, did_you_mean
from claude_magic.tools.found import found, same, words_of
from claude_magic.tools.loop import Loop
from claude_magic.tools.marks import Marks, marks_of
from claude_magic.tools.running import Approvals, Runner, Tool
from claude_magic.values import Attaching, Block, text_block


@dataclass(frozen=True, slots=True)
class Offered:
    """A function as it is offered with a question.

    Parameters
    ----------
    word : str
        How the user names it.
    marks : Marks
        What was said of it.
    """

    word: str
    marks: Marks
    tool: Tool
    definition: Definition


def definitions(offered: Sequence[Offered]) -> tuple[bytes, ...]:
    """The definitions of what is offered, as requests have them."""
    return tuple(one.definition.json for one in offered)


class Toolbox:
    """The tools of one kernel.

    Parameters
    ----------
    names : mapping
        The kernel's names, as they are at any time: a function that is defined anew is the one that runs.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._words: tuple[str, ...] = ()
        self._approvals = Approvals()
        self._loop = Loop()
        self._made: dict[str, Offered] = {}

    def offered(self, typed: str = "", given: Mapping[str, Any] | None = None) -> tuple[Offered, ...]:
        """What may be called in a cell: the tools of all cells, and those it names; in a stable order.

        Parameters
        ----------
        typed : str
            What stands behind ``--tools``.
        given : mapping or None
            Where a program asks: the functions it means by these names; tools of all cells are not offered.

        Raises
        ------
        ToolProblem
            For a name that is none, and for a function that cannot be offered. Nothing was sent.
        """
        words = dict.fromkeys((*(self._words if given is None else ()), *words_of(typed)))
        offered = sorted((self._offer(word, given or {}) for word in words), key=lambda one: one.tool.name)
        for one, other in itertools.pairwise(offered):
            if one.tool.name == other.tool.name:
                raise ToolProblem(
                    f"Two tools would be called {one.tool.name}: {one.word} and {other.word}. Give one "
                    'of them another name: @claude_magic.tool(name="…"). Nothing was sent.'
                )
        return tuple(offered)

    def runner(
        self, offered: Sequence[Offered], how: Attaching, to_secrets: Callable[[Sequence[str]], None]
    ) -> Runner:
        """What runs the calls of a question that was sent with these tools.

        Parameters
        ----------
        to_secrets : callable
            Asks whether what looks like a secret may go out, and raises where it may not.
        """
        how = replace(how, cite=False)  # what a tool brings is no source that the API could quote

        def convert(value: Any, name: str) -> tuple[Block, ...]:
            # A text is told as it is, not as an attachment.
            blocks = (text_block(value),) if isinstance(value, str) else blocks_of(value, name, how)
            found = [one for block in blocks for one in find_secrets(document_text(block))]
            to_secrets([f"{one.kind} in what {name} returned, line {one.line}" for one in found])
            return blocks

        return Runner([one.tool for one in offered], self._approvals, convert, self._loop)

    def must_ask_nobody(self, offered: Sequence[Offered]) -> None:
        """Refuse functions that need the user's leave, where nothing is shown and nobody can be asked.

        Raises
        ------
        ToolProblem
            With what to do. Nothing was sent.
        """
        for tool in (one.tool for one in offered):
            if tool.approval and not self._approvals.given(tool.name, tool.function):
                raise ToolProblem(
                    f"Nobody could be asked whether {tool.name} may run: give show=True, or mark it "
                    "@claude_magic.tool(approval=False). Nothing was sent."
                )

    def add(self, typed: str) -> tuple[str, ...]:
        """Offer functions in all cells from now on; return their names as tools."""
        words = words_of(typed)
        if not words:
            raise ToolProblem("%claude_tools add needs the name of a function: %claude_tools add f")
        before = self._words
        self._words = tuple(dict.fromkeys((*before, *words)))
        try:
            offered = self.offered()
        except ToolProblem:
            self._words = before
            raise
        return tuple(one.tool.name for one in offered if one.word in words)

    def remove(self, typed: str) -> None:
        """Offer functions no more; leave that was given them is taken back."""
        words = words_of(typed)
        if not words:
            raise ToolProblem("%claude_tools remove needs a name: %claude_tools remove f")
        for word in words:
            if word not in self._words:
                hint = did_you_mean(word, self._words)
                raise ToolProblem(f"{word!r} is not among the tools.{hint} %claude_tools lists them.")
        for word in words:
            made = self._made.pop(word, None)
            self._approvals.take_back(made.tool.name if made is not None else word)
        self._words = tuple(word for word in self._words if word not in words)

    def table(self) -> Table:
        """The tools of all cells."""
        rows = []
        for word in self._words:
            try:
                one = self._offer(word)
            except ToolProblem as problem:
                rows.append((word, "", str(problem).removesuffix(" Nothing was sent."), "cannot be offered"))
                continue
            told = one.definition.description.strip().partition("\n")[0]
            name = one.tool.name if one.tool.name == word else f"{one.tool.name} ({word})"
            rows.append((name, ", ".join(one.definition.parameters), told, self._leave(one.tool)))
        title = "Claude may call these functions" if rows else "No tools; %claude_tools add f offers f."
        return Table(("tool", "parameters", "description", "leave"), tuple(rows), title)

    def close(self) -> None:
        """End the thread of the async tools."""
        self._loop.close()

    def _leave(self, tool: Tool) -> str:
        if not tool.approval:
            return "needs none"
        return "always given" if self._approvals.given(tool.name, tool.function) else "asked each time"

    def _offer(self, word: str, given: Mapping[str, Any] = MappingProxyType({})) -> Offered:
        """A function as a tool; made once, as long as it stays the same."""
        function: Callable[..., Any] = given[word] if word in given else found(word, self._names)
        marks = marks_of(function)
        made = self._made.get(word)
        if made is None or made.marks != marks or not same(made.tool.function, function):
            name = marks.name or word.rpartition(".")[2]
            definition = define(function, name, marks.description)
            tool = Tool(name, function, definition.check, marks.approval)
            made = self._made[word] = Offered(word, marks, tool, definition)
        return made
