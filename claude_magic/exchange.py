"""The one straight line: question → request → events → turn."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from anthropic import Anthropic

from claude_magic.api.files import Files
from claude_magic.api.fold import Fold
from claude_magic.api.pacing import Gate, OpenGate
from claude_magic.api.patience import Patience
from claude_magic.api.stream import INTERVAL, Stream
from claude_magic.concessions import conceded
from claude_magic.display.frontend import MayRun, View
from claude_magic.display.status import Status, Wait
from claude_magic.ending import free_of_charge, stage_of
from claude_magic.errors import ApiProblem, RequestRefused, UsageProblem, too_many_rounds
from claude_magic.prepared import Prepared
from claude_magic.progress import Progress
from claude_magic.sections import call_section
from claude_magic.stop import Stop, Stopped
from claude_magic.tools.ids import ids_of, with_own_ids
from claude_magic.values import Answer, Call, Leave, ToolUsePart, Turn, text_block

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

    def advance(self, turn: Turn) -> None:
        """Keep the rounds of a turn that goes on; the reply's event stream begins anew."""


class NotKept:
    """The journal of questions asked outside the conversation: it keeps nothing."""

    def begin(self, turn: Turn, key: str) -> None:
        """Keep nothing."""

    def journal(self, turn: Turn, lines: Sequence[str]) -> None:
        """Keep nothing."""

    def advance(self, turn: Turn) -> None:
        """Keep nothing."""


class Tools(Protocol):
    """Runs the kernel functions that the model calls."""

    def answer(self, call: ToolUsePart, may_run: MayRun, stop: Stop) -> Call:
        """Answer a call, whatever happens; it is run once it may be."""


