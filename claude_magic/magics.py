"""The doorman: parse the line, make one call, show the result."""

from __future__ import annotations

import contextlib
import re
import shlex
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from claude_magic import flags, offline
from claude_magic.batch_magics import BatchMagics
from claude_magic.cassette_magics import CassetteMagics
from claude_magic.chat_magics import ChatMagics
from claude_magic.compare_magics import CompareMagics
from claude_magic.completion import Completion
from claude_magic.errors import ConfigProblem, UsageProblem, at_the_door, missing
from claude_magic.map_magics import MapMagics
from claude_magic.recorder import Recorder
from claude_magic.settings import Settings
from claude_magic.tool_magics import ToolMagics

if TYPE_CHECKING:
    from claude_magic.comparing.comparison import Comparison
    from claude_magic.display.table import Table
    from claude_magic.reply import Reply
    from claude_magic.session import Session

# IPython takes `%claude why?` for a request for help on `why`; see keep_questions.
_QUESTION = re.compile(r"(\s*(?:[^%\n]*=\s*)?)%(claude|claude_count|claude_compact)[ \t]+(.*\?)\s*")

_ALONE = re.compile(r"%%claude(_count)?[ \t](.*\s)?--(continue|error)\b(.*[^?\s])?\s*")

_OTHERS = (ChatMagics, ToolMagics, MapMagics, BatchMagics, CompareMagics, CassetteMagics)


