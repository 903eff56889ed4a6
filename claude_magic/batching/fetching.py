"""From results to turns: each answer becomes one by the same fold as a stream, and is kept as it is read."""

from __future__ import annotations

import itertools
import tempfile
import time
import uuid
from dataclasses import replace
from typing import IO, Any

from claude_magic.api import batches, models
from claude_magic.api.events import MalformedEvent
from claude_magic.api.fold import Fold
from claude_magic.api.request import encode_any
from claude_magic.api.spool import asked_in, request_at
from claude_magic.api.whole import events_of
from claude_magic.batching.demo import ended_with_its_kernel
from claude_magic.batching.means import BatchMeans
from claude_magic.batching.sending import settle
from claude_magic.citations import Numbers
from claude_magic.conversation.batch_values import FETCHED, GONE, SENDING, Came, Sent
from claude_magic.ending import ended, stage_of
from claude_magic.errors import ApiProblem, StoreProblem, UsageProblem
from claude_magic.mapping import answered
from claude_magic.stop import Stopped
from claude_magic.values import Block, Turn, text_block

_AT_ONCE = 200


def refresh(one: Sent, means: BatchMeans) -> str:
    """Ask the API how far a batch is, and keep it; return a line of what is wrong, ``""`` for nothing.

    Raises
    ------
    ApiProblem, Stopped
        When the API cannot be asked.
    """
    if ended_with_its_kernel(one, means.host):
        return f"{one.label} was the offline demo's, which ended with its kernel: run its cell again."
    if one.run.host != means.host:
        return f"{one.label} is a batch of {one.run.host}; now {means.host} is asked."
    if one.status == SENDING and not one.id:
        settle(one, means)
        return ""
    if not one.id or one.status == FETCHED:
        return ""
    try:
        told = means.retried(lambda: batches.retrieve(means.client, one.id))
    except ApiProblem as problem:
        if not batches.is_gone(problem):
            raise
        means.shelf.mark(one.key, GONE)
        return (
            f"{one.label} is not known to the API: deleted, or sent with another key. --resend {one.label} "
            "sends its rows again."
        )
    over = told.status == "ended" and not told.fetchable
    status = GONE if over else told.status
    means.shelf.arrived(one.key, one.id, status, told.counts, told.expires or one.expires, demo=told.demo)
    if over:
        return (
            f"The results of {one.label} are gone: the API keeps them 29 days. --resend {one.label} sends "
            "its rows again."
        )
    return ""


def fetch(one: Sent, means: BatchMeans) -> None:
    """Fetch the results of a batch that has ended, and keep them; what was kept before is passed over.

    Raises
    ------
    ApiProblem, Stopped, KeyboardInterrupt
        When they broke off: what came whole is kept, and a further fetch goes on.
    UsageProblem, StoreProblem
        When the disk is full, or the like.
    """
    try:
        means.spool.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=means.spool.folder) as file:
            demo = means.retried(lambda: _download(one, file, means))
            file.seek(0)
            _keep(one, file, means, demo=demo)
    except OSError as error:
        raise UsageProblem(
            f"The results cannot be written to disk ({error.strerror or error}); fetch them again later."
        ) from None
    means.shelf.lose(one, "lost", "no result came for it")
    left = bool(means.shelf.unanswered(one))
    means.shelf.mark(one.key, FETCHED, spool=one.spool if left else "")
    if not left:
        means.spool.drop(one.spool)


def _download(one: Sent, file: IO[bytes], means: BatchMeans) -> bool:
    file.seek(0)
    file.truncate()
    return batches.download(means.client, one.id, file)


def _keep(one: Sent, file: IO[bytes], means: BatchMeans, *, demo: bool) -> None:
    places = means.shelf.open_questions(one)
    done = 0
    spool = _Spooled(one, means)
    read = batches.results(file, means.client)
    try:
        while found := list(itertools.islice(read, _AT_ONCE)):
            if means.stop.asked:
                raise Stopped
            came = [
                spool.came(result, places.pop(result.custom_id), demo=demo)
                for result in found
                if result is not None and result.custom_id in places
            ]
            new = means.shelf.keep(one, came)
            if new is None:
                raise StoreProblem(
                    f"The store cannot be written ({means.shelf.problem}). The answers are still at the API: "
                    "fetch them again later."
                )
            for each in new:
                if each.turn is not None:
                    means.account(each.turn)
            done += len(came)
            means.progress.show(done, one.total)
    finally:
        spool.close()


class _Spooled:
    """What was asked of each row, read from the batch's spool; the template alone where that has gone."""

    def __init__(self, one: Sent, means: BatchMeans) -> None:
        self._one = one
        self._model = models.find(one.run.model)
        try:
            self._file: IO[bytes] | None = means.spool.open(one.spool)
        except OSError:
            self._file = None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def came(self, result: batches.Result, place: int, *, demo: bool) -> Came:
        """What has come of a question."""
        if result.message is None:
            return Came(result.custom_id, result.outcome, result.error)
        try:
            turn = self._turn(result.message, place, demo=demo)
        except MalformedEvent:
            return Came(result.custom_id, "errored", "the result is no message that can be read")
        return Came(result.custom_id, "answered", answered(turn, None, None).error, turn)

    def _turn(self, message: Any, place: int, *, demo: bool) -> Turn:
        run = self._one.run
        blocks = self._blocks(place)
        begins, data = str(run.how.get("begins") or ""), str(run.how.get("data") or "")
        fold = Fold(Numbers(blocks), begins=begins, data=data)
        for event in events_of(message):
            fold.take(event)
        answer = fold.answer()
        if not answer.usage.service_tier:
            answer = replace(answer, usage=replace(answer.usage, service_tier="batch"))
        asked = Turn(
            prompt=run.prompt,
            blocks=blocks,
            model=run.model,
            id=uuid.uuid4().hex,
            conversation=run.conversation,
            cell_id=run.cell_id,
            began=self._one.sent or time.time(),
        )
        stage = stage_of(answer, failed=True)
        thinking = bool(run.how.get("thinking"))
        turn = ended(asked, answer, stage, self._model, Numbers(blocks), thinking=thinking, data=bool(data))
        return replace(turn, demo=demo or answer.message_id.startswith("msg_local_"))

    def _blocks(self, place: int) -> tuple[Block, ...]:
        try:
            if self._file is None:
                raise ValueError
            asked = asked_in(request_at(self._file, place)[1])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return (text_block(self._one.run.prompt),)
        return tuple(_block(one) for one in asked if isinstance(one, dict))


def _block(raw: dict[str, Any]) -> Block:
    plain = {name: value for name, value in raw.items() if name != "cache_control"}
    text = plain.get("text")
    return Block(str(plain.get("type")), encode_any(plain), text if isinstance(text, str) else "")
