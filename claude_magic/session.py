"""What one kernel's conversation needs: the client, the views, what was said so far.

It hangs on the one ``ClaudeMagics`` of the shell and is made at the first question, because the SDK's
import costs about a second.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import cast

from IPython.core.interactiveshell import InteractiveShell

from claude_magic import compact, notices
from claude_magic.accounts import Accounts
from claude_magic.api import models
from claude_magic.api.client import Endpoint
from claude_magic.around import Around
from claude_magic.batching.cells import Batches
from claude_magic.chats import Chats
from claude_magic.code_cells import offer
from claude_magic.comparing import prompts
from claude_magic.comparing.cells import Comparing
from claude_magic.comparing.comparison import Comparison
from claude_magic.connection import Connection
from claude_magic.consent import Consent
from claude_magic.conversation.notebook import Notebook, identify
from claude_magic.conversation.store import Store
from claude_magic.desk import Desk
from claude_magic.display.frontend import Guarded, Views, front_end, running_cell
from claude_magic.display.status import ended_how
from claude_magic.display.table import Table
from claude_magic.display.untrusted import visible
from claude_magic.errors import ConfigProblem, UsageProblem
from claude_magic.exchange import Means, NotKept, ask, show_again
from claude_magic.flags import Line, variable, whole_number
from claude_magic.intake import patience, refuse_compared, rerun, store_path
from claude_magic.lineup import today
from claude_magic.mapping.cells import Maps
from claude_magic.models_table import all_models, one_model
from claude_magic.panel import Panel, Reach
from claude_magic.places import Place
from claude_magic.prepared import Prepared
from claude_magic.preparing import Preparing
from claude_magic.presets import Presets
from claude_magic.preview_table import preview_table
from claude_magic.recorder import Recorder
from claude_magic.reply import Reply
from claude_magic.settings import Settings
from claude_magic.stop import Asking, Stop
from claude_magic.structured import result
from claude_magic.toolbox import Offered, Toolbox, definitions
from claude_magic.values import Turn


class Session:
    """The state behind ``%claude`` in one shell."""

    def __init__(self, shell: InteractiveShell, recorder: Recorder) -> None:
        self._shell = shell
        self._views = Views(shell)
        self._consent = Consent(shell)
        self._kept: Chats | None = None
        self._kept_at = ""
        self._id = uuid.uuid4().hex
        self._accounts = Accounts()
        self._told: set[str] = set()
        self._connection = Connection(self._consent, self._tell_once, self._moved)
        self.tools = Toolbox(shell.user_ns)
        """What the model may call."""
        self._preparing = Preparing(
            shell, recorder, self._connection, self._accounts, self._chats, self._entered, self._tell_once
        )
        self.asking = Asking()
        self._around = Around(
            shell,
            self._views,
            self.asking,
            self._preparing,
            self._connection,
            self._accounts,
            self._entered,
            self._place,
            self._preset,
            self._allow_secrets,
            self._say_notes,
            self._tell_once,
        )
        self._comparing = Comparing(self._around)
        self.maps = Maps(self._around)
        self.batches = Batches(self._around, self.maps)
        self._panel: Panel | None = None

    def ask(self, line: Line, prompt: str, settings: Settings) -> Reply | Comparison:
        """Ask what a cell asks, keep the turn, then raise what ended it early.

        Raises
        ------
        ClaudeMagicError
            One line for the user. The turn, with what was received, has been kept before.
        KeyboardInterrupt
            The notebook's interrupt: queued cells must not go on.
        """
        line = self._preset(line, settings)
        if len(names := self._preparing.several(line, settings)) > 1:
            if self.tools.offered():
                self._tell_once("Several models at once are not offered the tools of %claude_tools.")
            return self._comparing.ask(line, prompt, settings, names)
        if line.has("pick"):
            raise UsageProblem(
                "--pick chooses among several models: give -m twice or more. Nothing was sent."
            )
        into = variable(line.one("into"))
        prepared, place, offered = self._made_ready(line, prompt, settings)
        self._allow_secrets(settings, prepared.secrets())
        key = prepared.key
        reused = self._chats(settings).reused(key) if line.has("reuse") or settings.reuse else None
        if reused is None:
            prepared.request(None)  # what is to be refused is refused before anything is begun
        if place is not None:
            conversation = self._chats(settings).take(place)
            prepared = prepared.at(place.history, place.cell, conversation)
        quiet = line.has("quiet") or settings.quiet
        with self.asking.reply() as stop:
            view = self._views.make("none" if quiet else settings.view, stop)
            if reused is not None:
                turn, problem = show_again(prepared, reused, view), None
            else:
                journal = None if place is None else self._chats(settings)
                turn, problem = self._answered(prepared, journal, view, stop, settings, offered)
            if place is not None:
                self._chats(settings).keep(turn, place.rerun, key)
                self._say_notes(settings)
            self._warn(prepared, turn)
            typed = prepared.question.shape
            data, problem = result(typed, turn, problem, ended_how(turn))
            reply = self._handed_over(turn, view, quiet=quiet, data=data)
            if into and (problem is None if typed else reply.text or turn.stage == "complete"):
                self._shell.user_ns[into] = data if typed else reply.text
            if line.has("code") and problem is None and not stop.interrupted:
                offer(turn, self._shell)
        notices.raise_problem(stop, turn, problem, reply)
        return reply

    def answer(self, line: Line, prompt: str, settings: Settings) -> Reply:
        """Ask what a program asks, as `ask` does; the notebook stays in the conversation it is in."""
        with ExitStack() as stack:
            with self.asking.between() as free:
                if not (free or line.has("no_history")):
                    raise UsageProblem(
                        "Another thread is asking: chat= speaks in a conversation once that has ended. "
                        "Nothing was sent."
                    )
                stack.enter_context(self.asking.question())
            if not line.has("no_history"):
                chats = self._entered(settings)
                stack.callback(chats.return_to, chats.current)
            return cast("Reply", self.ask(line, prompt, settings))  # of one model

    def compare(self, line: Line, settings: Settings) -> None:
        """Put a set of prompts to several models, or take an answer of the last comparison."""
        if line.has("pick"):
            self._comparing.pick(line.one("pick"), settings)
        else:
            prompts.compare(line, settings, self._around)

    def compact(self, line: Line, settings: Settings) -> None:
        """Have the older turns of the current conversation summarised, and go on from the summary.

        Only a whole answer takes their place; whatever else ends it leaves the conversation as it is.

        Raises
        ------
        ClaudeMagicError, KeyboardInterrupt
            As `ask` does.
        """
        keep = whole_number(line.one("keep", str(compact.KEEP)), "--keep", least=0)
        chats = self._entered(settings)
        chats.without_cells(running_cell(self._shell)[1])
        older = compact.older(chats.refresh(), keep)
        prepared = older.question(self._preparing.prepared(line, compact.prompt(line.rest), settings))
        self._allow_secrets(settings, prepared.secrets())
        prepared.request(None)
        with self.asking.reply() as stop:
            view = self._views.make(settings.view, stop)
            turn, problem = self._answered(prepared, chats, view, stop, settings)
            self._handed_over(turn, view)
            if why := compact.failed(turn):
                compact.set_aside(chats, turn, prepared)
                self._warn(prepared, turn)
                sys.stderr.write(f"Nothing was compacted, {older.conversation.name!r} is as it was: {why}.\n")
            else:
                sys.stdout.write(f"{compact.put(chats, older, turn, prepared)}\n")
                self._told.discard(notices.about_context(turn))
            self._say_notes(settings)
        notices.raise_problem(stop, turn, problem)

    def _answered(
        self,
        prepared: Prepared,
        chats: Chats | None,
        view: Guarded,
        stop: Stop,
        settings: Settings,
        offered: Sequence[Offered] = (),
    ) -> tuple[Turn, BaseException | None]:
        """Ask, and count what it cost; without ``chats`` nothing is kept."""
        client = self._connection.client(settings)
        means = Means(
            client,
            self._connection.files(settings),
            view,
            NotKept() if chats is None else chats,
            stop,
            patience(settings),
            self.tools.runner(offered, prepared.question.how, partial(self._allow_secrets, settings)),
        )
        turn, problem = ask(prepared, means)
        self._accounts.add(turn, kept=chats is not None)
        return turn, problem

    def _handed_over(self, turn: Turn, view: Guarded, *, quiet: bool = False, data: object = None) -> Reply:
        """The reply, put where the user finds it."""
        reply = Reply(turn, shown_in=0 if quiet else self._shell.execution_count, data=data)
        self._shell.user_ns["_claude"] = reply
        if view.problem:
            sys.stderr.write(f"{view.problem}\n")
        return reply

    def _warn(self, prepared: Prepared, turn: Turn) -> None:
        """Say what the user should know of this turn."""
        for about, note in notices.notes(prepared, turn):
            self._tell_once(note, about)

    def names(self, what: str, settings: Settings) -> Sequence[str]:
        """The names of ``models``, ``conversations``, ``presets`` or ``answers``; nothing is asked."""
        if what == "answers":
            return self._comparing.choices
        if what == "models":
            return self._preparing.lineup(settings).names
        if what == "presets":
            rows = (row[0].partition(" ") for row in self._presets(settings).rows())
            return [name for kind, _, name in rows if kind == "preset"]
        chats = self._chats(settings)
        how = "lab" if hasattr(self._shell, "kernel") else "terminal"  # the running message is no cell's
        here = identify(self._shell.user_ns, settings.jupyter_session, how, self._id)
        return [one.name for one in chats.store.conversations((chats.notebook or here).key)]

    def desk(self, settings: Settings) -> Desk:
        """The conversations of the notebook that the running cell stands in."""
        return Desk(self._shell, self._entered(settings))

    def panel(self, settings: Settings) -> Table | None:
        """Show the panel, or return its table; what it does later is done in other threads."""
        self._entered(settings)
        if self._panel is None:
            reach = Reach(
                lambda: self._chats(settings), lambda: self._preparing.lineup(settings), self._accounts
            )
            self._panel = Panel(self._shell, settings, reach, self.asking)
        return self._panel.show(self._views.kind(settings.view))

    def models_table(self, line: Line, settings: Settings) -> Table:
        """The models, or one of them whole; the API is asked only for ``--refresh`` and for unknown names."""
        lineup = self._preparing.lineup(settings)
        if line.has("refresh"):
            lineup.refresh(self._connection.client(settings), patience(settings))
        if not line.rest:
            return all_models(lineup.catalogue, today(), every=line.has("all"))
        try:
            model = lineup.find(line.rest) or self._preparing.looked_up(line.rest, settings)
        except ConfigProblem:  # without a credential too
            raise lineup.catalogue.unknown(line.rest) from None
        return one_model(model, lineup.catalogue, today())

    def preview(self, line: Line, prompt: str, settings: Settings) -> Table:
        """The request as it would be sent: nothing is sent, but for its counting when ``--count`` asks."""
        line = self._preset(line, settings)
        if len(line.all("model")) > 1:
            refuse_compared(line)
        prepared, _, _ = self._made_ready(line, prompt, settings)
        if not line.has("count"):
            return preview_table(prepared, None)
        return preview_table(prepared, lambda request: self._around.count(prepared, request, settings))

    def counted(self, line: Line, prompt: str, settings: Settings) -> tuple[int, float | None, str]:
        """The input tokens of a question as the API counts them, their cost in USD, the model's id."""
        prepared, _, _ = self._made_ready(self._preset(line, settings), prompt, settings)
        model = prepared.question.model
        tokens = self._around.count(prepared, prepared.request(None, limited=False), settings)
        return tokens, models.cost(model, prepared.expected(tokens)), model.id

    def _allow_secrets(self, settings: Settings, found: Sequence[str]) -> None:
        """Let what looks like a secret go out, if the user says so."""
        if not settings.allow_secrets:
            self._consent.to_secrets(found)

    def _made_ready(
        self, line: Line, prompt: str, settings: Settings
    ) -> tuple[Prepared, Place | None, tuple[Offered, ...]]:
        """What a cell asks, where, and what it lets the model call; nothing is sent or changed."""
        offered = self.tools.offered(line.one("tools"), line.given)
        if line.given is not None and line.has("quiet"):
            self.tools.must_ask_nobody(offered)
        prepared = self._preparing.prepared(line, prompt, settings, definitions(offered))
        place = self._place(line, settings)
        return self._preparing.placed(prepared, place, line, settings), place, offered

    def _place(self, line: Line, settings: Settings) -> Place | None:
        """Where a question is asked; None outside the conversation."""
        if line.has("no_history"):
            return None
        chats = self._entered(settings)
        cell, deleted = running_cell(self._shell)
        chats.without_cells(deleted)
        return chats.place(
            cell,
            self._shell.execution_count,
            name=line.one("chat"),
            new=line.has("new"),
            rerun=rerun(settings),
            go_on=line.has("continue"),
        )

    def _entered(self, settings: Settings) -> Chats:
        """The conversations of the notebook that the running cell stands in."""
        chats = self._chats(settings)
        chats.enter(self._notebook(settings))
        return chats

    def _notebook(self, settings: Settings) -> Notebook:
        return identify(self._shell.user_ns, settings.jupyter_session, front_end(self._shell), self._id)

    def _chats(self, settings: Settings) -> Chats:
        if self._kept is not None and self._kept_at != settings.store:
            self._kept.store.close()
            self._kept = None
            self._preparing.forget_models()
        if self._kept is None:
            self._kept = Chats(Store.open(store_path(settings.store)))
            self._kept_at = settings.store
        return self._kept

    def _say_notes(self, settings: Settings) -> None:
        """Say, once each, what the user should know of the store and the notebook."""
        for note in self._chats(settings).take_notes():
            sys.stderr.write(f"{note}\n")

    def go_offline(self, url: str, token: str) -> None:
        """Send requests to a local Messages API from now on."""
        self._connection.point_at(Endpoint(url, token))

    def go_online(self) -> None:
        """Send requests where the environment says."""
        self._connection.point_at(Endpoint())

    def put_in(self, cassette: str, *, paced: bool) -> str:
        """Record on a cassette, or answer from it, from now on; return its name. ``""`` for none."""
        opened = self._connection.put_in(cassette, paced=paced)
        return visible(opened.name) if opened is not None else ""

    def config_table(self, settings: Settings) -> Table:
        """Every setting, its value and its source; also where requests go and with what credential."""
        rows = [(one.name, str(one.value), one.source, one.help) for one in settings.listed()]
        further = (*self._connection.described(settings), *self._presets(settings).rows())
        return Table(("setting", "value", "from", "means"), (*rows, *further))

    def _preset(self, line: Line, settings: Settings) -> Line:
        return self._presets(settings).applied(line)

    def _presets(self, settings: Settings) -> Presets:
        return Presets(self._notebook(settings).path, self._tell_once)

    def close(self) -> None:
        """Close connections and views."""
        if self._panel is not None:
            self._panel.close()
        self.tools.close()
        self._views.close()
        self._connection.point_at(Endpoint())
        if self._kept is not None:
            self._kept.store.close()
            self._kept = None

    def _moved(self) -> None:
        """Another answers from now on: what is known of the one before does not hold."""
        self._accounts.demo = None
        self._preparing.forget_models()

    def _tell_once(self, note: str, about: str = "") -> None:
        """Say a line to the user, unless it, or another about the same, was said before."""
        if (about or note) not in self._told:
            self._told.add(about or note)
            sys.stderr.write(f"{visible(note)}\n")