@magics_class
class ClaudeMagics(Settings, Magics):
    """Ask Claude from a cell. ``%config ClaudeMagics.model = "opus"`` sets a default."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        super().__init__(shell=shell, **kwargs)
        self._session: Session | None = None
        self._local: offline.LocalApi | None = None
        self._recorder = Recorder(shell)
        self._others = tuple(kind(shell, self._open, self) for kind in _OTHERS)
        for others in self._others:
            shell.register_magics(others)
        self._completion = Completion(shell, self, lambda what: self._open().names(what, self))
        self._completion.start()
        shell.input_transformers_cleanup.append(keep_questions)
        shell.events.register("post_run_cell", self._warm_up)

    @no_var_expand
    @line_cell_magic
    @flags.documented(flags.ASK)
    @at_the_door
    def claude(self, line: str, cell: str | None = None) -> Reply | Comparison | Table | None:
        r"""Ask Claude; the answer streams in below the cell.

        ::

            %%claude [flags]
            the prompt, as many lines as you like

            %claude [flags] the prompt on one line

        The prompt is sent as written; only {{ expression }} is replaced by its value in the kernel
        (\{{ is a literal {{). The conversation goes on from cell to cell. The last answer is in _claude:
        .text, .code, .data, .usage, .cost; %claude also returns it. Several models answer side by side,
        beside the conversation; _claude[1] or _claude["opus"] is one of the answers, --pick takes one in.

        Flags
        -----
          {flags}

        Examples
        --------
        ::

            %load_ext claude_magic

            %%claude
            What does a median tell that a mean does not?

            %%claude -m opus -s "Answer in one sentence." --into summary
            Summarise for a newcomer: {{ df.describe() }}

            %%claude -a fig -a report.pdf[3-7]
            Does the figure fit what the report says?

            %%claude --context 5
            Why does the second figure look different?

            %%claude --schema list[Reading] --into readings --frame
            Which readings does the report tell?

            %%claude -m haiku -m sonnet -m opus
            Name this figure in five words: {{ fig }}

            %%claude --error

            r = %claude -m haiku What is 17 × 23?
            r.text
        """
        return self._claude("claude", line, cell)

    @no_var_expand
    @line_cell_magic
    @flags.documented(flags.ASK)
    @at_the_door
    def claude_count(self, line: str, cell: str | None = None) -> Reply | Comparison | Table | None:
        """Count a prompt with its attachments and the conversation above it, without asking.

        ::

            %%claude_count -a report.pdf -m opus
            What changed since last year?

        The API counts the tokens, which costs nothing; the cost is that of the input alone.

        Flags
        -----
          {flags}
        """
        return self._claude("claude_count", f"--count {line}", cell)

    @line_magic
    @at_the_door
    def claude_config(self, line: str) -> Table | None:
        """Show every setting, its value and where it came from; or change some.

        ::

            %claude_config
            %claude_config model=opus max_tokens=4000 system="Answer in one sentence."
            %claude_config extra='{"service_tier": "standard_only"}'

        The first that is set wins: a flag on the cell; its --preset; %claude_config or %config
        ClaudeMagics.… in this session, the later of the two; the environment (CLAUDE_MAGIC_MODEL, …);
        ipython_config.py; the default. The key and the address of the API come from ANTHROPIC_API_KEY,
        ANTHROPIC_BASE_URL and the other variables and profiles the SDK knows; a key is never shown.

        Below the settings stand the presets, tables [preset.NAME] in files named claude_magic.toml: the
        project's, in the notebook's folder or above, and your own, in Jupyter's configuration directory.
        """
        if line.strip():
            pairs = _assignments(line)
            if further := [value for name, value in pairs if name == "extra"]:
                _check_extra(further)
            self.assign(pairs)
            return None
        return self._open().config_table(self)

    @line_magic
    @flags.documented(flags.MODELS)
    @at_the_door
    def claude_models(self, line: str) -> Table:
        """Show the models: limits, prices, what they take, and how long they stay.

        ::

            %claude_models                all models, newest first within a line
            %claude_models opus           everything about one, with each of its prices
            %claude_models --refresh      asks the API for its list first

        The first column has the short names that -m takes. Without a list of the API the table that comes
        with claude_magic is shown; whose figures they are, and of which day, stands above them. A list is
        kept and used however old; no question waits for a new one. Prices are never told by the API: they
        are the list prices of their day, in USD per million tokens.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.MODELS, "%claude_models")
        return self._open().models_table(parsed, self)

    @no_var_expand
    @line_magic
    @flags.documented(flags.COMPACT)
    @at_the_door
    def claude_compact(self, line: str) -> None:
        """Summarise the older turns of the conversation into one, and go on from there; it can be undone.

        ::

            %claude_compact               all turns but the last two become one
            %claude_compact --keep 0      all of them
            %claude_compact the figures of the March readings, and which model we chose

        The turns are sent once more, mostly read from the prompt cache, with a question for a summary that
        a colleague could go on from; further words say what it should keep in mind. The answer streams in
        like any other, and costs what it says. Once it is complete it takes the place of the turns; if it is
        stopped, cut, declined or fails, nothing changes, and what came is in _claude.

        The whole conversation stays as one of its own: %claude_chat "main, whole" goes back to it. The
        turns that were kept are not stale. A cell whose turn was summarised has none here any more: run
        again, it asks at the end, below the summary, and says so.

        Flags
        -----
          {flags}
        """
        self._open().compact(flags.parse(line, flags.COMPACT, "%claude_compact"), self)

    @line_magic
    @at_the_door
    def claude_panel(self, line: str) -> Table | None:
        """Show a panel with the settings that matter, the conversations, and what is spent.

        ::

            %claude_panel

        Model (with price and context window), effort, system prompt, cache and budget set what
        %claude_config sets, and hold from the next question on; %claude_config shows "%claude_panel" as
        their source. Conversation switches as %claude_chat NAME does, New begins one. The bars tell what
        this notebook has spent today of its budget, how full the context window is, and the tokens of the
        conversation with their cost; they move after each question. Stop ends the running reply and keeps
        what has come.

        It works while a cell runs (with ipykernel 7 or newer; before, what is chosen waits for the cell's
        end, and Stop interrupts the kernel). While a question is under way another conversation is taken
        at its end. What magics change shows in the panel. Shown twice it is the same panel.

        Where no widget can be shown, and in the saved notebook, the same facts stand as a table.
        """
        if line.strip():
            raise UsageProblem(f"%claude_panel takes nothing, not {line.strip()!r}. Nothing was changed.")
        return self._open().panel(self)

    @line_magic
    @flags.documented(flags.OFFLINE)
    @at_the_door
    def claude_offline(self, line: str) -> None:
        """Start the local Messages API and point this notebook at it; no key is needed.

        An offline demo model answers, not Claude: it says so in each answer. It counts, echoes,
        describes images, PDFs and tables, remembers the conversation and calls tools, so that a notebook
        can be tried and tested without a key or a network. The server is a process of its own on
        127.0.0.1 and ends with the kernel.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse(line, flags.OFFLINE, "%claude_offline")
        if parsed.has("off"):
            self._go_online()
            print("From now on requests go to the API of the environment; %claude_config shows where.")  # noqa: T201
            return
        pace = flags.number(parsed.one("pace"), "--pace") if parsed.has("pace") else None
        self._go_online()
        try:
            self._local = offline.start(pace=pace)
        except offline.LocalApiFailed as error:
            raise ConfigProblem(f"The local Messages API did not start: {error}") from error
        self._open().go_offline(self._local.url, self._local.token)
        print(  # noqa: T201 - the magic's own answer
            "From now on an offline demo model answers here, not Claude. %claude_offline --off goes back."
        )

    def unload(self) -> None:
        """Take everything back that loading and using the extension has added to the shell."""
        self._go_online()
        if self._session is not None:
            self._session.close()
            self._session = None
        self._recorder.stop()
        self._completion.stop()
        shell = self.shell
        if keep_questions in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(keep_questions)
        self._stop_warming()
        gone = {id(magics) for magics in (self, *self._others)}
        for magics in (self, *self._others):
            shell.magics_manager.registry.pop(type(magics).__name__, None)
            for kind, names in magics.magics.items():
                for name in names:
                    shell.magics_manager.magics[kind].pop(name, None)
        shell.configurables[:] = [other for other in shell.configurables if id(other) not in gone]
        shell.user_ns.pop("_claude", None)

    def _claude(self, name: str, line: str, cell: str | None) -> Reply | Comparison | Table | None:
        """Parse what a line or cell asks; ask it, or show what asking would send."""
        magic = f"%{name}" if cell is None else f"%%{name}"
        parsed = flags.parse(line, flags.ASK, magic)
        if cell is not None and parsed.rest:
            raise UsageProblem(
                f"{magic}: {parsed.rest!r} is no flag; the prompt stands below the first line. "
                "Nothing was sent."
            )
        prompt = parsed.rest if cell is None else cell.removesuffix("\n")
        if parsed.has("dry_run") or parsed.has("count"):
            return self._open().preview(parsed, prompt, self)
        session = self._open()
        with session.asking.question():
            reply = session.ask(parsed, prompt, self)
        return reply if cell is None else None

    @property
    def session(self) -> Session:
        """What this shell's questions need; made at the first of them."""
        return self._open()

    def _open(self) -> Session:
        if self._session is None:
            self._session = _session_class()(self.shell, self._recorder)
        return self._session

    def _go_online(self) -> None:
        if self._session is not None:
            self._session.go_online()
        if self._local is not None:
            self._local.stop()
            self._local = None

    def _warm_up(self, _: object = None) -> None:
        """After the cell that loaded us: import the rest in the background."""
        self._stop_warming()
        threading.Thread(target=_import_the_rest, name="claude-magic-import", daemon=True).start()

    def _stop_warming(self) -> None:
        events = self.shell.events
        if self._warm_up in events.callbacks["post_run_cell"]:
            events.unregister("post_run_cell", self._warm_up)


def _session_class(*, again: bool = True) -> type[Session]:
    """The one deferred import: everything behind it, the SDK first, costs about a second."""
    try:
        from claude_magic.session import Session  # noqa: PLC0415
    except ImportError as error:
        if again:  # the import in the background may have failed while this one waited for it
            return _session_class(again=False)
        raise missing(error) from None
    return Session


def _check_extra(texts: list[str]) -> None:
    """Refuse parameters that the SDK does not know, before a setting takes them."""
    from claude_magic.api import extra  # noqa: PLC0415 - it imports the SDK

    extra.merged(texts, "changed")


def _import_the_rest() -> None:
    with contextlib.suppress(ImportError):  # told when it is needed
        import claude_magic.session  # noqa: F401, PLC0415


def keep_questions(lines: list[str]) -> list[str]:
    """Keep ``%claude why?`` a question: IPython would take it for a request for help on ``why``.

    And let ``%%claude --continue`` stand alone: IPython refuses a cell magic without a body.
    """
    if lines and lines[0].startswith("%%"):
        alone = _ALONE.fullmatch(lines[0]) and not any(line.strip() for line in lines[1:])
        return [lines[0].rstrip("\n") + "\n", "\n", "\n"] if alone else lines
    kept = []
    for line in lines:
        match = _QUESTION.fullmatch(line)
        call = match and f"{match[1]}get_ipython().run_line_magic({match[2]!r}, {match[3]!r})\n"
        kept.append(call or line)
    return kept


def _assignments(line: str) -> list[tuple[str, str]]:
    """``a=1 b="two words"`` as pairs."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageProblem(f"%claude_config: {error}. Nothing was changed.") from error
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageProblem(
                f"%claude_config: {word!r} is no setting=value. Write it without spaces around the =, and a "
                "value with spaces in quotes. Nothing was changed."
            )
        pairs.append((name, value))
    return pairs
