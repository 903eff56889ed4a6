"""A ``%%claude`` cell for Jupyter.

``%load_ext claude_magic`` adds the magics; ``%%claude?`` and ``%claude_config`` tell the rest. Importing
this package, and loading the extension, imports nothing heavy: the SDK and the display come in by a
thread of their own, after the loading cell has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from claude_magic.content import attachable as attachable
    from claude_magic.reply import Reply as Reply
    from claude_magic.tools import tool as tool

__version__ = "0.1.0"
__all__ = ["Reply", "__version__", "attachable", "load_ipython_extension", "tool", "unload_ipython_extension"]


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
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
