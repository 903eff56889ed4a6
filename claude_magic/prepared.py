"""A question made ready, and the request that it becomes."""

from __future__ import annotations

import functools
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from claude_magic.api import caching, providers
from claude_magic.api.budget import affordable
from claude_magic.api.capabilities import Wanted, refuse
from claude_magic.api.check import check, refuse_too_large
from claude_magic.api.estimate import pieces
from claude_magic.api.extra import priced
from claude_magic.api.files import Files
from claude_magic.api.fingerprint import fingerprint
from claude_magic.api.fold import Fold
from claude_magic.api.options import AS_IT_IS
from claude_magic.api.past import rounds_said, said
from claude_magic.api.repair import repaired
from claude_magic.api.request import SYSTEM, Message, Request, asked
from claude_magic.characters import sendable
from claude_magic.citations import Numbers, cited_text
from claude_magic.content.crowd import CROWD, in_a_crowd
from claude_magic.content.secrets import document_text, find_secrets
from claude_magic.ending import ended, ended_round
from claude_magic.question import Question
from claude_magic.values import Answer, Block, Call, Round, Stage, TextPart, Turn, Usage


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
    rounds : tuple of Round
        What has come of it so far.
    stands_for : tuple of str
        Where it asks for a summary: the ids of the turns whose place that is to take.
    shared : int or None
        Of a row's question: how many blocks at its beginning the questions of all rows share.
    kept : bool
        Whether the prompt cache has what they share already.
    missing : bool
        Whether an expression in its prompt is a value that is not there: None, NaN.
    """

    question: Question
    blocks: tuple[Block, ...]
    history: tuple[Turn, ...] = ()
    cell_id: str = ""
    conversation: str = ""
    rounds: tuple[Round, ...] = ()
    stands_for: tuple[str, ...] = ()
    shared: int | None = None
    kept: bool = False
    missing: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.time)

    def at(self, history: tuple[Turn, ...], cell_id: str = "", conversation: str = "") -> Prepared:
        """The question in a conversation."""
        return replace(self, history=history, cell_id=cell_id, conversation=conversation)

    def after(self, answer: Answer, calls: Sequence[Call] = ()) -> Prepared:
        """The question after another round."""
        done = ended_round(answer, calls, self.question.model)
        return replace(self, rounds=(*self.rounds, done))

    def turn(self, answer: Answer, stage: Stage) -> Turn:
        """The turn this question becomes with an answer."""
        question = self.question
        if self._begins and stage in ("pending", "streaming") and not answer.parts:
            # What a dying kernel leaves has to tell how the answer begins.
            answer = replace(answer, parts=(TextPart(self._begins),))
        shown = question.options.thinking
        numbers = Numbers(self._sent_blocks())
        data = bool(question.options.data)
        underway = self.underway()
        return ended(underway, answer, stage, question.model, numbers, thinking=shown, data=data)

    def underway(self) -> Turn:
        """The turn while it goes on: its rounds so far, nothing of it made ready to be shown."""
        question = self.question
        return Turn(
            prompt=f"(continued) {question.prompt}".rstrip() if question.go_on else question.prompt,
            blocks=self.blocks,
            stage="streaming",
            model=question.model.id,
            id=self.id,
            conversation=self.conversation,
            cell_id=self.cell_id,
            began=self.began,
            rounds=self.rounds,
            stands_for=self.stands_for,
        )

    @property
    def _begins(self) -> str:
        """How the reply that comes next is made to begin."""
        return "" if self.rounds else self.question.options.prefill

    def fold(self) -> Fold:
        """What takes in the reply that comes next."""
        spoken = any(round_.answer.text for round_ in self.rounds)
        return Fold(self.numbers(), apart=spoken, begins=self._begins, data=self.question.options.data)

    def cache_miss(self, answer: Answer, told: str) -> str:
        """Why the answer's request did not find what the turn before it had left in the prompt cache.

        Parameters
        ----------
        told : str
            The API's word for it.
        """
        if not self.history or self.rounds or self.question.cache == "off":
            return ""
        return caching.missed(self.history[-1], answer, told, self.began, self.question.cache)

    @functools.cached_property
    def key(self) -> str:
        """What is asked, whole, as a hash: equal questions have equal keys."""
        question = self.question
        asked: tuple[object, ...] = (
            question.host,
            question.model.id,
            question.system,
            question.max_tokens,
            question.stop_sequences,
        )
        for further in (question.extra, question.tools, question.options):
            if further and further != AS_IT_IS:  # the keys of questions without any stay what they were
                asked = (*asked, further)
        return fingerprint(asked, self.history, self.blocks)

    def numbers(self) -> Numbers:
        """What numbers the sources that come next: documents of earlier turns may be cited too."""
        numbers = Numbers(self._sent_blocks())
        for round_ in self.rounds:
            cited_text(round_.answer.parts, numbers)
        return numbers

    def _sent_blocks(self) -> tuple[Block, ...]:
        return (*(block for turn in self.history for block in turn.blocks), *self.blocks)

    def estimated_tokens(self) -> int:
        """The input tokens, estimated here: pictures by their pixels, text by its pieces."""
        if self.rounds and (last := self.rounds[-1].answer.usage).final:
            told = [block for call in self.rounds[-1].calls for block in call.result]
            return last.prompt_tokens + last.output_tokens + self._tokens(told, 0)
        options = self.question.options
        size = sum(map(_pieces, (self.question.system, options.schema, self._begins)))
        size += sum(_pieces(turn.answer.text) for turn in self.history)
        size += sum(len(tool) // 4 for tool in self.question.tools)
        rounds = [one for turn in self.history for one in turn.rounds] + list(self.rounds)
        size += sum(_pieces(one.answer.text) for one in rounds)
        calls = [call for one in rounds for call in one.calls]
        size += sum(_pieces(call.arguments) for call in calls)
        told = [block for call in calls for block in call.result]
        return self._tokens((*self._sent_blocks(), *told), size)

    def _tokens(self, blocks: Sequence[Block], size: int) -> int:
        """The tokens of blocks, and of so many pieces of other text."""
        size += sum(_pieces(block.text) for block in blocks if block.kind in ("text", SYSTEM))
        return sum(block.tokens for block in blocks if block.kind not in ("text", SYSTEM)) + round(
            size * self.question.density
        )

    def expected(self, tokens: int) -> Usage:
        """The input side of the usage as expected: what the last turn left in the cache is read.

        Parameters
        ----------
        tokens : int
            Of the whole prompt, counted or estimated.
        """
        cache = self.question.cache
        if cache == "off":
            return priced(Usage(input_tokens=tokens), self.question.extra)
        own = 0
        if self.shared is None:
            read = min(tokens, self._left_in_cache())
        else:
            common = min(tokens, self.common_tokens())
            own, read = tokens - common, common if self.kept else 0
        written = tokens - own - read
        usage = Usage(
            input_tokens=own,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=written,
            cache_creation_1h_tokens=written if cache == "1h" else 0,
        )
        return priced(usage, self.question.extra)

    def common_tokens(self) -> int:
        """Of a row's question: the tokens that all rows share and the cache may keep; 0 for too few."""
        question = self.question
        size = _pieces(question.system) + sum(len(tool) // 4 for tool in question.tools)
        tokens = self._tokens(self.blocks[: self.shared or 0], size)
        return tokens if question.cache != "off" and tokens >= (question.model.min_cache or 0) else 0

    def _left_in_cache(self) -> int:
        if self.rounds:
            last = self.rounds[-1].answer.usage
            return last.cache_read_input_tokens + last.cache_creation_input_tokens
        if not self.history:
            return 0
        return caching.left_by(self.history[-1], self.question.model.id, self.began)

    def secrets(self) -> list[str]:
        """What in this question looks like a secret: kind and place, never the value."""
        files = [f"environment file {one.name}" for one in self.blocks if one.name.endswith(".env")]
        question = self.question
        texts = [("the system prompt", question.system), ("extra", question.extra)]
        texts += [("the schema", question.options.schema), ("the prefill", question.options.prefill)]
        texts += [(one.name or "the prompt", document_text(one)) for one in self.blocks]
        return files + [
            f"{secret.kind} in {place}, line {secret.line}"
            for place, text in texts
            for secret in find_secrets(text)
        ]

    def within_limits(self) -> int:
        """The most output tokens that the question's limits leave.

        Raises
        ------
        UsageProblem
            When it would cost more than it may. Nothing was sent.
        """
        question = self.question
        most = question.most
        spent = sum(round_.cost or 0.0 for round_ in self.rounds)
        limits = [replace(limit, spent=limit.spent + spent) for limit in question.limits]
        return affordable(question.model, self.expected(self.estimated_tokens()), most, limits)

    def request(self, files: Files | None, *, limited: bool = True) -> Request:
        """The request, repaired and checked; large attachments by reference to where ``files`` has put them.

        Parameters
        ----------
        limited : bool
            Whether it has to keep within what it may cost; what is only looked at need not.

        Raises
        ------
        UsageProblem
            When the API would refuse it, or it would cost more than it may. Nothing was sent.
        """
        question = self.question
        most = self.within_limits() if limited else question.most
        placed, crowd = self._placed(files)
        messages = []
        for turn, blocks in zip(self.history, placed, strict=False):
            above = replace(turn, rounds=_shrunk(turn.rounds)) if crowd else turn
            messages += [*self._asked(blocks), *said(above, question.model, thoughts=question.thoughts)]
        messages += [*self._asked(placed[-1]), *rounds_said(_shrunk(self.rounds) if crowd else self.rounds)]
        sent, system = repaired(messages), sendable(question.system)
        tools = (*question.tools, *question.options.tools)
        diagnosed = question.diagnose and question.provider.has_diagnostics
        cached = question.cache != "off" and diagnosed and question.goes_on
        request = Request(
            question.model.id,
            most,
            sent,
            system,
            question.stop_sequences,
            caching.marks(
                sent,
                question.cache,
                system=bool(system.strip()),
                tools=bool(tools),
                goes_on=question.goes_on,
                shared=self.shared,
            ),
            self._follows() if cached else None,
            question.extra,
            tools,
            self._options(most),
            self._begins,
        )
        check(request)
        return request

    def _options(self, most: int) -> str:
        """Our own parameters, and the container in which the API has run code in this turn, as JSON."""
        chosen = self.question.options.parameters(self.question.model, most)
        # A pause may be over before the API says again where it runs code.
        told = [round_.answer.container for round_ in self.rounds if round_.answer.container]
        chosen |= {"container": told[-1]} if told else {}
        return json.dumps(chosen) if chosen else ""

    def _asked(self, blocks: Sequence[Block]) -> list[Message]:
        return asked(blocks, system=self.question.model.system_turns is not False)

    def _follows(self) -> str:
        """The id of the answer above, for the API to compare with what was asked there."""
        message_id = self.history[-1].answer.message_id if self.history else ""
        return message_id if message_id.startswith("msg_") and message_id.isascii() else ""

    def _placed(self, files: Files | None) -> tuple[list[tuple[Block, ...]], bool]:
        """The blocks of each user message as they are sent, the question's own last; whether in a crowd."""
        asked = [*(turn.blocks for turn in self.history), self.blocks]
        told = [
            block
            for rounds in (*(turn.rounds for turn in self.history), self.rounds)
            for one in rounds
            for call in one.calls
            for block in call.result
        ]
        sent = [*(block for blocks in asked for block in blocks), *told]
        # More than so many pictures in one request: a stricter limit holds for all of them.
        pictures = sum(block.kind == "image" for block in sent)
        refuse(self.question.model, Wanted(images=pictures, pages=sum(block.pages for block in sent)))
        crowd = pictures > CROWD
        if crowd:
            asked = [in_a_crowd(blocks) for blocks in asked]
        provider = self.question.provider
        providers.refuse_urls(provider, (block for blocks in asked for block in blocks))
        if files is not None:
            above = self.question.upload_above if provider.has_files else 0
            asked = [files.placed(blocks, above) for blocks in asked]
            refuse_too_large([*(block for blocks in asked for block in blocks), *told])
        return asked, crowd


def _shrunk(rounds: Sequence[Round]) -> tuple[Round, ...]:
    """Rounds with the pictures of their tools as small as a crowd of them has to be."""
    return tuple(
        replace(one, calls=tuple(replace(call, result=in_a_crowd(call.result)) for call in one.calls))
        for one in rounds
    )


@functools.lru_cache(maxsize=4096)
def _pieces(text: str) -> int:
    """The pieces of a text of the conversation; it is taken apart once, not at each turn."""
    return pieces(text)
