"""The one straight line: prompt → request → events → turn."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from anthropic import Anthropic

from claude_magic.api import models
from claude_magic.api.events import Fold
from claude_magic.api.files import Files
from claude_magic.api.request import Request, assistant_message, user_message
from claude_magic.api.stream import Stream
from claude_magic.content import attachment_blocks, prompt_blocks
from claude_magic.content.crowd import CROWD, in_a_crowd
from claude_magic.content.secrets import document_text, find_secrets
from claude_magic.display.frontend import View
from claude_magic.display.sources import source_list
from claude_magic.display.status import Status
from claude_magic.errors import ApiProblem, RequestRefused, UsageProblem
from claude_magic.values import AS_USUAL, Answer, Attaching, Block, Numbers, Stage, Turn, Usage, cited_text

_STAGES: Mapping[str, Stage] = {
    "refusal": "refused",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
}


JOURNAL_EVERY = 0.4
"""Seconds of a reply that a dying kernel may lose."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a cell asks.

    Parameters
    ----------
    prompt : str
        The body as typed, templates included.
    model : models.Model
        Who is asked.
    namespace : mapping
        Where expressions are evaluated.
    attach : tuple of str
        What stands behind each ``-a``.
    how : Attaching
        How values become content blocks.
    urls : bool
        Whether the API may fetch web addresses.
    upload_above : int
        Bytes above which an attachment goes through the Files API; 0 for never.
    host : str
        Who answers: what one host has answered is never taken for what another would.
    """

    prompt: str
    model: models.Model
    namespace: Mapping[str, Any] = field(repr=False)
    system: str = ""
    max_tokens: int = 16_000
    stop_sequences: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    how: Attaching = AS_USUAL
    urls: bool = False
    upload_above: int = 0
    host: str = ""


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


@dataclass(frozen=True)
class Prepared:
    """A question made ready: nothing of the user's is evaluated or encoded after this.

    Parameters
    ----------
    history : tuple of Turn
        What stands above it.
    cell_id : str
        The notebook cell that asks; ``""`` where the front end tells none.
    conversation : str
        The id of the conversation it belongs to; ``""`` for none.
    """

    question: Question
    blocks: tuple[Block, ...]
    history: tuple[Turn, ...] = ()
    cell_id: str = ""
    conversation: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.time)

    def turn(self, answer: Answer, stage: Stage) -> Turn:
        """The turn this question becomes with an answer."""
        question = self.question
        numbers = self.numbers()
        text = cited_text(answer.parts, numbers)
        cited = source_list(numbers.sources)
        return Turn(
            prompt=question.prompt,
            blocks=self.blocks,
            reply=assistant_message(answer),
            shown=f"{text}\n\n{cited}" if cited else text,
            answer=answer,
            stage=stage,
            model=answer.model or question.model.id,
            cost=models.cost(question.model, answer.usage),
            id=self.id,
            conversation=self.conversation,
            cell_id=self.cell_id,
            began=self.began,
        )

    @functools.cached_property
    def key(self) -> str:
        """What is asked, whole, as a hash: equal questions have equal keys."""
        question = self.question
        asked = (
            question.host,
            question.model.id,
            question.system,
            question.max_tokens,
            question.stop_sequences,
        )
        whole = hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass"))
        for turn in self.history:
            whole.update(_digest(turn.reply))
            whole.update(b"".join(_digest(block.json) for block in turn.blocks))
        whole.update(b"".join(_digest(block.json) for block in self.blocks))
        return whole.hexdigest()

    def numbers(self) -> Numbers:
        """What numbers the sources of the answer, which may be documents of earlier turns too."""
        earlier = (block for turn in self.history for block in turn.blocks)
        return Numbers((*earlier, *self.blocks))

    def estimated_tokens(self) -> int:
        """The input tokens, estimated here: pictures by their pixels, text by its length."""
        per_token = self.question.model.characters_per_token
        blocks = [block for turn in self.history for block in turn.blocks] + list(self.blocks)
        characters = len(self.question.system) + sum(len(turn.answer.text) for turn in self.history)
        characters += sum(len(block.text) for block in blocks if block.kind == "text")
        attached = sum(block.tokens for block in blocks if block.kind != "text")
        return attached + round(characters / per_token)

    def secrets(self) -> list[str]:
        """What in this question looks like a secret: kind and place, never the value."""
        files = [f"environment file {one.name}" for one in self.blocks if one.name.endswith(".env")]
        texts = [("the system prompt", self.question.system)]
        texts += [(one.name or "the prompt", document_text(one)) for one in self.blocks]
        return files + [
            f"{secret.kind} in {place}, line {secret.line}"
            for place, text in texts
            for secret in find_secrets(text)
        ]

    def request(self, files: Files | None) -> Request:
        """The request, large attachments by reference to where ``files`` has uploaded them, if anywhere."""
        question = self.question
        above = question.upload_above
        earlier = [turn.blocks for turn in self.history]
        # More than so many pictures in one request: a stricter limit holds for all of them.
        pictures = [block for blocks in (*earlier, self.blocks) for block in blocks if block.kind == "image"]
        most = question.model.max_pages
        if len(pictures) > most:
            raise UsageProblem(
                f"{len(pictures):,} pictures in this conversation; {question.model.id} takes {most}. "
                "Begin a new one with --new. Nothing was sent."
            )
        crowded = len(pictures) > CROWD

        def message(blocks: tuple[Block, ...]) -> Iterator[bytes]:
            placed = in_a_crowd(blocks) if crowded else blocks
            return user_message(files.placed(placed, above) if files is not None else placed)

        pieces: list[bytes] = []
        for turn in self.history:
            pieces += (*message(turn.blocks), b",", turn.reply, b",")
        pieces += message(self.blocks)
        return Request(
            question.model.id,
            min(question.max_tokens, question.model.max_output),
            tuple(pieces),
            question.system,
            question.stop_sequences,
        )


def prepare(question: Question) -> Prepared:
    """Evaluate and encode what a cell asks; it has no history yet.

    Raises
    ------
    UsageProblem
        When the prompt is empty or something in it cannot be sent. Nothing was sent.
    """
    attached = attachment_blocks(question.attach, question.namespace, question.how, urls=question.urls)
    written = prompt_blocks(question.prompt, question.namespace, question.how)
    if not written:
        raise UsageProblem("The prompt is empty. Nothing was sent.")
    return Prepared(question, (*attached, *written))


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
    stop : threading.Event
        Set it from anywhere to end the reply; what has come is kept.
    """

    client: Anthropic
    files: Files
    view: View
    journal: Journal
    stop: threading.Event


