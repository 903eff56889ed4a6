"""One question put to several models at once: ``%%claude -m … -m …``, and taking one of the answers."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from claude_magic import notices
from claude_magic.api.budget import shares
from claude_magic.around import Around
from claude_magic.asides import Aside
from claude_magic.chats import Chats
from claude_magic.comparing.comparison import Comparison, position
from claude_magic.comparing.side_work import at_once
from claude_magic.conversation.history import Conversation, OnRerun
from claude_magic.display.side_by_side import SideBySide, side_by_side
from claude_magic.display.status import ended_how
from claude_magic.display.untrusted import visible
from claude_magic.errors import ApiProblem, ClaudeMagicError, UsageProblem
from claude_magic.evaluation import prepare_all
from claude_magic.exchange import Journal, NotKept, ask, show_again
from claude_magic.flags import Line, variable
from claude_magic.intake import refuse_compared, rerun
from claude_magic.places import Place
from claude_magic.prepared import Prepared
from claude_magic.reply import Reply
from claude_magic.settings import Settings
from claude_magic.stop import Stop
from claude_magic.structured import result
from claude_magic.values import Answer, Turn

Ended = tuple[Turn, BaseException | None]
"""How a question ended, and what ended it early."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A comparison that has been made, and where."""

    comparison: Comparison
    above: tuple[Turn, ...]
    keys: tuple[str, ...]


