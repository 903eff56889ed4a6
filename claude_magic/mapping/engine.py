"""The asking of many rows: threads that ask, and one that prepares, keeps, counts and tells."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from claude_magic.api.budget import SHORTEST, Limit
from claude_magic.api.pacing import Pace
from claude_magic.conversation.asked import AskedStore, Kept
from claude_magic.display.frontend import NoView
from claude_magic.display.status import Status, money
from claude_magic.errors import ApiProblem, UsageProblem
from claude_magic.exchange import Means, ask
from claude_magic.mapping.outcomes import answered, failed, one_line
from claude_magic.mapping.plan import Plan, Task
from claude_magic.mapping.purse import MapPurse
from claude_magic.mapping.tally import Count, Tally
from claude_magic.prepared import Prepared
from claude_magic.rows import NOT_ASKED, Outcome, table_of
from claude_magic.stop import Stop
from claude_magic.values import Answer, Turn

EVERY = 1.0
"""Seconds between two tables while answers come in."""
ALIKE = 8
"""Rows that fail alike, with no answer between them, after which no more are asked."""
_TICK = 0.1
_AT_ONCE = 200
_LEAVING = 10.0
_LONGER = 4
_ENOUGH = 1024


class Watch(Protocol):
    """Who is told how far it is."""

    def update(self, tally: Tally) -> None:
        """Tell, often; must not raise."""


@dataclass(frozen=True)
class MapResult:
    """What came of a map.

    Parameters
    ----------
    frame : object
        The rows with their answers, as a table.
    outcomes : tuple of Outcome
        By the rows' numbers.
    tally : Tally
        In numbers.
    problem : BaseException or None
        What ended it before all rows were asked; None also where the Stop button did.
    unkept : int
        Rows whose answers or failures the store has not taken: the next run asks them again.
    """

    frame: Any = field(repr=False)
    outcomes: tuple[Outcome, ...] = field(repr=False)
    tally: Tally
    problem: BaseException | None = None
    unkept: int = 0


@dataclass(frozen=True)
class MapMeans:
    """What a map needs of the world.

    Parameters
    ----------
    means : Means
        As of one question; without a view, and with the Stop that all rows share.
    store : AskedStore
        Keeps what comes.
    conversation : str
        Under which it is counted.
    spent : callable
        Told of each turn that has ended.
    publish : callable
        Given the table as it stands, about once a second and at the end.
    watch : Watch
        Told how far it is.
    concurrency : int
        Questions under way at once, at most.
    """

    means: Means
    store: AskedStore
    conversation: str
    spent: Callable[[Turn], None]
    publish: Callable[[Any], None]
    watch: Watch
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class _Job:
    task: Task
    prepared: Prepared
    granted: float


@dataclass(frozen=True, slots=True)
class _Done:
    job: _Job
    turn: Turn
    problem: BaseException | None
    sent: bool


class _Ticket:
    """The shared gate, as one row goes through it: remembers whether it ever did."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.sent = False

    def enter(self, stop: Stop) -> float | None:
        entered = self._pace.enter(stop)
        self.sent = self.sent or entered is not None
        return entered

    def leave(self, entered: float, problem: BaseException | None, headers: Mapping[str, str]) -> None:
        self._pace.leave(entered, problem, headers)


class _First(NoView):
    """Nothing is shown of the first question; but when its answer begins, the cache has what it left."""

    def __init__(self) -> None:
        self.begun = False

    def draw(self, text: str, status: Status) -> None:
        self.begun = self.begun or status.usage.prompt_tokens > 0