def ask(prepared: Prepared, means: Means) -> tuple[Turn, BaseException | None]:
    """Send a question and follow its reply to the end.

    Returns
    -------
    turn : Turn
        What was asked and received, whatever happened.
    problem : BaseException or None
        What ended it early: an ApiProblem, or the KeyboardInterrupt of the notebook's interrupt. The
        caller keeps the turn first and raises then.
    """
    began = time.monotonic()
    model = prepared.question.model
    pending = prepared.turn(Answer(), "pending")
    means.view.begin(_status(model, Fold(), began), prepared.blocks)
    means.journal.begin(pending, prepared.key)
    followed = _follow(prepared, means, pending, began)
    if isinstance(followed.problem, RequestRefused) and means.files.forget(str(followed.problem)):
        # An uploaded file has expired: it is uploaded again, and the question asked again, without fuss.
        followed = _follow(prepared, means, pending, began)
    answer = followed.fold.answer()
    usage = _estimated(model, answer.usage, followed.fold.characters)
    turn = replace(
        prepared.turn(replace(answer, usage=usage), _stage(answer, followed.problem)),
        seconds=time.monotonic() - began,
        request_id=followed.stream.request_id,
        demo=followed.stream.demo,
    )
    # What the last batch, the interrupt or the list of sources has left undrawn.
    if rest := turn.shown[followed.drawn :]:
        means.view.draw(rest, _status(model, followed.fold, began))
    means.view.end(turn)
    return turn, followed.problem


def show_again(prepared: Prepared, answered: Turn, view: View) -> Turn:
    """Answer a question by an earlier turn that asked the same: free, and marked as reused."""
    turn = replace(
        prepared.turn(answered.answer, answered.stage),
        model=answered.model,
        cost=0.0,
        demo=answered.demo,
        reused=True,
    )
    view.begin(_status(prepared.question.model, Fold(), time.monotonic()), prepared.blocks)
    view.end(turn)
    return turn


@dataclass(frozen=True, slots=True)
class _Followed:
    """A request that has ended: what it brought, how many characters were drawn, what ended it early."""

    stream: Stream
    fold: Fold
    drawn: int
    problem: BaseException | None


def _follow(prepared: Prepared, means: Means, pending: Turn, began: float) -> _Followed:
    """Make one request; draw and journal its reply while it comes."""
    model = prepared.question.model
    fold = Fold(prepared.numbers())
    drawn = journaled = 0
    due = time.monotonic() + JOURNAL_EVERY
    stream = Stream(means.client, prepared.request(means.files).body(), means.stop)
    try:
        with stream:
            for events in stream.batches():
                for event in events:
                    fold.take(event)
                news = fold.news()
                means.view.draw(news, _status(model, fold, began))
                drawn += len(news)
                if time.monotonic() >= due:
                    lines = stream.received(journaled)
                    means.journal.journal(pending, lines)
                    journaled += len(lines)
                    due = time.monotonic() + JOURNAL_EVERY
    except (ApiProblem, KeyboardInterrupt) as problem:
        return _Followed(stream, stream.refold(prepared.numbers()), drawn, problem)
    whole = stream.refold(prepared.numbers()) if means.stop.is_set() else fold
    return _Followed(stream, whole, drawn, None)


@functools.lru_cache(maxsize=4096)
def _digest(data: bytes) -> bytes:
    """The hash of a ready block or message; a picture is hashed once, not at each turn."""
    return hashlib.sha256(data).digest()


def _stage(answer: Answer, problem: BaseException | None) -> Stage:
    if answer.complete:
        return _STAGES.get(answer.stop_reason, "complete")
    if problem is None or isinstance(problem, KeyboardInterrupt):
        return "interrupted"
    return "cut" if answer.parts else "failed"


def _status(model: models.Model, fold: Fold, began: float) -> Status:
    usage = _estimated(model, fold.usage, fold.characters)
    return Status(model.id, fold.phase, usage, models.cost(model, usage), time.monotonic() - began)


def _estimated(model: models.Model, usage: Usage, characters: int) -> Usage:
    """The usage with its output counted by characters, until the API has counted it."""
    if usage.final:
        return usage
    return replace(
        usage, output_tokens=max(usage.output_tokens, round(characters / model.characters_per_token))
    )
