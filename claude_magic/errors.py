"""Every way claude_magic can fail, as one drawn tree.

::

    ClaudeMagicError
    ├── UsageProblem          a flag, a name, a file or a setting that cannot be used
    ├── ConfigProblem         no credential, unknown model, broken environment
    ├── ApiProblem            the request was sent, or tried, and did not end well
    │   ├── RequestRefused    the API said no (400, 401, 403, 404, 413, …)
    │   ├── ApiBusy           rate limit or overload (429, 529, 5xx)
    │   ├── ConnectionProblem no connection, a broken one, or not an API at all
    │   ├── StreamCut         the reply stopped before its end
    │   └── NotRecorded       a cassette that is replayed has no answer to it
    ├── DataProblem           the answer is not the data that --schema asked for
    ├── ToolProblem           a kernel function could not be offered or run
    └── StoreProblem          the conversation could not be kept

    KeyboardInterrupt
    └── Interrupted           the notebook's interrupt, after what was received has been kept

Each message is one line: what happened, then what to do next. IPython shows just that line, because
it asks an exception for ``_render_traceback_`` before it prints a traceback.
"""

from __future__ import annotations

import difflib
import functools
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

_KEY = re.compile(r"sk-ant-[\w-]{12,}")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class ClaudeMagicError(Exception):
    """Base of all errors of claude_magic; its message is one short line for the user."""

    behind: BaseException | None = None
    """The user's own last error, when this one was raised by a magic."""
    reply: Any = None
    """The `claude_magic.Reply` with what had come before it ended in this; None where nothing was asked."""

    def _render_traceback_(self) -> list[str]:
        return [_in_red(self, type(self).__name__)]


def _in_red(error: BaseException, name: str) -> str:
    """The one line of an error, for IPython; what does not show becomes visible in it."""
    line = "".join(letter if letter.isprintable() else "\ufffd" for letter in str(error))
    return f"\x1b[31m{name}\x1b[39m: {line}"


class UsageProblem(ClaudeMagicError):
    """A flag, name, file or setting that cannot be used. Nothing was sent."""


class ConfigProblem(ClaudeMagicError):
    """No credential, an unknown model, or an environment that cannot work. Nothing was sent."""


