"""From disk to the API: the id of each batch is in the store as soon as the API has told it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from claude_magic.api import batches
from claude_magic.api.budget import Limit
from claude_magic.api.spool import request_at
from claude_magic.batching.limits import check_again
from claude_magic.batching.means import BatchMeans, must
from claude_magic.conversation.batch_values import DROPPED, GONE, SPOOLED, Sent
from claude_magic.errors import ApiProblem, StoreProblem, UsageProblem
from claude_magic.stop import Stopped

CERTAIN = ("rate limit", "overloaded", "no connection")
"""How failures begin after which a batch certainly has not arrived."""

_LATELY = 5.0
"""Seconds by which two moments told by the API may be off."""


def submit(keys: Sequence[int], means: BatchMeans) -> list[Sent]:
    """Send batches that are on disk; the id of each is in the store as soon as the API has told it.

    Raises
    ------
    ApiProblem, KeyboardInterrupt, Stopped
        Batches sent before stay sent, the others on disk: `%claude_batches` tells of both.
    """
    sent: list[Sent] = []
    for key in keys:
        one = _found(key, means)
        if means.stop.asked:  # what is not marked yet has certainly not been sent
            raise Stopped
        must(means.shelf.sending(key, time.time(), demo=means.demo))
        try:
            means.stop.during(_sender(one, means), lambda: None)
        except ApiProblem as problem:
            if settled := _in_doubt(problem) and _arrived_after_all(key, means):
                sent.append(settled)
                continue
            if not _in_doubt(problem):
                means.shelf.mark(key, SPOOLED)
            rest = len(keys) - len(sent)
            kept = f"{rest} {'is' if rest == 1 else 'are'} kept on disk"
            problem.advice = (
                f"{problem.advice} {len(sent)} of {len(keys)} batches are sent, {kept}: %claude_batches "
                "shows them, --resend sends them."
            ).strip()
            raise
        sent.append(_found(key, means))
        means.progress.show(len(sent), len(keys))
    return sent


def _sender(one: Sent, means: BatchMeans) -> Callable[[], None]:
    def send() -> None:
        tries = 1
        while True:
            try:
                told = batches.submit(means.client, means.spool.path(one.spool))
            except ApiProblem as problem:
                pause = None if _in_doubt(problem) else means.patience.wait(problem, tries)
                if pause is None or means.stop.asked:
                    raise means.patience.given_up(problem, tries) from None
                means.stop.sleep(pause)
                tries += 1
                continue
            except FileNotFoundError:
                raise UsageProblem("The batch's requests are no longer on disk. Nothing was sent.") from None
            # Here rather than in the caller, which may have stopped waiting.
            means.shelf.arrived(one.key, told.id, told.status, told.counts, told.expires, demo=told.demo)
            return

    return send


def _in_doubt(problem: ApiProblem) -> bool:
    """Whether the batch may have arrived although no answer came."""
    refused = problem.pause is None and not problem.charged and problem.brief.startswith("refused")
    return not refused and not problem.brief.startswith(CERTAIN)


def _arrived_after_all(key: int, means: BatchMeans) -> Sent | None:
    """The batch as sent, if the API has it although its answer was lost."""
    try:
        return settle(_found(key, means), means)
    except (ApiProblem, Stopped):
        return None


def settle(one: Sent, means: BatchMeans) -> Sent | None:
    """Find out whether a batch has arrived whose answer was lost: one of its size that nobody here knows.

    Where the API has none, it is on disk only. Where it has another's of the same size, the ids of its rows
    tell when it is fetched.

    Raises
    ------
    ApiProblem, Stopped
        When the API cannot be asked.
    """
    known = {other.id for other in means.shelf.batches()}
    listed, now = means.retried(lambda: batches.newest(means.client))
    since = now - (time.time() - one.sent) - _LATELY
    for told in listed:
        ours = told.id not in known and sum(told.counts.values()) == one.total
        if ours and told.created >= since:
            means.shelf.arrived(one.key, told.id, told.status, told.counts, told.expires, demo=told.demo)
            return _found(one.key, means)
    means.shelf.mark(one.key, SPOOLED)
    return None


def resend(one: Sent, limits: Sequence[Limit], means: BatchMeans) -> list[Sent]:
    """Send what a batch has left unanswered as a new one; or the batch itself, if it never was.

    Parameters
    ----------
    limits : sequence of Limit
        What it may cost.

    Raises
    ------
    UsageProblem
        When there is nothing to send, or its requests are no longer on disk.
    ApiProblem, Stopped
        As `submit` does.
    """
    if not one.id:
        _refuse_asked_since(one, means)
        check_again(one, one.total, limits)
        return submit([one.key], means)
    if one.status == GONE:
        means.shelf.lose(one, "lost", "the batch or its results are no longer at the API")
    asked = means.shelf.unanswered(one)
    if not asked:
        raise UsageProblem("Nothing of this batch is errored, canceled or expired. Nothing was sent.")
    check_again(one, len(asked), limits)
    share = None if one.estimate is None else one.estimate * len(asked) / max(1, one.total)
    try:
        with means.spool.open(one.spool) as file:
            requests = (request_at(file, place) for _, place in asked)
            parts = list(means.spool.written(requests))
    except (OSError, ValueError) as error:
        raise UsageProblem(
            f"Its requests cannot be read from disk ({error}): run the cell again, which asks what is "
            "missing. Nothing was sent."
        ) from None
    keys = [means.shelf.add_batch(one.run.key, part.name, part.places, share) for part in parts]
    for key in keys:
        must(key)
    if not means.shelf.open_questions(one):
        means.shelf.mark(one.key, one.status, spool="")
        means.spool.drop(one.spool)
    return submit(keys, means)


def _refuse_asked_since(one: Sent, means: BatchMeans) -> None:
    """Raise where rows of a batch that was never sent have been asked otherwise since."""
    if count := means.shelf.asked_since(one):
        raise UsageProblem(
            f"{count:,} of its {one.total:,} questions have been asked since. Run the cell again, which asks "
            f"what is missing; --cancel {one.label} gives this up. Nothing was sent."
        )


def drop(one: Sent, means: BatchMeans) -> None:
    """Give a batch up that was never sent, with its requests."""
    means.shelf.lose(one, "refused", "it was not sent")
    means.shelf.mark(one.key, DROPPED, spool="")
    means.spool.drop(one.spool)


def _found(key: int, means: BatchMeans) -> Sent:
    found = means.shelf.batch(key)
    if found is None:
        raise StoreProblem("The store cannot be read, so the batch cannot be sent.")
    return found
