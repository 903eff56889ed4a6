"""From a cell's line and the settings to a question that is ready to be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.accounts import Accounts
from claude_magic.api import extra, models
from claude_magic.api.address import foreign_host, is_loopback
from claude_magic.api.budget import Limit
from claude_magic.api.capabilities import Wanted, refuse
from claude_magic.chats import Chats
from claude_magic.connection import Connection
from claude_magic.context import Spot, context_blocks
from claude_magic.display.frontend import running_cell
from claude_magic.errors import UsageProblem
from claude_magic.evaluation import prepare
from claude_magic.flags import Line, Verbatim, choice, number, whole_number
from claude_magic.intake import (
    attaching,
    most_rounds,
    options,
    patience,
    server_tools,
    shape,
    system_message,
    system_prompt,
)
from claude_magic.last_error import WHY, error_blocks
from claude_magic.lineup import Lineup
from claude_magic.places import Place
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.recorder import Recorder
from claude_magic.settings import CACHE, Settings
from claude_magic.values import Block


class Tell(Protocol):
    """Says a line to the user, unless it, or another about the same, was said before."""

    def __call__(self, note: str, about: str = "") -> None:
        """Say it."""


class Preparing:
    """Makes questions of cells, and knows the models they may be put to.

    Parameters
    ----------
    shell : InteractiveShell
        Whose names are meant.
    recorder : Recorder
        Keeps what cells have displayed.
    connection : Connection
        Who is asked.
    accounts : Accounts
        What was spent.
    chats, entered : callable
        The conversations; those of the notebook that the running cell stands in.
    tell : Tell
        Speaks to the user.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        recorder: Recorder,
        connection: Connection,
        accounts: Accounts,
        chats: Callable[[Settings], Chats],
        entered: Callable[[Settings], Chats],
        tell: Tell,
    ) -> None:
        self._shell = shell
        self._recorder = recorder
        self._connection = connection
        self._accounts = accounts
        self._chats = chats
        self._entered = entered
        self._tell = tell
        self._models: Lineup | None = None

    def forget_models(self) -> None:
        """Another API is asked from now on, or another store holds its list."""
        self._models = None

    def prepared(
        self, line: Line, prompt: str, settings: Settings, tools: tuple[bytes, ...] = ()
    ) -> Prepared:
        """Evaluate and encode what a cell asks, with the tools it offers; raises before anything is sent."""
        return prepare(self.question(line, prompt, settings, tools))

    def question(
        self, line: Line, prompt: str, settings: Settings, tools: tuple[bytes, ...] = ()
    ) -> Question:
        """What a cell asks, by its flags and the settings; nothing of the prompt is evaluated yet."""
        if line.has("continue") and (line.has("new") or line.has("no_history")):
            raise UsageProblem("--continue goes on in the conversation: not with --new or --no-history.")
        if line.has("chat") and (line.has("new") or line.has("no_history")):
            other = "--new begins another" if line.has("new") else "--no-history asks outside of any"
            raise UsageProblem(
                f"--chat speaks in a conversation, {other}: give one of them. Nothing was sent."
            )
        names = line.names(self._shell.user_ns)
        name = line.one("model") or settings.model
        model = self._model(name, settings, ask=not line.has("dry_run"))
        cache = choice(line.one("cache", settings.cache), "--cache", CACHE)
        wanted = shape(line, names)
        further = extra.merged((settings.extra, line.one("extra")))
        client = None if line.has("dry_run") else self._connection.client(settings)
        return Question(
            prompt=prompt if prompt.strip() or not line.has("error") else WHY,
            go_on=line.has("continue"),
            model=model,
            namespace=names,
            verbatim=isinstance(prompt, Verbatim),
            system=system_prompt(line, settings, names),
            max_tokens=self._max_tokens(line.one("max_tokens"), settings, model),
            stop_sequences=line.all("stop"),
            attach=line.all("attach"),
            how=attaching(line, settings, model),
            urls=line.has("urls") or settings.urls,
            upload_above=settings.upload_above,
            host="" if client is None else client.base_url.host,
            provider=self._connection.provider(settings),
            cache=cache,
            goes_on=not line.has("no_history"),
            density=self._accounts.density(model),
            limits=self.limits(line, settings),
            extra=further,
            options=options(line, settings, model, extra.parameters(further), wanted),
            shape=wanted,
            system_message=system_message(line, names),
            tools=tools + server_tools(line, model, "" if client is None else foreign_host(client)),
            most_rounds=most_rounds(line, settings),
        )

    def several(self, line: Line, settings: Settings) -> tuple[str, ...]:
        """The models that a line names, as it names them: each once, whatever its names."""
        if len(line.all("model")) < 2:
            return line.all("model")
        found: dict[str, str] = {}
        for name in line.all("model"):
            found.setdefault(self._model(name, settings, ask=True).id, name)
        return tuple(found.values())

    def placed(self, prepared: Prepared, place: Place | None, line: Line, settings: Settings) -> Prepared:
        """The question where it is asked, with what it takes along: the cells above it, the last error."""
        prepared = prepared.at(place.history) if place is not None else prepared
        around: tuple[Block, ...] = ()
        if line.has("context"):
            window = prepared.question.model.window
            room = window, window - prepared.estimated_tokens()
            here = partial(running_cell, self._shell)
            self._recorder.follow(here)
            spot = Spot(self._entered(settings).path, here()[0], prepared.history)
            asked, how = line.one("context"), prepared.question.how
            around = context_blocks(self._shell, self._recorder, spot, asked, room, how)
        if line.has("error"):
            around += error_blocks(self._shell)
        return replace(prepared, blocks=(*around, *prepared.blocks)) if around else prepared

    def _model(self, name: str, settings: Settings, *, ask: bool) -> models.Model:
        """The model a name means; that it is on its way out is said once."""
        lineup = self.lineup(settings)
        model = lineup.asked(name)
        if model is None:
            model = self.looked_up(name, settings) if ask else models.unlisted(name)
        if note := lineup.farewell(model):
            self._tell(note, about=model.id)
        return model

    def looked_up(self, name: str, settings: Settings) -> models.Model:
        """A model that the catalogue lacks, as the API knows it."""
        return self.lineup(settings).look_up(name, self._connection.client(settings), patience(settings))

    def lineup(self, settings: Settings) -> Lineup:
        """The models of the API that is asked."""
        provider = self._connection.provider(settings)
        if self._models is None:
            where = self._connection.place
            self._models = Lineup(self._chats(settings).store, where, provider=provider)
        return self._models

    def _max_tokens(self, flag: str, settings: Settings, model: models.Model) -> int:
        """The most tokens of an answer: too many on the cell are refused, too many by setting lowered."""
        if flag:
            asked = whole_number(flag, "--max-tokens")
            refuse(model, Wanted(max_tokens=asked), self.lineup(settings).catalogue.models)
            return asked
        if settings.max_tokens > model.max_output:
            most = f"{model.max_output:,} tokens"
            self._tell(f"{model.id} answers with at most {most}: max_tokens is lowered to that.")
        return min(settings.max_tokens, model.max_output)

    def limits(self, line: Line, settings: Settings) -> tuple[Limit, ...]:
        """What the question may cost: by its flag, its notebook's budget of the day, the kernel's."""
        max_cost = number(line.one("max_cost"), "--max-cost") if line.has("max_cost") else settings.max_cost
        if not (max_cost or settings.budget or settings.session_budget):
            return ()
        demo = self._accounts.demo
        if demo is None:
            demo = is_loopback(self._connection.client(settings).base_url)
        chats, accounts = self._entered(settings), self._accounts
        today = chats.spent_today(demo=demo) + chats.under_way(demo=demo) if settings.budget else 0.0
        kernel = chats.under_way(accounts.began, demo=demo) if settings.session_budget else 0.0
        return accounts.limits(max_cost, settings, today, kernel, demo=demo)
