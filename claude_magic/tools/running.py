"""Tool calls answered one by one: checked, asked about, run; whatever happens, each gets its answer."""

from __future__ import annotations

import difflib
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_magic.errors import ClaudeMagicError
from claude_magic.stop import Stop
from claude_magic.tools.found import same
from claude_magic.tools.inputs import arguments, canonical
from claude_magic.tools.loop import Loop
from claude_magic.tools.results import Convert, failure, result_blocks
from claude_magic.values import Block, Call, Leave, ToolUsePart, text_block


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call.

    Parameters
    ----------
    name : str
        What the model calls it.
    function : callable
        What runs.
    check : callable
        Makes arguments, by position and by name, of a JSON object; ValueError says what is wrong with it.
    approval : bool
        Whether each call needs the user's leave.
    """

    name: str
    function: Callable[..., Any]
    check: Callable[[Mapping[str, Any]], tuple[list[Any], dict[str, Any]]]
    approval: bool = True


class Approvals:
    """The tools that may be run without asking again, in this kernel: each as the function it was then."""

    def __init__(self) -> None:
        self._given: dict[str, Callable[..., Any]] = {}

    def give(self, name: str, function: Callable[..., Any]) -> None:
        """Ask no more about this function."""
        self._given[name] = function

    def given(self, name: str, function: Callable[..., Any]) -> bool:
        """Whether this function, not another of its name, need not be asked about."""
        if name in self._given and not same(self._given[name], function):
            del self._given[name]
        return name in self._given

    def take_back(self, name: str) -> None:
        """Ask again."""
        self._given.pop(name, None)


REFUSED = "The user did not allow this call; it was not run."
NOBODY = "The user could not be asked whether this call may be run; it was not run."


class Runner:
    """Runs the calls of one question.

    Parameters
    ----------
    tools : sequence of Tool
        What was offered.
    approvals : Approvals
        What need not be asked about.
    convert : callable
        Makes blocks of a value.
    loop : Loop
        Waits for async tools.
    """

    def __init__(self, tools: Sequence[Tool], approvals: Approvals, convert: Convert, loop: Loop) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._approvals = approvals
        self._convert = convert
        self._loop = loop

    def answer(self, call: ToolUsePart, may_run: Callable[[ToolUsePart], Leave], stop: Stop) -> Call:
        """Answer a call, whatever happens; it is run, in this thread, once it may be."""
        return not_run(call) if stop.asked else self._answer(call, may_run, stop)

    def _answer(self, call: ToolUsePart, may_run: Callable[[ToolUsePart], Leave], stop: Stop) -> Call:
        tool = self._tools.get(call.name)
        if tool is None:
            return _refused(call, self._unknown(call.name), "unknown tool")
        try:
            given = arguments(call.input_json)
            shown = canonical(given)
            positional, named = tool.check(given)
        except Exception as error:  # noqa: BLE001 - checks of the user's own raise what they like
            said = str(error) if isinstance(error, ValueError) else failure(error)
            return _refused(call, f"Not run, because {said}", "not run: invalid input")
        asked = ToolUsePart(call.id, call.name, shown)
        if tool.approval and not self._approvals.given(tool.name, tool.function):
            leave = may_run(asked)
            if stop.asked:
                return not_run(asked)
            if leave not in ("once", "always"):
                return _refused(asked, NOBODY if leave == "unasked" else REFUSED, "not allowed")
            if leave == "always":
                self._approvals.give(tool.name, tool.function)
        return self._ran(tool, asked, lambda: tool.function(*positional, **named), stop)

    def _ran(self, tool: Tool, call: ToolUsePart, function: Callable[[], Any], stop: Stop) -> Call:
        """Call a tool and tell what it brought."""
        began = time.monotonic()
        note = ""

        def work() -> tuple[Block, ...]:
            nonlocal note
            value = self._awaited(function())
            note = "ran, but its result could not be sent"
            return result_blocks(value, tool.name, self._convert)

        try:
            told, failed, note = stop.breaking(work), False, ""
        except KeyboardInterrupt:
            told, failed = (text_block("The user interrupted this call while it ran."),), True
            note = "interrupted"
        except BaseException as error:  # noqa: BLE001 - SystemExit and its like too: the kernel goes on
            said = str(error) if note and isinstance(error, ClaudeMagicError) else failure(error)
            said = said.removesuffix(" Nothing was sent.")
            told = (text_block(f"It ran, but its result could not be sent: {said}" if note else said),)
            told, failed, note = self._vetted(told, tool.name), True, note or "failed"
        seconds = time.monotonic() - began
        cut = next((block.note for block in told if block.note.startswith("cut, ")), "")
        return Call(call.id, call.name, call.input_json, told, failed, note or cut, seconds)

    def _vetted(self, told: tuple[Block, ...], name: str) -> tuple[Block, ...]:
        """What is told of a failure, unless that may not go out."""
        try:
            return tuple(block for one in told for block in self._convert(one.text, name))
        except Exception:  # noqa: BLE001 - no word of it goes out that could not be looked at
            return (text_block("It failed, with a message that may not be sent."),)

    def _awaited(self, value: Any) -> Any:
        return self._loop.wait_for(value) if inspect.isawaitable(value) else value

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._tools, n=3)
        others = ", ".join(near or sorted(self._tools)) or "none"
        return f"There is no such tool; nothing was run. Tools: {others}."


def not_run(call: ToolUsePart, why: str = "the user stopped before it was its turn") -> Call:
    """The answer to a call that was left out."""
    return _refused(call, f"Not run: {why}.", "not run")


def _refused(call: ToolUsePart, told: str, note: str) -> Call:
    return Call(call.id, call.name, call.input_json, (text_block(told),), error=True, note=note)
