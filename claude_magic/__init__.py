"""A ``%%claude`` cell for Jupyter.

``%load_ext claude_magic`` adds the magics; ``%%claude?`` and ``%claude_config`` tell the rest. Programs
call `ask`, `count` and `map`; `Reply` is what an answer is, `tool` and `attachable` mark functions. Importing
this package, and loading the extension, imports nothing heavy: the SDK and the display come in by a
thread of their own, after the loading cell has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from claude_magic.content import attachable as attachable
    from claude_magic.from_python import ask as ask
    from claude_magic.from_python import count as count
    from claude_magic.from_python import map as map  # noqa: A004 - claude_magic.map
    from claude_magic.reply import Reply as Reply
    from claude_magic.tools import tool as tool

__version__ = "0.1.0"
__all__ = [
    "Reply",
    "__version__",
    "ask",
    "attachable",
    "count",
    "load_ipython_extension",
    "tool",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to a shell: ``%load_ext claude_magic``."""
    from claude_magic.magics import ClaudeMagics

    shell.register_magics(ClaudeMagics(shell=shell))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics out again and leave nothing behind: ``%unload_ext claude_magic``."""
    magics = shell.magics_manager.registry.pop("ClaudeMagics", None)
    if magics is not None:
        magics.unload()


def __getattr__(name: str) -> Any:
    if name == "Reply":
        from claude_magic.reply import Reply

        return Reply
    if name == "attachable":
        from claude_magic.content import attachable

        return attachable
    if name == "tool":
        from claude_magic.tools import tool

        return tool
    if name in ("ask", "count", "map"):
        from claude_magic import from_python

        return getattr(from_python, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "map"})  # not in __all__: no star import is to hide Python's own