class Comparing:
    """Puts one question to several models; knows the last comparison of this kernel."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._last: _Asked | None = None

    def ask(self, line: Line, prompt: str, settings: Settings, names: tuple[str, ...]) -> Comparison | Reply:
        """Ask all, keep their turns, then raise what ended all of them early.

        Parameters
        ----------
        names : tuple of str
            The models, each once, as the user named them.

        Returns
        -------
        Comparison or Reply
            The answers; with ``--pick`` the one that was taken into the conversation.

        Raises
        ------
        ClaudeMagicError
            One line for the user, when no model has answered.
        KeyboardInterrupt
            The notebook's interrupt: queued cells must not go on.
        """
        around = self._around
        refuse_compared(line)
        into = variable(line.one("into"))
        place = around.place(line, settings)
        prepared = self._made_ready(line, prompt, settings, names, place)
        models = tuple(one.question.model.id for one in prepared)
        picked = position(line.one("pick"), names, models, "Nothing was sent.") if line.has("pick") else None
        chats = around.chats(settings)
        if place is not None:
            conversation = chats.take(place)
            prepared = [one.at(place.history, place.cell, conversation) for one in prepared]
        again = line.has("reuse") or settings.reuse
        reused = [chats.reused(one.key) if again else None for one in prepared]
        journal: Journal = NotKept() if place is None else Aside(chats.store)
        quiet = line.has("quiet") or settings.quiet
        with around.asking.reply() as stop:
            shown = side_by_side(around.views, "none" if quiet else settings.view, stop, models)
            ended = self._answers(prepared, reused, journal, stop, shown, settings)
            self._keep(prepared, ended, None if place is None else chats)
            if place is not None:
                around.say_notes(settings)
            comparison, problems = self._handed_over(prepared, ended, names, shown, quiet=quiet)
            if into and (values := _values(comparison, problems, typed=line.has("schema"))):
                around.shell.user_ns[into] = values
            keys = tuple(one.key for one in prepared)
            self._last = None if place is None else _Asked(comparison, place.history, keys)
        if stop.interrupted or None not in problems:
            turns = [turn for turn, _ in ended]
            notices.raise_problem(stop, replace(turns[0], conversation=""), problems[0], beside=turns)
        if picked is None:
            return comparison
        if not comparison.replies[picked].turn.goes_back:
            sys.stderr.write(f"{_nothing_to_take(models[picked])}\n")
            return comparison
        return self._take(picked, settings)

    def _keep(self, prepared: Sequence[Prepared], ended: Sequence[Ended], chats: Chats | None) -> None:
        """Keep the turns beside the conversation, count what they cost, say what the user should know."""
        around = self._around
        for one, (turn, problem) in zip(prepared, ended, strict=True):
            # Of one that was left, what it has written itself is more.
            if chats is not None and not isinstance(problem, KeyboardInterrupt):
                Aside(chats.store).keep(turn, one.key, chats.current)
            around.accounts.add(turn, kept=chats is not None)
            for about, note in notices.notes(one, turn):
                around.tell(note, about.replace(turn.id, prepared[0].id))  # one line is said once for all

    def _handed_over(
        self,
        prepared: Sequence[Prepared],
        ended: Sequence[Ended],
        names: tuple[str, ...],
        shown: SideBySide,
        *,
        quiet: bool,
    ) -> tuple[Comparison, list[BaseException | None]]:
        """The comparison, put where the user finds it; and for each answer what is wrong with it."""
        shell = self._around.shell
        checked = [
            result(one.question.shape, turn, problem, ended_how(turn))
            for one, (turn, problem) in zip(prepared, ended, strict=True)
        ]
        problems = [problem for _, problem in checked]
        lines = tuple(map(line_of, problems))
        for number, said in enumerate(lines):
            if said:
                shown.fail(number, said)
        comparison = Comparison(
            tuple(Reply(turn, data=data) for (turn, _), (data, _) in zip(ended, checked, strict=True)),
            names,
            tuple(one.question.model.id for one in prepared),
            lines,
            0 if quiet else shell.execution_count,
        )
        shell.user_ns["_claude"] = comparison
        shown.end(comparison.columns)
        if shown.problem:
            sys.stderr.write(f"{shown.problem}\n")
        return comparison, problems

    @property
    def choices(self) -> tuple[str, ...]:
        """What ``--pick`` takes now: the numbers of the last answers, and their models as they were named."""
        made = self._last.comparison if self._last is not None else None
        return (*map(str, range(1, len(made) + 1)), *made.names) if made is not None else ()

    def pick(self, which: str, settings: Settings) -> None:
        """Take one answer of the last comparison into the conversation, at the place of its cell.

        Raises
        ------
        UsageProblem
            When there is no such answer, or nothing in it. Nothing was changed.
        """
        if self._last is None:
            raise UsageProblem(
                "--pick: no answers to choose from; %%claude -m … -m … asks for them in the conversation. "
                "Nothing was changed."
            )
        made = self._last.comparison
        self._take(position(which, made.names, made.models, "Nothing was changed."), settings)

    def _take(self, number: int, settings: Settings) -> Reply:
        """Take an answer, counted from 0, into the conversation."""
        last = self._last
        assert last is not None  # noqa: S101 - there was a comparison
        reply = last.comparison.replies[number]
        if not reply.turn.goes_back:
            raise UsageProblem(_nothing_to_take(last.comparison.models[number]))
        chats = self._around.chats(settings)
        conversation = reply.turn.conversation
        kept = chats.store.find(conversation)
        if conversation != chats.current.id and (kept is None or kept.deleted):
            raise UsageProblem(
                "--pick: the conversation of these answers was deleted, or is in another store; ask again in "
                "one that is there. Nothing was changed."
            )
        chats.resume(conversation)
        others = {one.turn.id for one in last.comparison.replies}
        after = taken_in(chats.current, reply.turn, last.above, others, rerun(settings))
        chats.change(after, last.keys[number])
        picked = replace(reply, shown_in=self._around.shell.execution_count)
        self._around.shell.user_ns["_claude"] = picked
        model, name = last.comparison.models[number], chats.current.name
        sys.stdout.write(f"The answer of {model} stands in the conversation {visible(name)!r} now.\n")
        return picked

    def _made_ready(
        self, line: Line, prompt: str, settings: Settings, names: Sequence[str], place: Place | None
    ) -> list[Prepared]:
        """The question to each model, within its share of what all may cost; nothing is sent or changed."""
        around = self._around
        lines = [replace(line, values={**line.values, "model": (name,)}) for name in names]
        questions = [around.preparing.question(one, prompt, settings) for one in lines]
        prepared = [
            around.preparing.placed(one, place, own, settings)
            for one, own in zip(prepare_all(questions), lines, strict=True)
        ]
        found = dict.fromkeys(secret for one in prepared for secret in one.secrets())
        around.allow_secrets(settings, tuple(found))
        prepared = within_shares(prepared)
        for one in prepared:
            one.request(None)  # what is to be refused is refused before anything is begun
        return prepared

    def _answers(
        self,
        prepared: Sequence[Prepared],
        reused: Sequence[Turn | None],
        journal: Journal,
        stop: Stop,
        shown: SideBySide,
        settings: Settings,
    ) -> list[Ended]:
        """Ask all at once, each in a thread; show them in this one."""

        def answer(number: int) -> Ended:
            earlier, view = reused[number], shown.views[number]
            if earlier is not None:
                return show_again(prepared[number], earlier, view), None
            turn, problem = ask(prepared[number], means[number])
            if problem is not None:
                shown.fail(number, line_of(problem))
            return turn, problem

        means = [self._around.means(settings, stop, journal, view) for view in shown.views]
        shown.begin(prepared[0].blocks)
        calls = [partial(answer, number) for number in range(len(prepared))]
        brought = at_once(calls, len(calls), stop, shown.draw)
        return [ended_of(one, what) for one, what in zip(prepared, brought, strict=True)]


def _nothing_to_take(model: str) -> str:
    return f"--pick: {model} has given no answer that could be taken; the conversation is as it was."


def ended_of(prepared: Prepared, brought: Ended | BaseException) -> Ended:
    """How a question ended that was asked in a thread, also where that broke off."""
    if isinstance(brought, BaseException):
        left = isinstance(brought, KeyboardInterrupt)
        return prepared.turn(Answer(), "interrupted" if left else "failed"), brought
    return brought


def within_shares(prepared: Sequence[Prepared]) -> list[Prepared]:
    """The questions, each with its share of what they may cost together.

    Raises
    ------
    UsageProblem
        When all of them would cost more than they may. Nothing was sent.
    """
    asked = [(one.question.model, one.expected(one.estimated_tokens())) for one in prepared]
    most = [one.question.most for one in prepared]
    limits = shares(asked, most, prepared[0].question.limits)
    return [
        replace(one, question=replace(one.question, limits=own))
        for one, own in zip(prepared, limits, strict=True)
    ]


def line_of(problem: BaseException | None) -> str:
    """What ended an answer early, in one line that is the same whenever the same happens."""
    if problem is None:
        return ""
    if isinstance(problem, ApiProblem):
        problem = copy.copy(problem)
        problem.request_id = ""
    if isinstance(problem, ClaudeMagicError | KeyboardInterrupt):
        return str(problem)
    return f"{type(problem).__name__}: {problem}"


def taken_in(
    conversation: Conversation, turn: Turn, above: Sequence[Turn], others: set[str], on_rerun: OnRerun
) -> Conversation:
    """The conversation with one of several answers in it.

    It takes the place of another of them, or of its cell's own turn; else it stands below what it followed,
    and what stands there is stale.

    Parameters
    ----------
    above : sequence of Turn
        What it followed.
    others : set of str
        The ids of all the answers.
    on_rerun : OnRerun
        What happens to the turn that its cell has already.
    """
    turns = conversation.turns
    known = next((at for at, one in enumerate(turns) if one.id in others), None)
    if known is not None and turns[known].id == turn.id:
        return conversation
    if known is not None:
        return conversation.inserted(turn, known, instead=True)
    if not turn.cell_id or on_rerun == "append" or conversation.has(turn.cell_id):
        return conversation.put(turn, on_rerun)
    followed = {one.id for one in above}
    last = max((at for at, one in enumerate(turns, 1) if one.id in followed), default=0)
    return conversation.inserted(turn, last if last or not above else len(turns))


def _values(
    comparison: Comparison, problems: Sequence[BaseException | None], *, typed: bool
) -> dict[str, object]:
    """What --into takes: by model the text, or the data; of those that have any."""
    return {
        model: reply.data if typed else reply.text
        for model, reply, problem in zip(comparison.models, comparison.replies, problems, strict=True)
        if (problem is None if typed else reply.text or reply.stage == "complete")
    }
