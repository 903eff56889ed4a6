"""The one straight line: prompt → request → events → turn."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anthropic import Anthropic

from claude_magic.api import models
from claude_magic.api.events import Fold
from claude_magic.api.files import Files
from claude_magic.api.request import Request, assistant_message, user_message
from claude_magic.api.stream import Stream
from claude_magic.content import attachment_blocks, prompt_blocks
from claude_magic.content.crowd import CROWD, in_a_crowd
from claude_magic.content.secrets import document_text, find_secrets
from claude_magic.conversation import Conversation
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
    cell_id : str
        The notebook cell that asks; ``""`` where the front end tells none.
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
    cell_id: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question made ready: nothing of the user's is evaluated or encoded after this."""

    question: Question
    blocks: tuple[Block, ...]
    history: tuple[Turn, ...]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.time)

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
        return files + [
            f"{secret.kind} in {block.name or 'the prompt'}, line {secret.line}"
            for block in self.blocks
            for secret in find_secrets(block.text or document_text(block))
        ]

    def request(self, files: Files) -> Request:
        """The request, large attachments by reference."""
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

        def message(blocks: tuple[Block, ...]) -> bytes:
            return user_message(files.placed(in_a_crowd(blocks) if crowded else blocks, above))

        messages = [part for turn in self.history for part in (message(turn.blocks), turn.reply)]
        return Request(
            question.model.id,
            min(question.max_tokens, question.model.max_output),
            (*messages, message(self.blocks)),
            question.system,
            question.stop_sequences,
        )


def prepare(question: Question, history: Conversation) -> Prepared:
    """Evaluate and encode what a cell asks.

    Raises
    ------
    UsageProblem
        When the prompt is empty or something in it cannot be sent. Nothing was sent.
    """
    attached = attachment_blocks(question.attach, question.namespace, question.how, urls=question.urls)
    written = prompt_blocks(question.prompt, question.namespace, question.how)
    if not written:
        raise UsageProblem("The prompt is empty. Nothing was sent.")
    return Prepared(question, (*attached, *written), history.answered())


def ask(
    prepared: Prepared, client: Anthropic, files: Files, view: View, stop: threading.Event
) -> tuple[Turn, BaseException | None]:
    """Send a question and follow its reply to the end.

    Parameters
    ----------
    prepared : Prepared
        What is asked, and what stands above it.
    client : anthropic.Anthropic
        The SDK's client.
    files : Files
        What the client has uploaded.
    view : View
        Where the reply is shown.
    stop : threading.Event
        Set it from anywhere to end the reply; what has come is kept.

    Returns
    -------
    turn : Turn
        What was asked and received, whatever happened.
    problem : BaseException or None
        What ended it early: an ApiProblem, or the KeyboardInterrupt of the notebook's interrupt. The
        caller keeps the turn first and raises then.
    """
    began = time.monotonic()
    question = prepared.question
    view.begin(_status(question.model, Fold(), began), prepared.blocks)
    stream, fold, problem = _follow(prepared, client, files, view, stop, began)
    if isinstance(problem, RequestRefused) and files.forget(str(problem)):
        # An uploaded file has expired: it is uploaded again, and the question asked again, without fuss.
        stream, fold, problem = _follow(prepared, client, files, view, stop, began)
    answer = fold.answer()
    answer = replace(answer, usage=_estimated(question.model, answer.usage, fold.characters))
    numbers = prepared.numbers()
    text = cited_text(answer.parts, numbers)
    cited = source_list(numbers.sources)
    if cited:
        view.draw(f"\n\n{cited}", _status(question.model, fold, began))
    turn = Turn(
        prompt=question.prompt,
        blocks=prepared.blocks,
        reply=assistant_message(answer),
        shown=f"{text}\n\n{cited}" if cited else text,
        answer=answer,
        stage=_stage(answer, problem),
        model=answer.model or question.model.id,
        cost=models.cost(question.model, answer.usage),
        seconds=time.monotonic() - began,
        request_id=stream.request_id,
        demo=stream.demo,
        id=prepared.id,
        cell_id=question.cell_id,
        began=prepared.began,
    )
    view.end(turn)
    return turn, problem


def _follow(
    prepared: Prepared, client: Anthropic, files: Files, view: View, stop: threading.Event, began: float
) -> tuple[Stream, Fold, BaseException | None]:
    """Make one request and draw its reply; return what was received and what ended it early."""
    model = prepared.question.model
    fold = Fold(prepared.numbers())
    shown = 0
    problem: BaseException | None = None
    stream = Stream(client, prepared.request(files).body(), stop)
    try:
        with stream:
            for events in stream.batches():
                for event in events:
                    fold.take(event)
                news = fold.news()
                view.draw(news, _status(model, fold, began))
                shown += len(news)
    except (ApiProblem, KeyboardInterrupt) as error:
        problem = error
    if problem is not None or stop.is_set():
        fold = stream.refold(prepared.numbers())
        view.draw(fold.news()[shown:], _status(model, fold, began))
    return stream, fold, problem


def _stage(answer: Answer, problem: BaseException | None) -> Stage:
    if answer.complete:
        return _STAGES.get(answer.stop_reason, "complete")
    if problem is None or isinstance(problem, KeyboardInterrupt):
        return "interrupted"
    return "cut" if answer.parts else "failed"


def _status(model: models.Model, fold: Fold, began: float) -> Status:
    usage = _estimated(model, fold.usage, fold.characters)
    return Status(
        model.id, fold.phase, usage, models.cost(model, usage), time.monotonic() - began, model.window
    )


def _estimated(model: models.Model, usage: Usage, characters: int) -> Usage:
    """The usage with its output counted by characters, until the API has counted it."""
    if usage.final:
        return usage
    return replace(
        usage, output_tokens=max(usage.output_tokens, round(characters / model.characters_per_token))
    )
