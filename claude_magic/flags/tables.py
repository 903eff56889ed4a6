"""The flags of the magics: one table each, from which parsing, help and the README's table come."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Magic = TypeVar("Magic", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Parameters
    ----------
    names : tuple of str
        The long name last, as in ``("-m", "--model")``.
    value : str
        What stands behind it, as shown in help; ``""`` for a switch.
    help : str
        One sentence.
    many : bool
        Whether it may be given more than once.
    pattern : str
        Where the value may be left out: what it looks like if it is there.
    choices : tuple of str
        The words it takes, where they are few and no setting has them; first what holds without the flag.
    """

    names: tuple[str, ...]
    value: str
    help: str
    many: bool = False
    pattern: str = ""
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in the parsed line: the long name without dashes."""
        return self.names[-1].lstrip("-").replace("-", "_")


ASK = (
    Flag(
        ("-m", "--model"),
        "NAME",
        "Model id, or haiku, sonnet, opus, fable for the newest of that line; several are compared.",
        many=True,
    ),
    Flag(
        ("--pick",),
        "N",
        "With several models: take that answer (its number or model) into the conversation.",
    ),
    Flag(("-s", "--system"), "TEXT", "System prompt: text, @file, or the name of a kernel variable."),
    Flag(("--preset",), "NAME", "Apply this preset (%claude_config lists them); flags on the cell win."),
    Flag(
        ("-a", "--attach"),
        "WHAT",
        "Attach a kernel value, a file, pages of it (report.pdf[3-7]), a glob or a URL; may be repeated.",
        many=True,
    ),
    Flag(("--detail",), "HOW", "How large pictures are sent: low, standard or full (all the model uses)."),
    Flag(
        ("--data",),
        "HOW",
        "How much of a data frame is sent: schema, head or full; else a summary.",
        choices=("schema", "head", "full"),
    ),
    Flag(("--cite",), "", "Let the answer cite the attached documents; sources are numbered below it."),
    Flag(("--password",), "TEXT", "The password of an encrypted PDF."),
    Flag(("--urls",), "", "Allow the API to fetch the web addresses given with -a."),
    Flag(("--max-tokens",), "N", "Most output tokens of this reply, thinking included."),
    Flag(("--max-cost",), "USD", "Most this question may cost: the answer is kept as short as that needs."),
    Flag(("--stop",), "TEXT", "Stop where the answer would say TEXT; may be repeated.", many=True),
    Flag(("-c", "--chat"), "NAME", "Speak in the conversation of this name; it is begun if need be."),
    Flag(("--new",), "", "Begin a new conversation with this question."),
    Flag(("--continue",), "", "Go on where the last answer was cut or stopped; the prompt may be empty."),
    Flag(("--no-history",), "", "Ask outside the conversation: nothing before is sent, nothing is kept."),
    Flag(("--into",), "NAME", "Put the answer's text, or with --schema its data, into this kernel variable."),
    Flag(("--quiet",), "", "Show nothing; the answer is in _claude and --into."),
    Flag(("--reuse",), "", "Answer an unchanged question from the store: free, and marked as reused."),
    Flag(("--cache",), "HOW", "How long the API keeps what was sent for the next question: 5m, 1h or off."),
    Flag(("--effort",), "LEVEL", "How hard the model works: low, medium, high, xhigh or max."),
    Flag(("--thinking",), "", "Show the model's thinking, folded away above its answer."),
    Flag(("--tools",), "F,G", "Kernel functions that the model may call, once you allow each call."),
    Flag(("--rounds",), "N", "Most rounds of tool calls in this question."),
    Flag(("--schema",), "TYPE", "Answer as data of this kernel type, JSON schema or @file.json; checked."),
    Flag(("--frame",), "", "Make a DataFrame of the list of records that --schema asks for."),
    Flag(("--web",), "", "Let the model search the web; searches are charged apart."),
    Flag(("--fetch",), "", "Let the model read web pages whose address is in the conversation."),
    Flag(("--run-code",), "", "Let the model run code of its own, at the API, not here."),
    Flag(
        ("--context",),
        "[N|all]",
        "Send the cells above with their outputs and figures: the nearest that fit, the last N, or all.",
        pattern=r"\d+|all",
        choices=("all",),
    ),
    Flag(
        ("--error",),
        "",
        "Ask about the last error: its cell, traceback and variables go along; the body may be empty.",
    ),
    Flag(("--code",), "", "Put the answer's code blocks into a new cell below; it is never run by itself."),
    Flag(("--prefill",), "TEXT", "How the answer begins; Haiku, Sonnet and Opus 4.5 only."),
    Flag(
        ("--system-message",),
        "TEXT",
        "A system message right after this question (text, @file or kernel name); from Opus 4.8 on.",
    ),
    Flag(("--count",), "", "Do not ask: count the tokens through the API, and estimate the cost."),
    Flag(("--dry-run",), "", "Do not ask: list all that would be sent, with sizes. Sends nothing."),
)
"""The flags of ``%claude`` and ``%%claude``."""

_OF_A_ROW = (
    *("system", "preset", "attach", "detail", "data", "cite", "password", "urls", "max_tokens"),
    *("stop", "cache", "effort", "schema"),
)

MAP = (
    Flag(("--over",), "EXPR", "What has the rows: a DataFrame, Series, list, dict or any kernel expression."),
    Flag(("--into",), "NAME", "The kernel variable that gets the rows with their answers, as they come."),
    Flag(("--limit",), "N", "Ask only of the first N rows."),
    Flag(
        ("--concurrency",), "N", "Most questions under way at once: 8 without it; fewer if the API says so."
    ),
    Flag(("--retry-failed",), "", "Also ask rows again that have failed before."),
    Flag(("--again",), "", "Ask all rows anew, also those that have an answer."),
    Flag(("--batch",), "", "Ask through the Message Batches API: at half the price, within a day."),
    Flag(("--max-cost",), "USD", "Most the whole map may cost; rows beyond it are not asked."),
    # Given twice it is refused, with what asks several.
    Flag(
        ("-m", "--model"),
        "NAME",
        "Model id, or haiku, sonnet, opus, fable for the newest of that line; one for all rows.",
        many=True,
    ),
    *(flag for flag in ASK if flag.key in _OF_A_ROW),
    Flag(
        ("--count",), "", "Do not ask: count the first row's tokens through the API, and estimate all rows."
    ),
    Flag(("--dry-run",), "", "Do not ask: list what would be sent for the first row, and estimate all rows."),
)
"""The flags of ``%%claude_map``."""

BATCHES = (
    Flag(("--all",), "", "Batches of all notebooks of this machine's store."),
    Flag(
        ("--fetch",), "ID", "Fetch what has ended, with the other parts of its map; last, or 1: the newest."
    ),
    Flag(("--wait",), "", "Wait until it has ended, then fetch; alone: for the newest."),
    Flag(("--into",), "NAME", "With --fetch: the variable of the table; else the map's own."),
    Flag(("--cancel",), "ID", "Have no further row of it answered; or give one up that was never sent."),
    Flag(
        ("--resend",),
        "ID",
        "Send its errored, canceled, expired and lost rows again, fetched first; or one never sent.",
    ),
)
"""The flags of ``%claude_batches``."""

OFFLINE = (
    Flag(("--off",), "", "Go back to the API of the environment."),
    Flag(("--pace",), "N", "Tokens per second of the demo model; 0 for as fast as it can."),
)
"""The flags of ``%claude_offline``."""

MODELS = (
    Flag(("--refresh",), "", "Ask the API for its models, and keep its list; this costs nothing."),
    Flag(("--all",), "", "Also ids with a date in them, and models that no longer answer."),
)
"""The flags of ``%claude_models``."""

CHAT = (
    Flag(("--new",), "NAME", "Begin a conversation of this name."),
    Flag(("--fork",), "NAME", "Go on from here in a conversation of its own, with the same past."),
    Flag(("--delete",), "NAME", "Take a conversation out of this notebook; it stays in the store."),
)
"""The flags of ``%claude_chat``."""

COMPACT = (
    Flag(("--keep",), "N", "Turns at the end that stay as they are: 2 without it; 0 for none."),
    Flag(
        ("-m", "--model"), "NAME", "Who summarises; the model of the settings finds most in the prompt cache."
    ),
    Flag(("--max-cost",), "USD", "Most the summary may cost; nothing is sent where that leaves too little."),
)
"""The flags of ``%claude_compact``."""

COMPARE = (
    Flag(("-m", "--model"), "NAME", "A model, given twice or more: the old one first.", many=True),
    Flag(("--over",), "EXPR", "The prompts: a list of texts, or a frame; else this conversation's own."),
    Flag(("--column",), "NAME", "The frame's column of prompts, where it is not called prompt."),
    Flag(("--limit",), "N", "Only the first N prompts; of a conversation the last N."),
    Flag(("--with-history",), "", "Ask the conversation's prompts with what stands above each."),
    Flag(("--into",), "NAME", "Put the table, with texts and seconds, into this kernel variable."),
    Flag(("-s", "--system"), "TEXT", "System prompt: text, @file, or the name of a kernel variable."),
    Flag(("--max-tokens",), "N", "Most output tokens of each answer."),
    Flag(("--effort",), "LEVEL", "How hard the models work: low, medium, high, xhigh or max."),
    Flag(("--max-cost",), "USD", "Most that all of it may cost."),
    Flag(("--pick",), "N", "Alone: take that answer of the last %%claude -m … -m … into the conversation."),
)
"""The flags of ``%claude_compare``."""

HISTORY = (
    Flag(("--all",), "", "Also turns that were replaced or taken back."),
    Flag(("--search",), "WORDS", "Turns of all notebooks whose prompt or answer has these words."),
    Flag(("--show",), "", "With a number: publish that turn again (a number alone does so too)."),
)
"""The flags of ``%claude_history``."""

USAGE = (
    Flag(
        ("--by",),
        "WHAT",
        "Sum up by turn (as without it), conversation, model or day.",
        choices=("turn", "conversation", "model", "day"),
    ),
    Flag(("--all",), "", "All notebooks of this machine's store."),
    Flag(("--csv",), "FILE", "Also write the table, all of its rows, to a CSV file."),
    Flag(("--plot",), "", "Also show a plot: tokens as bars, cost as a line."),
)
"""The flags of ``%claude_usage``."""

RECORD = (Flag(("--off",), "", "Record no more."),)
"""The flags of ``%claude_record``."""

REPLAY = (
    Flag(
        ("--mode",),
        "MODE",
        "replay, as without it; auto asks and records what is missing; record.",
        choices=("replay", "auto", "record"),
    ),
    Flag(
        ("--pace",),
        "HOW",
        "instant, as without it, or recorded: as slowly as it once came.",
        choices=("instant", "recorded"),
    ),
    Flag(("--off",), "", "Ask the API again."),
)
"""The flags of ``%claude_replay``."""

EXPORT = (Flag(("--force",), "", "Write over a file that is there already."),)
"""The flags of ``%claude_export``."""

RESTORE = (Flag(("--yes",), "", "Take in what is shown without it."),)
"""The flags of ``%claude_restore``."""


def documented(table: Sequence[Flag]) -> Callable[[Magic], Magic]:
    """Put the table of flags in the place of ``{flags}`` in a magic's docstring, and where Tab finds it."""

    def decorate(magic: Magic) -> Magic:
        magic.__doc__ = inspect.cleandoc(magic.__doc__ or "").replace("  {flags}", manual(table))
        magic.flags = table  # type: ignore[attr-defined]
        return magic

    return decorate


def manual(flags: Sequence[Flag]) -> str:
    """The flags as the ``Flags`` section of a man page."""
    rows = [(", ".join(flag.names) + (f" {flag.value}" if flag.value else ""), flag.help) for flag in flags]
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows)


def markdown_table(flags: Sequence[Flag]) -> str:
    """The flags as the README's table."""
    rows = ["| flag | does |", "|---|---|"]
    for flag in flags:
        names = ", ".join(f"`{name}`" for name in flag.names)
        rows.append(f"| {names}{f' {flag.value}' if flag.value else ''} | {flag.help} |")
    return "\n".join(rows)
