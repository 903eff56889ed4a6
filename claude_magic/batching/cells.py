"""The batches of one kernel: a map sent as batches, and what ``%claude_batches`` does with them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from claude_magic import batching
from claude_magic.api import batches as api
from claude_magic.api.spool import Most, Spool
from claude_magic.around import Around
from claude_magic.batching import BatchMeans, lines
from claude_magic.chats import Chats
from claude_magic.conversation.batch_values import FETCHED, GONE, SENDING, Run, Sent
from claude_magic.display.bar import bar_of
from claude_magic.display.frontend import running_cell
from claude_magic.display.table import Table
from claude_magic.errors import ApiProblem, ClaudeMagicError, ConfigProblem, Interrupted, UsageProblem
from claude_magic.flags import Line, variable
from claude_magic.intake import patience, store_path
from claude_magic.mapping import alike, refuse_under_way
from claude_magic.mapping.cells import Maps
from claude_magic.question import Question
from claude_magic.rows import Rows
from claude_magic.settings import Settings
from claude_magic.stop import Stop, Stopped

SOONEST, LATEST = 0.2, 30.0
"""Seconds between two questions of how far a batch is, at first and at last."""


class Batches:
    """Sends, lists and fetches batches.

    Parameters
    ----------
    around : Around
        What is around the questions.
    maps : Maps
        Makes the questions of rows.
    """

    def __init__(self, around: Around, maps: Maps) -> None:
        self._around = around
        self._maps = maps
        self._last: tuple[int, Rows] | None = None
        self.most = Most()
        """What one batch may hold."""

    def send(
        self,
        line: Line,
        template: str,
        over: object,
        settings: Settings,
    ) -> Rows | None:
        """Send a map as batches, split where one would be too large.

        Returns
        -------
        Rows or None
            Where each row has an answer or a failure already, or none can be asked, the rows: the map itself
            tells of them. None where they were sent.

        Raises
        ------
        ClaudeMagicError
            One line. What was sent before it is in the store.
        """
        into, line = variable(line.one("into")), self._around.preset(line, settings)
        chats, quiet = self._around.chats(settings), line.has("quiet")
        line, question, rows = self._maps.asked(line, template, over, settings)
        api.refuse_batches(question.provider)
        batching.give_up_ended_demos(chats.store.batches)
        with self._means(settings, chats, quiet=quiet) as means:
            run = self._run(question, into, means, chats)
            try:
                known, retry = chats.store.asked.found, line.has("retry_failed")
                spooled = batching.spool_rows(
                    question, rows, run, means, known, again=line.has("again"), retry_failed=retry
                )
            except (Stopped, KeyboardInterrupt):
                raise _stopped(means.stop, "stopped before anything was sent") from None
            try:
                if not spooled.asked:
                    batching.discard(spooled, means)
                    refuse_under_way(spooled.underway, means.shelf.batches())
                    return rows
                costs, longest = (spooled.most_cost, spooled.input_cost), (question.model.id, question.most)
                batching.check_limits(spooled.asked, *costs, longest, question.limits)
                self._around.allow_secrets(settings, spooled.secrets)
                if spooled.asked == 1 and not quiet and (told_alike := alike(question, len(rows))):
                    self._say(settings, [], told_alike)
            except BaseException:
                batching.discard(spooled, means)
                raise
            sent = batching.submit(spooled.parts, means)
        self._last = sent[0].run.key, rows
        if not quiet:
            told = lines.sent_line(spooled, question, len(sent), into)
            self._say(settings, [one.id for one in sent], *told)
        self._around.say_notes(settings)
        return None

    def shown(self, line: Line, settings: Settings) -> Table | None:
        """Do what ``%claude_batches`` says.

        Raises
        ------
        ClaudeMagicError
            One line.
        """
        told = self._done(line, settings)
        self._around.say_notes(settings)
        return told

    def _done(self, line: Line, settings: Settings) -> Table | None:
        if line.rest:
            raise UsageProblem(f"%claude_batches takes flags only, not {line.rest!r}: --fetch ID?")
        into = variable(line.one("into"))
        given = [name for name in ("fetch", "cancel", "resend") if line.has(name)]
        if len(given) > 1:
            raise UsageProblem("%claude_batches takes one of --fetch, --cancel and --resend.")
        chats = self._around.chats(settings)
        store = chats.store.batches
        batching.give_up_ended_demos(store)
        listed = store.batches(None if line.has("all") else chats.key)
        if not given and not line.has("wait"):
            return self._listed(line, listed, settings, chats)
        name = line.one(given[0]) if given else "last"
        one = batching.chosen(listed, store.batches(), name)
        with self._means(settings, chats) as means:
            if line.has("cancel"):
                self._cancel(one, means)
            elif line.has("resend"):
                self._resend(one, line, settings, means)
            else:
                self._fetch(one, into, means, settings, wait=line.has("wait"))
        return None

    @contextlib.contextmanager
    def _means(self, settings: Settings, chats: Chats, *, quiet: bool = False) -> Iterator[BatchMeans]:
        path = store_path(settings.store)
        if path is None:
            raise UsageProblem(
                'Batches need a store on disk, so that they are found again: %claude_config store="" . '
                "Nothing was sent."
            )
        bar = bar_of("none" if quiet or settings.quiet else self._around.views.kind(settings.view))
        with self._around.asking.reply() as stop:
            means = BatchMeans(
                self._around.connection.client(settings),
                self._around.connection.files(settings),
                chats.store.batches,
                Spool(_spool_folder(path), self.most),
                stop,
                patience(settings),
                bar,
                partial(self._around.accounts.add, kept=True),
            )
            try:
                yield means
            except Interrupted:
                raise
            except (Stopped, KeyboardInterrupt):
                told = "stopped; what was sent goes on at the API, what was fetched is kept: %claude_batches"
                raise _stopped(stop, told) from None
            finally:
                bar.close()

    def _watched(self, settings: Settings) -> bool:
        return not settings.quiet and self._around.views.kind(settings.view) in ("widget", "text")

    def _run(self, question: Question, into: str, means: BatchMeans, chats: Chats) -> Run:
        options, shape = question.options, question.shape
        how = {
            "thinking": options.thinking,
            "data": options.data,
            "begins": options.prefill,
            "fields": None if shape is None else dict(shape.fields),
        }
        cell, _ = running_cell(self._around.shell)
        return Run(
            0,
            time.time(),
            chats.key,
            chats.home(),
            cell,
            means.host,
            question.model.id,
            question.prompt,
            into,
            how,
        )

    def _say(self, settings: Settings, ids: Sequence[str], done: str, *rest: str) -> None:
        """Say a line; the ids, other at each run, are in it only where somebody watches."""
        if settings.quiet:
            return
        named = f" ({', '.join(ids)})" if self._watched(settings) else ""
        shown = " · ".join((f"{done}{named}", *rest))
        self._around.shell.display_pub.publish(
            {"text/plain": shown}, metadata={"claude_magic": {"batches": list(ids)}}
        )

    def _listed(self, line: Line, listed: Sequence[Sent], settings: Settings, chats: Chats) -> Table:
        notes: list[str] = []
        every = line.has("all")
        if any(one.status not in (FETCHED, GONE) and (one.id or one.status == SENDING) for one in listed):
            try:
                with self._means(settings, chats) as means:
                    open_ = (one for one in listed if one.status not in (FETCHED, GONE))
                    notes += filter(None, [batching.refresh(one, means) for one in open_])
            except (ConfigProblem, ApiProblem) as problem:
                notes.append(f"As of the last time: {problem}")
            listed = chats.store.batches.batches(None if every else chats.key)
        return batching.batches_table(listed, every=every, notes=notes, volatile=self._watched(settings))

    def _cancel(self, one: Sent, means: BatchMeans) -> None:
        note = batching.refresh(one, means)
        one = _again(one, means)
        if batching.ended_with_its_kernel(one, means.host):
            batching.drop(one, means)
            print("It was the offline demo's, which ended with its kernel; it is listed no more.")  # noqa: T201 - the magic's own answer
            return
        if not one.id:
            batching.drop(one, means)
            perhaps = f"It was perhaps sent to {one.run.host}; it is listed no more."
            print(perhaps if one.status == SENDING else "It had not been sent; now it will not be.")  # noqa: T201 - the magic's own answer
            return
        if note:
            raise UsageProblem(note)
        if one.status in ("ended", FETCHED):
            raise UsageProblem("It has ended already; --fetch brings its answers.")
        told = means.retried(lambda: api.cancel(means.client, one.id))
        means.shelf.arrived(one.key, one.id, told.status, told.counts, told.expires, demo=told.demo)
        print(  # noqa: T201 - the magic's own answer
            "No further row of it is answered. What was answered until then is charged, and fetched as ever."
        )

    def _resend(self, one: Sent, line: Line, settings: Settings, means: BatchMeans) -> None:
        note = batching.refresh(one, means)
        one = _again(one, means)
        if note and (one.status != GONE or one.run.host != means.host):
            raise UsageProblem(f"{note} Nothing was sent.")
        if one.status == "ended":
            batching.fetch(one, means)
            one = _again(one, means)
        if one.id and one.status not in (FETCHED, GONE):
            raise UsageProblem(f"{lines.not_yet([one])} Nothing was sent.")
        sent = batching.resend(one, self._around.preparing.limits(line, settings), means)
        count = sum(each.total for each in sent)
        done = f"{count:,} question{'' if count == 1 else 's'} sent again"
        self._say(
            settings, [each.id for each in sent], done, "%claude_batches --fetch last brings the answers"
        )

    def _fetch(self, one: Sent, into: str, means: BatchMeans, settings: Settings, *, wait: bool) -> None:
        parts = [each for each in means.shelf.batches() if each.run.key == one.run.key]
        if wait:
            parts = self._wait(parts, means)
        notes = []
        for part in parts:
            if note := batching.refresh(part, means):
                notes.append(note)
                continue
            now = _again(part, means)
            if now.status == "ended":
                batching.fetch(now, means)
        parts = [_again(part, means) for part in parts]
        open_ = [part for part in parts if part.status not in (FETCHED, GONE)]
        if not any(part.status == FETCHED for part in parts):
            raise UsageProblem(notes[0] if notes else lines.not_yet(open_))
        target = into or one.run.target
        fields = one.run.how.get("fields")
        told = means.shelf.told(one.run.key)
        self._around.shell.user_ns[target] = batching.run_table(
            told, fields if isinstance(fields, dict) else None, self._rows(one)
        )
        if not settings.quiet:
            if open_:
                notes.append(lines.not_yet(open_))
            for text in (lines.fetched_line(parts, target), *notes):
                print(text)  # noqa: T201 - the magic's own answer

    def _rows(self, one: Sent) -> Rows | None:
        """The rows of a batch, where this kernel has sent them last."""
        return self._last[1] if self._last is not None and self._last[0] == one.run.key else None

    def _wait(self, parts: list[Sent], means: BatchMeans) -> list[Sent]:
        """Wait until all of them have ended, or something is wrong with one; return them as they are then."""
        pause, total = SOONEST, sum(part.total for part in parts)
        while True:
            for part in parts:
                if part.status in (FETCHED, GONE, "ended"):
                    continue
                if note := batching.refresh(part, means):
                    raise UsageProblem(note)
            parts = [_again(part, means) for part in parts]
            open_ = [part for part in parts if part.status in ("in_progress", "canceling", SENDING)]
            done = total - sum(part.total for part in open_)
            means.progress.show(done, total, state=open_[0].status.replace("_", " ") if open_ else "ended")
            if not open_:
                return parts
            means.stop.sleep(pause)
            if means.stop.asked:
                raise Stopped
            pause = min(pause * 1.3, LATEST)


def _again(one: Sent, means: BatchMeans) -> Sent:
    """The batch as the store knows it now."""
    return means.shelf.batch(one.key) or one


def _stopped(stop: Stop, line: str) -> Interrupted | ClaudeMagicError:
    return Interrupted(line) if stop.interrupted else UsageProblem(f"S{line[1:]}.")


def _spool_folder(store: Path) -> Path:
    return store.parent / f"{store.stem}-batches"
