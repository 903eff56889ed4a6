"""What sending and fetching batches needs of the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from anthropic import Anthropic

from claude_magic.api.files import Files
from claude_magic.api.patience import Patience, retried
from claude_magic.api.spool import Spool
from claude_magic.conversation.batches import BatchShelf
from claude_magic.errors import StoreProblem
from claude_magic.stop import Stop
from claude_magic.values import Turn

Result = TypeVar("Result")


class Progress(Protocol):
    """Shows how far something is, where somebody watches."""

    def show(self, done: int, total: int, **facts: str) -> None:
        """Show so many of all."""


@dataclass(frozen=True, slots=True)
class BatchMeans:
    """What sending and fetching needs.

    Parameters
    ----------
    client : anthropic.Anthropic
        The SDK's client.
    files : Files
        What the client has uploaded.
    shelf : BatchShelf
        What the store knows of batches.
    spool : Spool
        Where requests wait on disk.
    stop : Stop
        Asked from anywhere, it ends what is under way.
    patience : Patience
        How often to try.
    progress : Progress
        Shows how far it is.
    account : callable
        Told each turn that was fetched.
    """

    client: Anthropic
    files: Files
    shelf: BatchShelf
    spool: Spool
    stop: Stop
    patience: Patience
    progress: Progress
    account: Callable[[Turn], None]

    @property
    def host(self) -> str:
        """Who is asked: batches of another are none of its."""
        return self.client.base_url.netloc.decode("ascii", "replace")

    @property
    def demo(self) -> bool:
        """Whether the offline demo is asked, as its key tells before any answer does."""
        return (self.client.api_key or "").startswith("sk-local-")

    def retried(self, call: Callable[[], Result]) -> Result:
        """Ask the API something that may be asked again; tries are repeated while it is busy.

        Raises
        ------
        ApiProblem
            What the last try raised.
        Stopped
            When asked to end before the answer.
        """
        return retried(lambda: self.stop.during(call, lambda: None), self.patience, self.stop.sleep)


def must(written: object) -> None:
    """Raise where the store could not keep what must not be lost.

    Raises
    ------
    StoreProblem
        When it was not written.
    """
    if not written:
        raise StoreProblem("The store cannot be written, so the batch could not be found again.")
