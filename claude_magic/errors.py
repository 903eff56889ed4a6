"""Every way claude_magic can fail, as one drawn tree.

::

    ClaudeMagicError
    ├── UsageProblem          a flag, a name, a file or a setting that cannot be used
    ├── ConfigProblem         no credential, unknown model, broken environment
    ├── ApiProblem            the request was sent, or tried, and did not end well
    │   ├── RequestRefused    the API said no (400, 401, 403, 404, 413, …)
    │   ├── ApiBusy           rate limit or overload (429, 529, 5xx)
    │   ├── ConnectionProblem no connection, a broken one, or not an API at all
    │   └── StreamCut         the reply stopped before its end
    ├── ToolProblem           a kernel function could not be offered or run
    └── StoreProblem          the conversation could not be kept

    KeyboardInterrupt
    └── Interrupted           the notebook's interrupt, after what was received has been kept

Each message is one line: what happened, then what to do next. IPython shows just that line, because
it asks an exception for ``_render_traceback_`` before it prints a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ClaudeMagicError(Exception):
    """Base of all errors of claude_magic; its message is one short line for the user."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31m{type(self).__name__}\x1b[39m: {self}"]


class UsageProblem(ClaudeMagicError):
    """A flag, name, file or setting that cannot be used. Nothing was sent."""


class ConfigProblem(ClaudeMagicError):
    """No credential, an unknown model, or an environment that cannot work. Nothing was sent."""


class ApiProblem(ClaudeMagicError):
    """The request was sent, or tried, and did not end well.

    Parameters
    ----------
    message : str
        One line: what happened, what is kept, what to do.
    request_id : str
        The API's id of the request, ``""`` where there is none.
    """

    def __init__(self, message: str, request_id: str = "") -> None:
        super().__init__(f"{message} (request {request_id})" if request_id else message)
        self.request_id = request_id


class RequestRefused(ApiProblem):
    """The API refused the request; sending it again unchanged will not help."""


class ApiBusy(ApiProblem):
    """Rate limit, overload or a server fault; the same request may work later."""


class ConnectionProblem(ApiProblem):
    """No connection, a broken one, or something that is not a Messages API."""


class StreamCut(ApiProblem):
    """The reply stopped before ``message_stop``; the text received is kept."""


class Interrupted(KeyboardInterrupt):
    """The notebook's interrupt, told in one line; queued cells do not go on."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[31mInterrupted\x1b[39m: {self}"]


class ToolProblem(ClaudeMagicError):
    """A kernel function could not be offered to the model, or failed."""


class StoreProblem(ClaudeMagicError):
    """The conversation could not be read or written."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or ``""``."""
    cutoff = 0.6 if len(word) > 3 else 0.5  # two letters swapped in a short name
    near = difflib.get_close_matches(word, list(known), n=2, cutoff=cutoff)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
