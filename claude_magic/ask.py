"""The one straight line: question → request → events → turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from anthropic import Anthropic

from claude_magic.api import models
from claude_magic.api.files import Files
from claude_magic.api.fold import Fold
from claude_magic.api.patience import Patience
from claude_magic.api.stream import Stream
from claude_magic.display.frontend import View
from claude_magic.display.status import Status, Wait
from claude_magic.ending import stage_of
from claude_magic.errors import ApiProblem, RequestRefused
from claude_magic.question import Prepared, Question
from claude_magic.stop import Stop, Stopped
from claude_magic.values import Answer, Turn, Usage

JOURNAL_EVERY = 0.4
"""Seconds of a reply that a dying kernel may lose."""
MOST_EXPIRED = 20
"""Uploaded files that have expired and are uploaded again for one question."""
UNEASY = 8.0
"""Seconds of silence from which the status line tells when it will be given up."""


class Journal(Protocol):
    """Keeps a turn while it is under way, so that nothing is lost when the kernel dies."""

    def begin(self, turn: Turn, key: str) -> None:
        """Keep the prompt, before it is sent; ``key`` is the question as a hash."""

    def journal(self, turn: Turn, lines: Sequence[str]) -> None:
        """Keep more of the reply's event stream."""


class NotKept:
    """The journal of questions asked outside the conversation: it keeps nothing."""

    def begin(self, turn: Turn, key: str) -> None:
        """Keep nothing."""

    def journal(self, turn: Turn, lines: Sequence[str]) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Means:
    """What asking needs of the world.

    Parameters
    ----------
    client : anthropic.Anthropic
        The SDK's client.
    files : Files
        What the client has uploaded.
    view : View
        Where the reply is shown.
    journal : Journal
        Keeps the turn while it is under way.
    stop : Stop
        Asked from anywhere, it ends the reply; what has come is kept.
    patience : Patience
        How long to wait, and how often to try.
    """

    client: Anthropic
    files: Files
    view: View
    journal: Journal
    stop: Stop
    patience: Patience


def ask(prepared: Prepared, means: Means) -> tuple[Turn, BaseException | None]:
    """Send a question and follow its reply to the end.

    Returns
    -------
    turn : Turn
        What was asked and received, whatever happened.
    problem : BaseException or None
        What ended it early. The caller keeps the turn first and raises then.
    """
    progress = _Progress(prepared.question)
    pending = prepared.turn(Answer(), "pending")
    means.view.begin(progress.status(Fold()), prepared.blocks)
    means.journal.begin(pending, prepared.key)
    followed = _tried(prepared, means, pending, progress)
    answer = followed.fold.answer()
    usage = progress.estimated(followed.fold)
    missed = prepared.cache_miss(answer, followed.fold.cache_miss)
    turn = replace(
        prepared.turn(
            replace(answer, usage=usage, cache_miss=missed),
            stage_of(answer, failed=_failed(followed.problem)),
        ),
        seconds=progress.seconds,
        request_id=followed.request_id,
        demo=followed.demo,
    )
    # What the last batch, the interrupt or the list of sources has left undrawn.
    if rest := turn.shown[followed.drawn :]:
        means.view.draw(rest, progress.status(followed.fold))
    means.view.end(turn)
    return turn, followed.problem


def show_again(prepared: Prepared, answered: Turn, view: View) -> Turn:
    """Answer a question by an earlier turn that asked the same: free, and marked as reused."""
    turn = replace(
        prepared.turn(answered.answer, answered.stage),
        model=answered.model,
        cost=0.0,
        saved=0.0,
        demo=answered.demo,
        reused=True,
    )
    view.begin(_Progress(prepared.question).status(Fold()), prepared.blocks)
    view.end(turn)
    return turn


@dataclass(frozen=True, slots=True)
class _Followed:
    """One try that has ended: what it brought, how many characters were drawn, what ended it early."""

    fold: Fold
    drawn: int = 0
    problem: BaseException | None = None
    begun: bool = False
    request_id: str = ""
    demo: bool = False