class NoTools:
    """Nothing may be called."""

    def answer(self, call: ToolUsePart, may_run: MayRun, stop: Stop) -> Call:
        """Answer with an error."""
        return _left_out(call, "there is no such tool", "unknown tool")


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
    tools : Tools
        What the model may call.
    interval : float
        Seconds between two drawings; more where nobody watches.
    gate : Gate
        Where each try waits until it may be sent.
    """

    client: Anthropic
    files: Files
    view: View
    journal: Journal
    stop: Stop
    patience: Patience
    tools: Tools = field(default_factory=NoTools)
    interval: float = INTERVAL
    gate: Gate = field(default_factory=OpenGate)


def ask(prepared: Prepared, means: Means) -> tuple[Turn, BaseException | None]:
    """Send a question and follow its reply to the end.

    Returns
    -------
    turn : Turn
        What was asked and received, whatever happened.
    problem : BaseException or None
        What ended it early. The caller keeps the turn first and raises then.
    """
    progress = Progress(prepared.question)
    pending = prepared.turn(Answer(), "pending")
    means.view.begin(progress.status(Fold()), prepared.blocks)
    means.journal.begin(pending, prepared.key)
    drawn, demo, replayed = 0, False, []
    taken = ids_of(prepared.history)
    while True:
        followed, prepared = _tried(prepared, means, pending, progress)
        drawn += followed.drawn
        demo = demo or followed.demo  # a try that brought nothing does not tell
        replayed.append(followed.replayed)
        problem, answer = followed.problem, followed.fold.answer()
        missed = prepared.cache_miss(answer, followed.fold.cache_miss)
        answer = replace(answer, usage=progress.estimated(followed.fold), cache_miss=missed)
        answer, repeated = with_own_ids(answer, taken)
        if not _goes_on(answer, means, problem):
            break
        if len(prepared.rounds) >= prepared.question.most_rounds:
            problem = too_many_rounds(prepared.question.most_rounds)
            break
        uses = _uses(answer)
        if uses:  # were the kernel to die in one of them, nobody would know how far it came
            means.journal.advance(prepared.after(answer, [*map(_unknown_end, uses)]).underway())
        progress.rounds = prepared.after(answer).rounds
        sound = frozenset(use.id for use in uses if followed.fold.calls_are_whole) - repeated
        calls, problem = _answered(uses, sound, means, progress)
        prepared = prepared.after(answer, calls)
        pending = prepared.underway()
        means.journal.advance(pending)
        if means.stop.asked or problem is not None:
            answer = Answer()
            break
    turn = replace(
        prepared.turn(answer, stage_of(answer, failed=_failed(problem), begun=bool(prepared.rounds))),
        seconds=progress.seconds,
        request_id=followed.request_id,
        demo=demo,
    )
    turn = free_of_charge(turn, replayed)
    # What the last batch, the interrupt or the list of sources has left undrawn.
    if rest := turn.shown[drawn:]:
        means.view.draw(rest, progress.status(followed.fold))
    means.view.end(turn)
    return turn, _of_a_round(problem) if prepared.rounds else problem


def _of_a_round(problem: BaseException | None) -> BaseException | None:
    """What kept a further round from being asked, in words that are true of one."""
    if not isinstance(problem, UsageProblem):
        return problem
    return UsageProblem(str(problem).replace("Nothing was sent.", "What came before it is kept."))


def _goes_on(answer: Answer, means: Means, problem: BaseException | None) -> bool:
    """Whether a reply is a step on the way only, and nothing keeps the next from being taken."""
    if problem is not None or means.stop.asked or not answer.complete:
        return False
    return answer.stop_reason == "pause_turn" or bool(_uses(answer))


def _uses(answer: Answer) -> list[ToolUsePart]:
    """The calls to be answered; where the reply has ended for another reason, there are none."""
    return [
        part for part in answer.parts if isinstance(part, ToolUsePart) and answer.stop_reason == "tool_use"
    ]


def _answered(
    uses: Sequence[ToolUsePart], sound: Collection[str], means: Means, progress: Progress
) -> tuple[list[Call], BaseException | None]:
    """Have calls answered, each once whatever happens; each is shown with its result.

    Parameters
    ----------
    sound : collection of str
        The ids of those that may be run at all.
    """
    calls: list[Call] = []
    problem: BaseException | None = None

    def may_run(call: ToolUsePart) -> Leave:
        return means.view.may_run(call, progress.between("waiting for your leave"))

    try:
        for use in uses:
            if use.id in sound:
                means.view.draw("", progress.between("running a tool"))
                calls.append(means.tools.answer(use, may_run, means.stop))
            else:
                calls.append(_left_out(use, "it came cut, or repeats the id of another call", "not run"))
            means.view.show(call_section(calls[-1], timed=True), progress.between("calling a tool"))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - kept first, raised by the caller
        problem = error
    rest = uses[len(calls) :]
    calls += [
        *map(_unknown_end, rest[:1]),
        *(_left_out(use, "it was stopped", "not run") for use in rest[1:]),
    ]
    return calls, problem


def _left_out(use: ToolUsePart, why: str, note: str) -> Call:
    told = text_block(f"This call was not run: {why}.")
    return Call(use.id, use.name, use.input_json, (told,), error=True, note=note)


def _unknown_end(use: ToolUsePart) -> Call:
    told = text_block("Broken off while this call was waiting or running: it is not known how far it came.")
    return Call(use.id, use.name, use.input_json, (told,), error=True, note="begun, end unknown")


def show_again(prepared: Prepared, answered: Turn, view: View) -> Turn:
    """Answer a question by an earlier turn that asked the same: free, and marked as reused."""
    turn = replace(
        replace(prepared, rounds=answered.rounds).turn(answered.answer, answered.stage),
        model=answered.model,
        cost=0.0,
        saved=0.0,
        demo=answered.demo,
        reused=True,
        replayed=answered.replayed,
    )
    view.begin(Progress(prepared.question).status(Fold()), prepared.blocks)
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
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: str = ""


def _tried(prepared: Prepared, means: Means, pending: Turn, progress: Progress) -> tuple[_Followed, Prepared]:
    """Try until a reply has begun, the API says no, patience ends, or the user stops it.

    Returns
    -------
    followed : _Followed
        The last try.
    prepared : Prepared
        The question without what was conceded on the way.
    """
    tries = 1
    expired = 0
    while True:
        entered = means.gate.enter(means.stop)
        if entered is None:
            return _Followed(prepared.fold()), prepared
        followed = _follow(prepared, means, pending, progress)
        problem = followed.problem
        means.gate.leave(entered, problem, followed.headers)
        if not isinstance(problem, ApiProblem) or followed.begun:
            return followed, prepared
        if (
            isinstance(problem, RequestRefused)
            and expired < MOST_EXPIRED
            and means.files.forget(str(problem))
        ):
            # An uploaded file has expired: it is uploaded again, and the question asked again, without fuss.
            expired += 1
            continue
        plain = conceded(prepared, problem)
        if plain is not None:
            prepared = plain
            continue
        pause = means.patience.wait(problem, tries)
        if pause is None:
            return replace(followed, problem=means.patience.given_up(problem, tries)), prepared
        tries += 1
        then = f"try {tries} of {means.patience.retries + 1}"
        end = time.monotonic() + pause
        while not means.stop.asked and (left := end - time.monotonic()) > 0:
            means.view.draw("", progress.status(followed.fold, Wait(problem.brief, then, left)))
            means.stop.sleep(min(left, 0.5))
        if means.stop.asked:
            return replace(followed, problem=None), prepared


def _follow(prepared: Prepared, means: Means, pending: Turn, progress: Progress) -> _Followed:
    """Make one try; draw and journal its reply while it comes."""
    fold = prepared.fold()

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
    thinking = prepared.question.options.thinking
    stream = Stream(means.client, body, means.stop, means.patience, means.interval)
    ended: BaseException | None = None
    try:
        with stream:
            for events in stream.batches():
                for event in events:
                    fold.take(event)
                drawn += _draw(fold, means.view, progress.status(fold, _uneasy(stream)), thinking=thinking)
                if time.monotonic() >= due and (lines := stream.received(journaled)):
                    means.journal.journal(pending, lines)
                    journaled += len(lines)
                    due = time.monotonic() + JOURNAL_EVERY
    except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001 - kept first, raised by the caller
        ended = problem
    if ended is not None or means.stop.asked:
        fold = stream.refold(prepared.fold())
    return _Followed(
        fold,
        drawn,
        ended,
        stream.begun,
        stream.request_id,
        stream.demo,
        headers=stream.headers,
        replayed=stream.replayed,
    )


def _draw(fold: Fold, view: View, status: Status, *, thinking: bool) -> int:
    """Show what has come since the last drawing; return the characters of text in it."""
    news = [one for one in fold.news() if thinking or one.kind != "thinking"]
    for section in news:
        if section.kind == "text":
            view.draw(section.body, status)
        else:
            view.show(section, status)
    if not news:
        view.draw("", status)
    return sum(len(one.body) for one in news if one.kind == "text")


def _uneasy(stream: Stream) -> Wait | None:
    """What to say of a silence that lasts, with the seconds after which it is given up."""
    if stream.silence < min(UNEASY, stream.deadline / 2):
        return None
    what = "nothing more is coming" if stream.begun else "no answer yet"
    return Wait(what, "times out", max(0.0, stream.deadline - stream.silence))


def _failed(problem: BaseException | None) -> bool:
    return problem is not None and not isinstance(problem, KeyboardInterrupt)
