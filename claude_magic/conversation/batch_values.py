"""The plain values of Message Batches: runs, rows, and what was sent of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_magic.values import Turn

SPOOLED, SENDING, FETCHED, GONE, DROPPED = "spooled", "sending", "fetched", "gone", "dropped"
"""What the store knows of a batch beside the API's own words (``in_progress``, ``canceling``, ``ended``): on
disk and not sent, perhaps sent, fetched whole, no longer at the API, and given up before it was sent."""

UNDER_WAY = (SENDING, "in_progress", "canceling", "ended")
"""What a batch is whose answers are still to be fetched, as far as is known."""

UNANSWERED = ("errored", "canceled", "expired", "lost")
"""What a row that can be sent again has come to; ``lost`` where its batch has gone."""


@dataclass(frozen=True, slots=True)
class Run:
    """One question asked of many rows.

    Parameters
    ----------
    key : int
        The store's number for it.
    created : float
        Seconds since the epoch.
    conversation, cell_id : str
        Under which its turns are counted, and where it was asked.
    prompt : str
        The template.
    target : str
        The variable that its table goes into.
    how : mapping
        What reading its answers needs.
    """

    key: int
    created: float
    notebook: str
    conversation: str
    cell_id: str
    host: str
    model: str
    prompt: str
    target: str
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a run.

    Parameters
    ----------
    number : int
        Its place, from 0.
    question : str
        The hash of what is asked of it; ``""`` where nothing could be.
    label : object
        Its label: a text or a number.
    outcome : str
        ``""`` while nothing has come; ``answered``, one of `UNANSWERED`; ``refused`` where nothing was sent,
        ``elsewhere`` where another run has sent it.
    turn : str
        The id of the turn it was answered by.
    """

    number: int
    question: str
    label: Any
    outcome: str = ""
    error: str = ""
    turn: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch.

    Parameters
    ----------
    key : int
        The store's number for it.
    id : str
        The API's; ``""`` while it is not known to have arrived.
    spool : str
        The file of its requests; ``""`` once all have an answer.
    status : str
        The API's word, or one of the store's own.
    total : int
        Its requests.
    estimate : float or None
        USD that it was expected to cost at most; None where no price is known.
    sent, expires : float
        Seconds since the epoch.
    counts : mapping
        As the API told them last.
    cost : float
        USD of what was fetched so far.
    answered : int
        Questions fetched with an answer; equal rows ask one.
    unanswered : int
        Questions that can be sent again.
    """

    key: int
    run: Run
    id: str
    spool: str
    status: str
    total: int
    estimate: float | None
    sent: float
    expires: float
    counts: Mapping[str, int]
    cost: float
    demo: bool
    answered: int = 0
    unanswered: int = 0

    @property
    def label(self) -> str:
        """How it is named to the user."""
        return self.id or f"unsent-{self.key}"


@dataclass(frozen=True, slots=True)
class Came:
    """What has come of the rows that ask one question.

    Parameters
    ----------
    error : str
        Why it has no whole answer, in one line; ``""`` where it has.
    turn : Turn or None
        The turn it was answered by.
    """

    question: str
    outcome: str
    error: str = ""
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A row with what is shown of its turn: nothing where it has none.

    Parameters
    ----------
    cost : float or None
        USD that the run has paid for it: none for an answer that was there already, or that another has paid.
    """

    row: Row
    stage: str = ""
    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