def _tried(prepared: Prepared, means: Means, pending: Turn, progress: _Progress) -> _Followed:
    """Try until a reply has begun, the API says no, patience ends, or the user stops it."""
    tries = 1
    expired = 0
    while True:
        followed = _follow(prepared, means, pending, progress)
        problem = followed.problem
        if not isinstance(problem, ApiProblem) or followed.begun:
            return followed
        if (
            isinstance(problem, RequestRefused)
            and expired < MOST_EXPIRED
            and means.files.forget(str(problem))
        ):
            # An uploaded file has expired: it is uploaded again, and the question asked again, without fuss.
            expired += 1
            continue
        plain = _undiagnosed(prepared, problem)
        if plain is not None:
            prepared = plain
            continue
        pause = means.patience.wait(problem, tries)
        if pause is None:
            return replace(followed, problem=means.patience.given_up(problem, tries))
        tries += 1
        then = f"try {tries} of {means.patience.retries + 1}"
        end = time.monotonic() + pause
        while not means.stop.asked and (left := end - time.monotonic()) > 0:
            means.view.draw("", progress.status(followed.fold, Wait(problem.brief, then, left)))
            means.stop.sleep(min(left, 0.5))
        if means.stop.asked:
            return replace(followed, problem=None)


def _undiagnosed(prepared: Prepared, problem: ApiProblem) -> Prepared | None:
    """The question without asking why the cache was missed, where that is what was refused."""
    asked = isinstance(problem, RequestRefused) and prepared.question.diagnose
    if not asked or "diagnostics" not in str(problem):
        return None
    return replace(prepared, question=replace(prepared.question, diagnose=False))


def _follow(prepared: Prepared, means: Means, pending: Turn, progress: _Progress) -> _Followed:
    """Make one try; draw and journal its reply while it comes."""
    fold = Fold(prepared.numbers())

    def waiting() -> None:
        means.view.draw("", progress.status(fold))

    try:
        body = means.stop.during(lambda: prepared.request(means.files).body(), waiting)
    except Stopped:
        return _Followed(fold)
    except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001 - kept first, raised by the caller
        return _Followed(fold, problem=problem)
    drawn = journaled = 0
    due = time.monotonic() + JOURNAL_EVERY
    stream = Stream(means.client, body, means.stop, means.patience)
    ended: BaseException | None = None
    try:
        with stream:
            for events in stream.batches():
                for event in events:
                    fold.take(event)
                news = fold.news()
                means.view.draw(news, progress.status(fold, _uneasy(stream)))
                drawn += len(news)
                if time.monotonic() >= due and (lines := stream.received(journaled)):
                    means.journal.journal(pending, lines)
                    journaled += len(lines)
                    due = time.monotonic() + JOURNAL_EVERY
    except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001 - kept first, raised by the caller
        ended = problem
    if ended is not None or means.stop.asked:
        fold = stream.refold(prepared.numbers())
    return _Followed(fold, drawn, ended, stream.begun, stream.request_id, stream.demo)


def _uneasy(stream: Stream) -> Wait | None:
    """What to say of a silence that lasts, with the seconds after which it is given up."""
    if stream.silence < min(UNEASY, stream.deadline / 2):
        return None
    what = "nothing more is coming" if stream.begun else "no answer yet"
    return Wait(what, "times out", max(0.0, stream.deadline - stream.silence))


def _failed(problem: BaseException | None) -> bool:
    return problem is not None and not isinstance(problem, KeyboardInterrupt)


class _Progress:
    """Where a reply stands, for the status line."""

    def __init__(self, question: Question) -> None:
        self._model = question.model
        self._density = question.density
        self._began = time.monotonic()
        self._writing = 0.0

    @property
    def seconds(self) -> float:
        """Since the question."""
        return time.monotonic() - self._began

    def status(self, fold: Fold, wait: Wait | None = None) -> Status:
        """The status of a reply as far as it has come."""
        usage = self.estimated(fold)
        now = time.monotonic()
        if usage.output_tokens and not self._writing:
            self._writing = now
        lasting = now - self._writing
        return Status(
            model=self._model.id,
            phase=fold.phase,
            usage=usage,
            cost=models.cost(self._model, usage),
            seconds=self.seconds,
            rate=usage.output_tokens / lasting if self._writing and lasting > 1 else None,
            window=self._model.window,
            wait=wait,
        )

    def estimated(self, fold: Fold) -> Usage:
        """The usage, its output estimated by the size of what has come until the API has counted it."""
        if fold.usage.final:
            return fold.usage
        return replace(
            fold.usage, output_tokens=max(fold.usage.output_tokens, round(fold.pieces * self._density))
        )
