"""What is around a question in one kernel: what comparisons, maps and batches need beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.accounts import Accounts
from claude_magic.api.count import count_tokens
from claude_magic.api.patience import retried
from claude_magic.api.request import Request
from claude_magic.chats import Chats
from claude_magic.connection import Connection
from claude_magic.display.frontend import View, Views
from claude_magic.exchange import Journal, Means
from claude_magic.flags import Line
from claude_magic.intake import patience
from claude_magic.places import Place
from claude_magic.prepared import Prepared
from claude_magic.preparing import Preparing, Tell
from claude_magic.settings import Settings
from claude_magic.stop import Asking, Stop


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a question.

    Parameters
    ----------
    shell : InteractiveShell
        Whose names are meant.
    views : Views
        Shows replies, where somebody watches.
    asking : Asking
        Lets the Stop button reach what runs.
    preparing : Preparing
        Makes questions.
    connection : Connection
        Who is asked.
    accounts : Accounts
        What was spent.
    chats : callable
        The conversations of the notebook that the running cell stands in.
    place : callable
        Where a cell asks; None outside the conversation.
    preset : callable
        A line with what its preset says.
    allow_secrets : callable
        Lets what looks like a secret go out, if the user says so.
    say_notes : callable
        Says what the user should know of the store and the notebook.
    tell : Tell
        Says a line to the user, once.
    """

    shell: InteractiveShell
    views: Views
    asking: Asking
    preparing: Preparing
    connection: Connection
    accounts: Accounts
    chats: Callable[[Settings], Chats]
    place: Callable[[Line, Settings], Place | None]
    preset: Callable[[Line, Settings], Line]
    allow_secrets: Callable[[Settings, Sequence[str]], None]
    say_notes: Callable[[Settings], None]
    tell: Tell

    def means(self, settings: Settings, stop: Stop, journal: Journal, view: View) -> Means:
        """What asking needs in a thread of its own."""
        client = self.connection.client(settings)
        return Means(client, self.connection.files(settings), view, journal, stop, patience(settings))

    def count(self, prepared: Prepared, request: Request, settings: Settings) -> int:
        """The input tokens of a request, as the API counts them."""
        self.allow_secrets(settings, prepared.secrets())
        client = self.connection.client(settings)
        return retried(lambda: count_tokens(request, client), patience(settings), time.sleep)
