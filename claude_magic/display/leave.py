"""Asking the user's leave to run a tool call: how it is shown, and what counts as an answer.

What is shown is the JSON that is run, letter by letter; a call that can be read in two ways is not asked
about and not run. An answer counts for the question it was given to, once.
"""

from __future__ import annotations

import json
import re
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from claude_magic.stop import Stop
from claude_magic.values import Leave, ToolUsePart

# Letters and marks that show nothing, though Unicode counts them among the printable.
_BLANK = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
)
_SUSPECT = re.compile(f"[^\x20-\x7e\n]|[{_BLANK}]")
_BLANKS = re.compile(f"[{_BLANK}]")


@dataclass(frozen=True, slots=True)
class Question:
    """Whether one tool call may be run, as it is put to the user.

    Parameters
    ----------
    id : str
        Made here, told to the page, and wanted back with its answer.
    name : str
        The tool's name; hidden characters are spelled out.
    arguments : str
        Its arguments as JSON over several lines; what would be hidden stands there as an escape of JSON.
    """

    id: str
    name: str
    arguments: str


def question_of(call: ToolUsePart) -> Question | None:
    """A call as a question; None for one whose arguments are no JSON object, or give a name twice."""
    try:
        given = json.loads(call.input_json or "{}", object_pairs_hook=_unambiguous)
        pretty = json.dumps(given, indent=2, ensure_ascii=False) if isinstance(given, dict) else ""
    except (ValueError, RecursionError):
        return None
    if not pretty:
        return None
    name = spelled(call.name.replace("\n", "\\n"))
    return Question(secrets.token_hex(16), name, spelled(pretty))


def leave_in(content: dict[str, Any], question: Question) -> Leave | None:
    """What the page answers to this very question; None for any other message."""
    said = content.get("leave")
    if content.get("question") != question.id or said not in ("once", "always", "no"):
        return None
    return cast("Leave", said)


def leave_by_input(question: Question, stop: Stop) -> Leave:
    """Ask at the prompt; whatever is no clear yes is a no. An interrupt is a no, and ends the reply."""
    name = question.name
    wanted = f"The model wants to run {name} with\n{question.arguments}\n"
    wanted += f"[y]es, once; [a]lways run {name} in this kernel; [N]o: "
    try:
        with _interrupts_fall_in():
            _forget_typed_ahead()
            said = input(wanted).strip().casefold()
    except KeyboardInterrupt:
        stop.interrupted = stop.asked = True
        return "no"
    except EOFError:
        return "no"
    except (OSError, RuntimeError, ValueError):
        return "unasked"
    if stop.asked:
        return "no"
    return "once" if said in ("y", "yes") else "always" if said in ("a", "always") else "no"


def spelled(text: str) -> str:
    """JSON, or a name, in which all that a reader could not see stands as an escape of JSON."""
    return _SUSPECT.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    one = match.group()
    return one if one.isprintable() and not _BLANKS.match(one) else json.dumps(one)[1:-1]


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ValueError("a name is given twice")
    return given


@contextmanager
def _interrupts_fall_in() -> Iterator[None]:
    """Let an interrupt break off what waits here: elsewhere in a turn it is only noted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)


def _forget_typed_ahead() -> None:
    """A terminal's keys that were pressed before the question stood there are no answer to it."""
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import termios  # noqa: PLC0415 - not on every system

        if sys.stdin.isatty():
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