class Asker:
    """One map under way. Made for a plan, run once."""

    def __init__(self, plan: Plan, means: MapMeans) -> None:
        self._plan = plan
        self._map = means
        self._stop = means.means.stop
        tokens = [task.prompt.prompt_tokens for task in plan.tasks]
        self._pace = Pace(means.concurrency, sum(tokens) / len(tokens) if tokens else 0.0)
        self._purse = MapPurse(plan.question.limits)
        self._count = Count(plan.outcomes)
        self._todo = deque(plan.tasks)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._under_way: dict[str, _Job] = {}
        self._first = _First()
        self._first.begun = not plan.alone
        self._longest = 0
        self._ended: BaseException | None = None
        self._alike: tuple[str, list[str]] = ("", [])
        self._given_up = False
        self._unwritten: list[Kept] = []
        """What the disk did not take: it is tried again with what comes next, and at the end."""
        self._due = 0.0
        self._frame: Any = None

    def run(self) -> MapResult:
        """Ask what is to be asked; whatever happens, the table as it stands is handed over."""
        threads = self._workers()
        try:
            self._show(now=True)
            while (self._todo and self._ended is None and not self._stop.asked) or self._under_way:
                self._feed()
                self._take()
                self._show()
                if self._stop.asked:
                    self._let_go()
                    break
        except BaseException:
            self._stop.asked = True
            with contextlib.suppress(Exception):
                self._let_go()
            raise
        finally:
            for _ in threads:
                self._jobs.put(None)
            for job in self._under_way.values():  # it does not let go: it is not known how far it came
                self._put(job.task, failed("It was stopped; what came of it is not known.", "interrupted"))
            self._write()
            self._show(now=True)
        tally = self._count.tally(self._pace.width)
        return MapResult(self._frame, self._outcomes(), tally, self._ended, self._unkept())

    def _workers(self) -> Sequence[threading.Thread]:
        count = min(self._map.concurrency, len(self._plan.tasks))
        threads = [
            threading.Thread(target=self._work, name=f"claude-magic-map-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _work(self) -> None:
        """Thread: ask one question after the other."""
        while (job := self._jobs.get()) is not None:
            ticket = _Ticket(self._pace)
            try:
                # Only the first question is asked while it has not begun.
                view = self._map.means.view if self._first.begun else self._first
                turn, problem = ask(job.prepared, replace(self._map.means, view=view, gate=ticket))
            except BaseException as error:  # noqa: BLE001 - told by the row's own line
                turn, problem = job.prepared.turn(Answer(), "failed"), error
            self._done.put(_Done(job, turn, problem, ticket.sent))

    def _feed(self) -> None:
        """Hand questions to the threads, a few more than they are: none has to wait for the next."""
        room = self._map.concurrency + 2 if self._first.begun else 1
        while self._todo and self._ended is None and not self._stop.asked and len(self._under_way) < room:
            task = self._todo[0]
            granted = self._granted(task)
            if granted is None:
                return
            self._todo.popleft()
            prepared = self._prepared(task, granted)
            if prepared is None:
                self._purse.settle(granted, 0.0)
                continue
            job = self._under_way[task.key] = _Job(task, prepared, granted)
            self._jobs.put(job)

    def _granted(self, task: Task) -> float | None:
        if not self._purse.limits:
            return 0.0
        most = self._plan.most
        enough = min(most, max(_ENOUGH, _LONGER * self._longest))
        costs = [self._plan.cost(task.prompt, size) or 0.0 for size in (most, enough, min(SHORTEST, most))]
        granted = self._purse.grant(*costs)
        if granted is None and not self._under_way:
            limit, left = self._purse.tightest, sum(len(task.numbers) for task in self._todo)
            self._ended = UsageProblem(
                f"The limit of {money(limit.usd)} for {limit.what} is reached: {left:,} row"
                f"{' was' if left == 1 else 's were'} not asked. To raise it, {limit.advice}; run again, it "
                "asks only those."
            )
        return granted

    def _prepared(self, task: Task, granted: float) -> Prepared | None:
        """The question with what it may cost; None where it cannot be made now."""
        prepared, task.prepared = task.prepared, None
        if prepared is None:
            try:
                asked = self._stop.breaking(lambda: self._plan.asked(task.numbers[0]))
            except KeyboardInterrupt:  # noted by the stop
                self._todo.appendleft(task)
                return None
            if asked.prepared is None:
                self._put(task, failed(one_line(asked.problem or ValueError("no question"))))
                return None
            prepared = replace(asked.prepared, kept=self._plan.alone)
        limits = tuple(Limit(one.what, granted, 0.0, one.advice) for one in self._purse.limits[:1])
        # A hair more: what is reckoned twice must not come out a token less.
        limits = tuple(replace(limit, usd=limit.usd * (1 + 1e-9)) for limit in limits)
        question = replace(prepared.question, limits=limits)
        return replace(prepared, question=question, conversation=self._map.conversation, began=time.time())

    def _take(self) -> None:
        """Take what has ended, and keep it, all at once."""
        ended = []
        with contextlib.suppress(queue.Empty):
            ended.append(self._done.get(timeout=_TICK))
            while len(ended) < _AT_ONCE:
                ended.append(self._done.get_nowait())
        self._unwritten += [one for done in ended if (one := self._kept(done)) is not None]
        self._write()

    def _write(self) -> None:
        """Keep what has ended and is not kept yet."""
        if self._unwritten and self._map.store.record(self._unwritten):
            self._unwritten = []
        if self._given_up:  # what failed so is no row's own fault
            self._map.store.forget_failures(self._alike[1])

    def _unkept(self) -> int:
        """Rows of which something came that could not be written."""
        lost = {one.key for one in self._unwritten if one.turn.stage != "interrupted"}
        return sum(len(task.numbers) for task in self._plan.tasks if task.key in lost)

    def _kept(self, done: _Done) -> Kept | None:
        """Count a question that has ended; what is to be kept of it."""
        job, turn = done.job, done.turn
        del self._under_way[job.task.key]
        self._first.begun = True
        self._purse.settle(job.granted, turn.cost or 0.0)
        self._longest = max(self._longest, turn.usage.output_tokens)
        if not done.sent and turn.stage == "interrupted":
            return None
        self._map.spent(turn)
        self._count.ended(turn)
        outcome = answered(turn, done.problem, self._plan.question.shape)
        self._put(job.task, outcome)
        self._look(done.problem, job.prepared.key, outcome)
        return Kept(job.prepared.key, turn, "" if turn.stage == "interrupted" else outcome.error)

    def _put(self, task: Task, outcome: Outcome) -> None:
        """Put what came of a question into its rows; but for the first they cost nothing."""
        equal = replace(outcome, reused=True, cost=0.0, saved=0.0)
        for place, number in enumerate(task.numbers):
            self._plan.outcomes[number] = equal if place else outcome
            self._count.add(equal if place else outcome)

    def _look(self, problem: BaseException | None, key: str, outcome: Outcome) -> None:
        """Where one row after the other fails alike, or the API wants to be left alone, ask no more."""
        api = problem if outcome.error and isinstance(problem, ApiProblem) else None
        said = "" if api is None else str(api.args[0])
        if said != self._alike[0] and not self._given_up:  # what it was given up for stays
            self._alike = (said, [])
        if api is None or said != self._alike[0]:
            return
        self._alike[1].append(key)
        asked = api.retry_after
        too_long = asked is not None and asked > self._map.means.patience.longest_wait
        if self._ended is None and self._todo and (too_long or len(self._alike[1]) >= ALIKE):
            self._ended, self._given_up = api, True

    def _show(self, *, now: bool = False) -> None:
        self._map.watch.update(self._count.tally(self._pace.width, self._pace.held))
        begun = time.monotonic()
        if not now and begun < self._due:
            return
        rows, shape = self._plan.rows, self._plan.question.shape
        self._frame = table_of(rows, self._plan.outcomes, None if shape is None else shape.fields)
        self._map.publish(self._frame)
        # A large table takes its time, and most of the time is for the asking.
        self._due = begun + max(EVERY, 10 * (time.monotonic() - begun))

    def _outcomes(self) -> tuple[Outcome, ...]:
        return tuple(outcome or Outcome(NOT_ASKED) for outcome in self._plan.outcomes)

    def _let_go(self) -> None:
        """After a stop: what is under way ends within a moment."""
        end = time.monotonic() + _LEAVING
        while self._under_way and time.monotonic() < end:
            self._take()


def told(problem: BaseException) -> BaseException:
    """A problem that ended a map early, as it is raised: what to do about the rows."""
    if isinstance(problem, ApiProblem):
        problem.advice = f"{problem.advice} No more rows were asked; run again, it asks only what is missing."
    return problem