class ApiProblem(ClaudeMagicError):
    """The request was sent, or tried, and did not end well.

    Parameters
    ----------
    message : str
        What happened, and what is kept.
    request_id : str
        The API's id of the request, ``""`` where there is none.
    advice : str
        What to do.
    brief : str
        What happened in a few words, for the line shown while waiting to try again.
    pause : float or None
        Seconds to wait before a first further try; None where the same request would fail again.
    retry_after : float or None
        Seconds the API asked to wait.
    charged : bool
        Whether the try may have been charged, though its answer was lost.
    """

    def __init__(
        self,
        message: str,
        request_id: str = "",
        *,
        advice: str = "",
        brief: str = "",
        pause: float | None = None,
        retry_after: float | None = None,
        charged: bool = False,
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.advice = advice
        self.charged = charged
        self.brief = brief
        self.pause = pause
        self.retry_after = retry_after
        self.tries = 1
        """How often the request was sent."""

    def __str__(self) -> str:
        parts = [str(self.args[0])]
        if self.tries > 1:
            parts.append(f"{self.tries} tries were made{'; each may have been charged' * self.charged}.")
        elif self.charged:
            parts.append("It may have been charged all the same.")
        parts.append(self.advice)
        if self.request_id:
            parts.append(f"(request {self.request_id})")
        return " ".join(filter(None, parts))


class RequestRefused(ApiProblem):
    """The API refused the request; sending it again unchanged will not help."""


class ApiBusy(ApiProblem):
    """Rate limit, overload or a server fault; the same request may work later."""


class ConnectionProblem(ApiProblem):
    """No connection, a broken one, or something that is not a Messages API."""


class StreamCut(ApiProblem):
    """The reply stopped before ``message_stop``; the text received is kept."""


class NotRecorded(ApiProblem):
    """A cassette that is replayed has no answer to the request. Nothing was sent."""


class Interrupted(KeyboardInterrupt):
    """The notebook's interrupt, told in one line; queued cells do not go on."""

    behind: BaseException | None = None
    """As of `ClaudeMagicError`."""
    reply: Any = None
    """As of `ClaudeMagicError`."""

    def _render_traceback_(self) -> list[str]:
        return [_in_red(self, "Interrupted")]


class DataProblem(ClaudeMagicError):
    """The answer is not the data that was asked for; its text is kept."""


class ToolProblem(ClaudeMagicError):
    """A kernel function could not be offered to the model, or failed."""


class StoreProblem(ClaudeMagicError):
    """The conversation could not be read or written."""


def at_the_door(magic: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a magic: of its errors the one line leaves it, without the frames and causes behind it.

    They would show foreign tracebacks on demand, and keep what those frames hold alive. A key that was
    typed into the notebook by mistake is not repeated, for an output is saved even where its cell is mended.
    """

    @functools.wraps(magic)
    def called(*given: _P.args, **named: _P.kwargs) -> _R:
        problem: ClaudeMagicError | Interrupted
        try:
            if "line" in magic.__annotations__:
                _refuse_key(magic, given)
            return magic(*given, **named)
        except (ClaudeMagicError, Interrupted) as error:
            problem = error
        except KeyboardInterrupt:
            problem = Interrupted("stopped by an interrupt")
        problem.args = tuple(_KEY.sub("sk-ant-***", one) for one in problem.args if isinstance(one, str))
        problem.behind = last_error()
        problem.__cause__ = problem.__context__ = None
        raise problem.with_traceback(None)  # outside the except, or Python chains it again

    return called


def _refuse_key(magic: Callable[..., object], given: Sequence[object]) -> None:
    """Refuse a line of a magic with a key in it; the prompt of ``%claude`` is looked at where it is sent."""
    _, line, cell = (*given, None, None, None)[:3]
    in_prompt = cell is None and magic.__name__ in ("claude", "claude_count", "claude_compact")
    if isinstance(line, str) and not in_prompt and _KEY.search(line):
        raise UsageProblem(
            "A key stands on this line: take it out and set ANTHROPIC_API_KEY before Jupyter starts; if the "
            "notebook was saved or shared, have the key replaced. Nothing was sent."
        )


def last_error() -> BaseException | None:
    """The last error that the shell has shown and that is none of ours; None where there was none."""
    error: object = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    while isinstance(error, ClaudeMagicError | Interrupted):
        error = error.behind
    return error if isinstance(error, BaseException) else None


# What a module is imported as → the package that brings it, where the names differ.
_BROUGHT_BY = {
    "PIL": "pillow",
    "markdown_it": "markdown-it-py",
    "httpx2": "anthropic",
    "httpcore2": "anthropic",
    "jiter": "anthropic",
}


def too_many_rounds(most: int) -> UsageProblem:
    """The end of a turn that goes on calling tools."""
    return UsageProblem(
        f"Stopped after {most} rounds of tool calls; all of them are kept. --rounds N, or "
        "%claude_config tool_rounds=…, allows more; %claude --continue goes on."
    )


def missing(error: ImportError) -> ConfigProblem:
    """The line for a package of ours that cannot be imported; any other error is raised again."""
    from importlib import metadata  # noqa: PLC0415 - loading the extension must cost nothing

    module = (error.name or "").partition(".")[0]
    package = _BROUGHT_BY.get(module, module.replace("_", "-").lower())
    for requirement in metadata.requires("claude_magic") or ():
        wanted = requirement.partition(";")[0].strip()
        name = re.match(r"[\w.-]+", wanted)
        if name and name[0].lower() == package:
            gone = isinstance(error, ModuleNotFoundError) and sys.modules.get(module) is None
            return ConfigProblem(
                f"The package {package} {'is missing' if gone else 'is too old or broken'}: run "
                f"%pip install -U '{wanted}' and restart the kernel. Nothing was sent."
            )
    raise error


def names_in(folder: Path) -> list[str]:
    """The names in a folder, none where it cannot be read: one of them may have been meant."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except (OSError, ValueError):
        return []


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or ``""``."""
    cutoff = 0.6 if len(word) > 3 else 0.5  # two letters swapped in a short name
    near = difflib.get_close_matches(word, list(known), n=2, cutoff=cutoff)
    alike = [difflib.SequenceMatcher(None, word, name).ratio() for name in near]
    near = [name for name, ratio in zip(near, alike, strict=True) if ratio > max(alike) - 0.07]
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
