"""``%claude_panel``: what ties the panel's widgets to the settings, the conversations and the running reply.

A choice in the page is heard in another thread while a cell runs. It goes through the settings, whose
traits tell the panel, as they do when a magic has changed them. A conversation is changed between
questions only: while one runs, the change waits for its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.accounts import Accounts
from claude_magic.api.models import EFFORTS, LINES, Model, saved_by_cache
from claude_magic.chats import Chats
from claude_magic.conversation.notebook import Notebook
from claude_magic.conversation.usage import Sum, total
from claude_magic.display.panel import Choice, Facts, Gauge, PanelView
from claude_magic.display.status import money
from claude_magic.display.table import Table
from claude_magic.errors import ClaudeMagicError
from claude_magic.lineup import Lineup
from claude_magic.models_table import tokens, usd
from claude_magic.settings import CACHE, Settings
from claude_magic.stop import Asking
from claude_magic.values import Usage

SOURCE = "%claude_panel"
_HERE = ("127.0.0.1", "localhost", "[::1]")
_CACHE = {"5m": "5 minutes", "1h": "1 hour", "off": "off"}


@dataclass(frozen=True, slots=True)
class Reach:
    """What the panel reads of a session, from whichever thread is at work.

    Parameters
    ----------
    chats : callable
        The conversations of the notebook.
    lineup : callable
        The models.
    """

    chats: Callable[[], Chats]
    lineup: Callable[[], Lineup]
    accounts: Accounts


class Panel:
    """The panel of one kernel; its widgets are made when it is first shown.

    Parameters
    ----------
    shell : InteractiveShell
        Where it is shown.
    settings : Settings
        What it shows and sets.
    reach : Reach
        What else it shows.
    asking : Asking
        What it stops.
    """

    def __init__(self, shell: InteractiveShell, settings: Settings, reach: Reach, asking: Asking) -> None:
        self._shell = shell
        self._settings = settings
        self._reach = reach
        self._asking = asking
        self._notebook: Notebook | None = None
        self._view: PanelView | None = None
        self._lock = threading.RLock()
        self._later: Callable[[], object] | None = None
        self._seen: tuple[object, ...] = ()

    def show(self, kind: str) -> Table | None:
        """Show it below the running cell; shown again, both places are the same panel.

        Parameters
        ----------
        kind : str
            What kind of view the front end takes; for all but ``widget`` the facts are returned.
        """
        self._notebook = self._reach.chats().notebook
        facts = self._facts()
        if kind != "widget":
            return facts.table()
        if self._view is None:
            self._view = PanelView(facts, self)
            self._settings.observe(self._changed, names=self._names())
            self._asking.watchers = (*self._asking.watchers, self._asked)
            self._shell.events.register("post_run_cell", self._after_cell)
        self._view.publish(self._shell, facts)
        self.refresh()
        return None

    def close(self) -> None:
        """Leave its facts as text in its place, and let go of everything."""
        view, self._view = self._view, None
        if view is None:
            return
        self._settings.unobserve(self._changed, names=self._names())
        self._asking.watchers = tuple(one for one in self._asking.watchers if one != self._asked)
        self._shell.events.unregister("post_run_cell", self._after_cell)
        try:
            facts: Facts | None = self._facts()
        except ClaudeMagicError:  # what it was about cannot be read any more
            facts = None
        view.close(self._shell, facts)

    def choose(self, name: str, text: str) -> str:
        """Set a setting as ``%claude_config`` does."""
        if name == "budget":
            text = text.strip().removeprefix("$") or "0"
        return self._tried(lambda: self._settings.assign([(name, text)], SOURCE))

    def switch(self, chat: str) -> str:
        """Speak in another conversation, once no question is under way."""
        return self._tried(lambda: self._when_free(lambda: self._chats().switch(chat)))

    def begin(self, chat: str) -> str:
        """Begin a conversation, once no question is under way."""
        return self._tried(lambda: self._when_free(lambda: self._chats().begin_new(chat)))

    def stop(self) -> None:
        """End the running reply; it is kept as far as it has come."""
        self._asking.stop()

    def refresh(self, *, changed_only: bool = False) -> None:
        """Show how things stand now; a panel that cannot says so, and harms nothing else."""
        try:
            with self._lock:
                state = self._state()
                if self._view is not None and not (changed_only and state == self._seen):
                    self._seen = state
                    self._view.show(self._facts())
        except Exception as error:  # noqa: BLE001 - a question must not fail for what the panel shows
            self._say(f"The panel could not be brought up to date ({type(error).__name__}).")

    def _tried(self, act: Callable[[], str | None]) -> str:
        """Do what was chosen, then show what holds; return the line for the user."""
        try:
            line = act() or ""
        except ClaudeMagicError as error:
            line = str(error)
        except Exception as error:  # noqa: BLE001 - in the page there is no place for a traceback
            line = f"This could not be done ({type(error).__name__})."
        self.refresh()
        return line

    def _when_free(self, act: Callable[[], object]) -> str:
        with self._asking.between() as free:
            if free:
                self._later = None
                act()
                return ""
            self._later = act
            return "A question is under way: the conversation changes when it has ended."

    def _asked(self, running: bool) -> None:
        """A reply has begun, or a question has ended."""
        if self._view is not None:
            self._view.running(on=running)
        if running:
            return
        later, self._later = self._later, None
        if later is not None:
            self._say(self._tried(lambda: self._when_free(later)))
        else:
            self.refresh()

    def _after_cell(self, _: object = None) -> None:
        """Follow what a magic has changed; it may be called while a cell still runs."""
        self.refresh(changed_only=True)

    def _changed(self, _: object) -> None:
        self.refresh()

    def _say(self, line: str) -> None:
        if self._view is not None:
            self._view.say(line)

    def _state(self) -> tuple[object, ...]:
        """What tells cheaply that something has changed: conversations and catalogues are immutable."""
        chats = self._chats()
        return (chats.current, chats.key, self._demo(), self._reach.lineup().catalogue)

    def _chats(self) -> Chats:
        """The conversations of the notebook; a store that was opened since has to be told which it is."""
        chats = self._reach.chats()
        if not chats.key and self._notebook is not None:
            chats.enter(self._notebook)
        return chats

    def _demo(self) -> bool:
        """Whether the demo model answers: as it said itself, or because this machine is asked."""
        said = self._reach.accounts.demo
        host = self._reach.lineup().place.rpartition(":")[0]
        return host in _HERE if said is None else said

    def _names(self) -> list[str]:
        return ["model", "effort", "system", "cache", "budget", "store"]

    def _facts(self) -> Facts:
        settings, lineup, chats = self._settings, self._reach.lineup(), self._chats()
        model = lineup.find(settings.model)
        texts = {
            "model": settings.model,
            "effort": settings.effort,
            "system": settings.system,
            "cache": settings.cache,
            "budget": f"{settings.budget:g}" if settings.budget else "",
        }
        choices = {
            "model": _models(lineup),
            "cache": tuple(Choice(_CACHE[one], one) for one in CACHE),
            "effort": tuple(Choice(one or "the model's own", one) for one in ("", *EFFORTS)),
        }
        current = chats.current
        named = {one.name: Choice(f"{one.name} · {_turns(one.turns)}", one.name) for one in chats.summaries()}
        named.setdefault(current.name, Choice(f"{current.name} · {_turns(len(current.turns))}", current.name))
        return Facts(
            texts, choices, _about(model), current.name, tuple(named.values()), self._gauges(chats, model)
        )

    def _gauges(self, chats: Chats, model: Model | None) -> tuple[Gauge, ...]:
        demo, current = self._demo(), chats.current
        rows = [
            row for row in chats.store.spent(saved_by_cache, chats.key) if row.conversation_id == current.id
        ]
        spent = chats.spent_today(demo=demo) + self._reach.accounts.apart(demo=demo)
        return (
            _spent(spent, self._settings.budget, demo=demo),
            _context(current.turns[-1].answer.usage if current.turns else Usage(), model),
            _used(total(rows), total(rows, demo=True)),
        )


def _models(lineup: Lineup) -> tuple[Choice, ...]:
    """The models that answer, newest first within a line; the first of a line goes by its short name."""
    shown = [one for one in lineup.catalogue.models if not (one.dated or one.lifecycle == "retired")]
    choices = []
    for line in dict.fromkeys((*LINES, *(one.line for one in shown))):
        newest = lineup.catalogue.find(line) if line else None
        for model in (one for one in shown if one.line == line):
            short = newest is not None and newest.id == model.id
            choices.append(Choice(f"{line} · {model.id}", line) if short else Choice(model.id, model.id))
    return tuple(choices)


def _about(model: Model | None) -> str:
    """The price and the context window of a model, in a few words."""
    if model is None:
        return "not known here; asked for with the next question"
    window = f"{tokens(model.window)} context" if model.limits_known else "context not known"
    if model.prices is None:
        return f"no published price · {window}"
    return f"{usd(model.prices.input)} in, {usd(model.prices.output)} out per million · {window}"


def _turns(count: int) -> str:
    return f"{count} turn{'' if count == 1 else 's'}"


def _spent(spent: float, budget: float, *, demo: bool) -> Gauge:
    limit = f"{money(spent)} of {money(budget)}" if budget else f"{money(spent)}, no limit"
    words = (f"{limit} (demo, at list price)",) if demo else (limit,)
    return Gauge("Spent today", words, (spent / budget,) if budget else ())


def _context(usage: Usage, model: Model | None) -> Gauge:
    taken = usage.prompt_tokens + usage.output_tokens
    if model is None or not model.limits_known:
        return Gauge("Context", (f"{taken:,} tokens",), ())
    share = taken / model.window
    percent = "<1" if 0 < share < 0.01 else f"{100 * share:.0f}"
    return Gauge("Context", (f"{percent} % of {tokens(model.window)} tokens",), (share,))


def _used(paid: Sum, demo: Sum) -> Gauge:
    """The tokens of a conversation and their cost, answers that were replaced included."""
    inputs, cached, output = (
        getattr(paid, name) + getattr(demo, name) for name in ("prompt_tokens", "cache_read", "output_tokens")
    )
    inputs -= cached
    whole = inputs + cached + output
    cost = [money(paid.cost)] if paid.turns or not demo.turns else []
    cost += [f"{money(demo.demo_cost)} (demo)"] if demo.turns else []
    words = (f"{inputs:,} input", f"{cached:,} cached", f"{output:,} output", *cost)
    parts = tuple(part / whole for part in (inputs, cached, output)) if whole else (0.0, 0.0, 0.0)
    return Gauge("Tokens", words, parts)
