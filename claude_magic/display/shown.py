"""How an answer that a user holds shows itself: everywhere but in the cell that has shown it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from IPython.core.getipython import get_ipython


class ShownOnce(ABC):
    """What was shown by the cell that asked for it; there, as the cell's value, it is not shown again."""

    __slots__ = ()

    shown_in: int

    @abstractmethod
    def _printed(self) -> str:
        """What a terminal shows of it."""

    @abstractmethod
    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a notebook shows of it: a bundle of MIME types, and their metadata."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self) if self._already_shown() else self._printed())

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        return None if self._already_shown() else self._bundle()

    def _already_shown(self) -> bool:
        shell = get_ipython()
        return shell is not None and self.shown_in == shell.execution_count

    @property
    def _ipython_display_(self) -> Callable[[], None]:
        # IPython asks for this attribute first. In the cell that streamed the answer a notebook shows
        # nothing more; everywhere else the other representations are used.
        if self._already_shown() and hasattr(get_ipython(), "kernel"):
            return lambda: None
        raise AttributeError("_ipython_display_")
