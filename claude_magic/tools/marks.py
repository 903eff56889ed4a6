"""What the user says of a function that is to be a tool: ``@claude_magic.tool``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from claude_magic.errors import ToolProblem

Function = TypeVar("Function", bound=Callable[..., Any])

_WHERE = "__claude_tool__"


@dataclass(frozen=True, slots=True)
class Marks:
    """What was said of a function.

    Parameters
    ----------
    name : str
        What the model calls it; ``""`` for the name by which the kernel knows it.
    description : str
        What the model is told; ``""`` for the docstring.
    approval : bool
        Whether each call needs the user's leave.
    """

    name: str = ""
    description: str = ""
    approval: bool = True


NOTHING_SAID = Marks()


@overload
def tool(function: Function, /) -> Function: ...


@overload
def tool(
    function: None = None, /, *, name: str = "", description: str = "", approval: bool = True
) -> Callable[[Function], Function]: ...


def tool(
    function: Function | None = None, /, *, name: str = "", description: str = "", approval: bool = True
) -> Function | Callable[[Function], Function]:
    """Say how a function is offered to the model; the function itself stays as it is.

    It is offered by ``--tools``, ``%claude_tools add`` or ``claude_magic.ask(…, tools=[…])``; its parameters
    are to be annotated.

    Parameters
    ----------
    function : callable, optional
        As a bare decorator, ``@tool``.
    name : str
        What the model calls it; the function's own name without it.
    description : str
        What the model is told; the docstring without it.
    approval : bool
        False for a function that only reads: it is run without asking you.

    Returns
    -------
    callable
        The function; or, called without one, the decorator.

    Raises
    ------
    ToolProblem
        For what cannot be marked, such as a bound method.

    Examples
    --------
    >>> @tool(approval=False)
    ... def rows(table: str) -> int:
    ...     "Count the rows of a table."
    ...     return 3
    """

    def mark(marked: Function) -> Function:
        try:
            setattr(marked, _WHERE, Marks(name, description, approval))
        except AttributeError:
            kind = type(marked).__name__
            raise ToolProblem(
                f"claude_magic.tool marks functions, and this is a {kind}: mark the method in its class, or "
                "offer it as it is, with --tools."
            ) from None
        return marked

    return mark if function is None else mark(function)


def marks_of(function: Callable[..., Any]) -> Marks:
    """What was said of a function, or of the class of a callable."""
    said = getattr(function, _WHERE, NOTHING_SAID)
    return said if isinstance(said, Marks) else NOTHING_SAID
