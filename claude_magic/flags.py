"""The flags of the magics: one table each, from which parsing, help and the README's table come."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from claude_magic.errors import UsageProblem, did_you_mean

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
    """

    names: tuple[str, ...]
    value: str
    help: str
    many: bool = False
    pattern: str = ""

    @property
    def key(self) -> str:
        """Its name in the parsed line: the long name without dashes."""
        return self.names[-1].lstrip("-").replace("-", "_")


ASK = (
    Flag(("-m", "--model"), "NAME", "Model id, or haiku, sonnet, opus, fable for the newest of that line."),
    Flag(("-s", "--system"), "TEXT", "System prompt: text, @file, or the name of a kernel variable."),
    Flag(("--preset",), "NAME", "Apply this preset (%claude_config lists them); flags on the cell win."),
    Flag(
        ("-a", "--attach"),
        "WHAT",
        "Attach a kernel value, a file, pages of it (report.pdf[3-7]), a glob or a URL; may be repeated.",
        many=True,
    ),
    Flag(("--detail",), "HOW", "How large pictures are sent: low, standard or full (all the model uses)."),
    Flag(("--data",), "HOW", "How much of a data frame is sent: schema, head or full; else a summary."),
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

HISTORY = (
    Flag(("--all",), "", "Also turns that were replaced or taken back."),
    Flag(("--search",), "WORDS", "Turns of all notebooks whose prompt or answer has these words."),
    Flag(("--show",), "", "With a number: publish that turn again (a number alone does so too)."),
)
"""The flags of ``%claude_history``."""

USAGE = (
    Flag(("--by",), "WHAT", "Sum up by turn (as without it), conversation, model or day."),
    Flag(("--all",), "", "All notebooks of this machine's store."),
    Flag(("--csv",), "FILE", "Also write the table, all of its rows, to a CSV file."),
    Flag(("--plot",), "", "Also show a plot: tokens as bars, cost as a line."),
)
"""The flags of ``%claude_usage``."""

EXPORT = (Flag(("--force",), "", "Write over a file that is there already."),)
"""The flags of ``%claude_export``."""

RESTORE = (Flag(("--yes",), "", "Take in what is shown without it."),)
"""The flags of ``%claude_restore``."""


class Quoted(str):
    """A value the user put in quotes: text, never a kernel name."""

    __slots__ = ()


class Verbatim(Quoted):
    """A value that is text as it stands, also where it begins with @."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line: the values of its flags, and what stands behind them as written."""

    values: Mapping[str, tuple[str, ...]]
    rest: str

    def has(self, key: str) -> bool:
        """Whether the flag was given."""
        return key in self.values

    def one(self, key: str, default: str = "") -> str:
        """The value of a flag given at most once."""
        return self.values.get(key, (default,))[-1]

    def all(self, key: str) -> tuple[str, ...]:
        """All values of a flag that may be repeated."""
        return self.values.get(key, ())


def parse(line: str, flags: Sequence[Flag], magic: str) -> Line:
    """Read flags from the left until the first word that is none.

    The rest is returned as written, so that ``%claude what's up?`` needs no quoting. ``--`` ends the
    flags. A value may be quoted, joined by ``=``, or hold spaces inside brackets: ``-a df[df.x > 3]``.

    Raises
    ------
    UsageProblem
        For an unknown flag, a missing value or a flag given twice.
    """
    known = {name: flag for flag in flags for name in flag.names}
    values: dict[str, tuple[str, ...]] = {}
    rest = line.strip()
    while match := re.match(r"(--?[A-Za-z][\w-]*)(=|\s+|$)|--(\s+|$)", rest):
        if match[1] is None:
            rest = rest[match.end() :]
            break
        flag = known.get(match[1])
        if match[1] in ("-h", "--help"):
            raise UsageProblem(f"{magic}? shows the manual. Nothing was sent.")
        if flag is None:
            hint = did_you_mean(match[1], known) or f" {magic}? lists the flags."
            raise UsageProblem(f"{magic} has no flag {match[1]}.{hint} Nothing was sent.")
        if flag.key in values and not flag.many:
            raise UsageProblem(f"{match[1]} is given twice. Nothing was sent.")
        rest = rest[match.end() :]
        value = ""
        if flag.pattern:
            found = re.match(rf"({flag.pattern})(\s+|$)", rest)
            value, rest = (found[1], rest[found.end() :]) if found else ("", rest)
        elif flag.value:
            value, rest = _value(rest, match[1], flag)
        elif match[2] == "=":
            raise UsageProblem(f"{match[1]} takes no value. Nothing was sent.")
        values[flag.key] = (*values.get(flag.key, ()), value)
    return Line(values, rest)


def parse_words(line: str, flags: Sequence[Flag], magic: str) -> Line:
    """Read a line of words among which flags may stand anywhere: ``%claude_history 2 --show``.

    Raises
    ------
    UsageProblem
        As `parse` does.
    """
    values: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    rest = line
    while rest := rest.strip():
        parsed = parse(rest, flags, magic)
        values |= parsed.values
        word, _, rest = parsed.rest.partition(" ")
        if word:
            words.append(word)
    return Line(values, " ".join(words))


def _value(text: str, name: str, flag: Flag) -> tuple[str, str]:
    """Take one value from the left; return it and what is behind it."""
    missing = UsageProblem(f"{name} needs a value: {name} {flag.value}. Nothing was sent.")
    if not text:
        raise missing
    quote = text[0]
    if quote in "\"'":
        match = re.match(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}(\s+|$)", text, re.DOTALL)
        if match is None:
            raise UsageProblem(f"{name}: the quote {quote} is not closed. Nothing was sent.")
        return Quoted(re.sub(r"\\([\"'\\])", r"\1", match[1])), text[match.end() :]
    depth = 0
    end = len(text)
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character.isspace() and depth <= 0:
            end = position
            break
    value = text[:end]
    if re.fullmatch(r"--?[A-Za-z][\w-]*", value):
        raise missing
    return value, text[end:].lstrip()


def unquoted(text: str) -> str:
    """A name without the quotes it may stand in."""
    return text[1:-1] if len(text) > 2 and text[0] in "\"'" and text[-1] == text[0] else text


def whole_number(text: str, name: str, least: int = 1) -> int:
    """A flag's value as a whole number, 1 or another least one, ``_`` and ``,`` allowed between digits.

    Raises
    ------
    UsageProblem
        When it is none.
    """
    digits = text.replace("_", "").replace(",", "")
    if not digits.isascii() or not digits.isdigit() or int(digits) < least:
        allowed = f"above {least - 1}" if least else "of 0 or more"
        raise UsageProblem(f"{name} takes a whole number {allowed}, not {text!r}. Nothing was sent.")
    return int(digits)


def number(text: str, name: str) -> float:
    """A flag's value as a number that is not negative.

    Raises
    ------
    UsageProblem
        When it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise UsageProblem(f"{name} takes a number of 0 or more, not {text!r}.")
    return value


def choice(text: str, name: str, choices: Sequence[str]) -> str:
    """A flag's value as one of a few words.

    Raises
    ------
    UsageProblem
        When it is none.
    """
    if text not in choices:
        hint = did_you_mean(text, choices) or f" It takes {', '.join(choices)}."
        raise UsageProblem(f"{name} {text}: no such choice.{hint} Nothing was sent.")
    return text


def documented(table: Sequence[Flag]) -> Callable[[Magic], Magic]:
    """Put the table of flags in the place of ``{flags}`` in a magic's docstring."""

    def decorate(magic: Magic) -> Magic:
        magic.__doc__ = inspect.cleandoc(magic.__doc__ or "").replace("  {flags}", manual(table))
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
