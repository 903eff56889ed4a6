"""What the magics beside ``%claude`` stand on: the session, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics

if TYPE_CHECKING:
    from claude_magic.session import Session
    from claude_magic.settings import Settings


class SessionMagics(Magics):
    """Magics that ask something of the session.

    Parameters
    ----------
    open_session : callable
        The session; it is made when it is first called.
    settings : Settings
        As they are when a cell runs.
    """

    shell: InteractiveShell

    def __init__(
        self, shell: InteractiveShell, open_session: Callable[[], Session], settings: Settings
    ) -> None:
        super().__init__(shell=shell)
        self._open = open_session
        self._settings = settings
