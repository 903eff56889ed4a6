"""Tab in what our magics take: flags, their values, and Python only where Python stands.

It is one matcher of IPython's completer, so that it works in every front end that asks the kernel. On the
line of a magic it is the only one that speaks: what stands there is no Python, and what Jedi, the file
matcher and their like would offer is wrong. In the body of a cell only ``{{ }}`` completes.

Beside a completion front ends show its type. In a terminal that is a flag's help; a page's menu has no room.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
    provisionalcompleter,
    rectify_completions,
)
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Bool, Enum

from claude_magic.completion.over import columns, of_row, over
from claude_magic.completion.paths import files
from claude_magic.completion.spot import Spot, where
from claude_magic.flags import Flag
from claude_magic.rows import NAMES, has_rows
from claude_magic.settings import Settings

Known = Callable[[str], Sequence[str]]
"""The names of ``models``, ``conversations``, ``presets`` or the ``answers`` of the last comparison."""

_CALL = re.compile(r"\s*(?:[^%\n]*=\s*)?(%%?)(claude\w*)(?=\s)")
_NAME = re.compile(r"[^\W\d]\w*")
_BARE_NAME = re.compile(r"(?<![\w.'\"])[^\W\d]\w*\Z")
_PROMPTS = frozenset({"claude", "claude_count", "claude_compact"})
"""Magics of whose line the rest, behind the flags, is for the model."""

_KINDS = {
    "model": "models",
    "chat": "conversations",
    "delete": "conversations",
    "preset": "presets",
    "attach": "value",
    "system": "text",
    "system_message": "text",
    "tools": "functions",
    "schema": "types",
    "into": "names",
    "over": "rows",
    "column": "columns",
    "pick": "models",
    "csv": "files",
}
"""What the value of a flag is."""

_ROWS_IN = "claude_map"
"""The magic in whose templates there is a row."""

_WORDS = {
    "claude_chat": "conversations",
    "claude_models": "models",
    "claude_config": "settings",
    "claude_tools": "tools",
    "claude_export": "files",
    "claude_restore": "files",
    "claude_record": "files",
    "claude_replay": "files",
}
"""What the words of a magic's line are."""


class _Nothing(tuple[SimpleCompletion, ...]):
    """No completions, in the place of those of all other matchers: IPython lets none be silenced by none."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the rows are that a magic's line names.

    Parameters
    ----------
    value : object
        What has them; None for nothing that is known without evaluating it.
    after : str
        What stands behind the cursor on its line.
    named : bool
        Whether row and index are names here.
    """

    value: Any
    after: str
    named: bool


class Completion:
    """Completes the magics of one shell.

    Parameters
    ----------
    settings : Settings
        Whose names and choices ``%claude_config`` takes.
    known : Known
        Asked when such names are to be completed, not before.
    """

    def __init__(self, shell: InteractiveShell, settings: Settings, known: Known) -> None:
        self._shell = shell
        self._settings = settings
        self._known = known

    def start(self) -> None:
        """Add it to the shell's completer."""
        self._shell.Completer.custom_matchers.append(self.matcher)

    def stop(self) -> None:
        """Take it out again."""
        matchers = self._shell.Completer.custom_matchers
        matchers[:] = [one for one in matchers if one != self.matcher]

    @context_matcher(identifier="claude_magic", priority=1000)  # type: ignore[untyped-decorator]
    def matcher(self, context: CompletionContext) -> SimpleMatcherResult:
        """What completes at the cursor; nothing, where it is not in what we take."""
        try:
            found = self._found(context)
            if found is None:
                return SimpleMatcherResult(completions=[], suppress=False)
            fragment, offered = found[0], list(found[1])
        except Exception:  # noqa: BLE001 - Tab is no place for an error
            fragment, offered = "", []
        return SimpleMatcherResult(
            completions=offered or _Nothing(),
            matched_fragment=fragment,
            suppress=True,
            ordered=True,
        )

    def _found(self, context: CompletionContext) -> tuple[str, Iterable[SimpleCompletion]] | None:
        """What is typed of it, and what it may become; None where the cursor is in nothing of ours."""
        lines = context.full_text.split("\n")
        first = next((number for number, line in enumerate(lines) if line.strip()), 0)
        before = lines[context.cursor_line][: context.cursor_position]
        after = lines[context.cursor_line][context.cursor_position :]
        cell = _CALL.match(f"{lines[first]} ")
        if cell and cell[1] == "%%" and context.cursor_line > first:
            body = "\n".join([*lines[first + 1 : context.cursor_line], before])
            return self._in_body(body, self._rows(cell[2], lines[first], after))
        call = _CALL.match(before)
        if call is None:
            return None
        rows = self._rows(call[2], before + after, after)
        return self._on_line(call[2], before[call.end() :], rows, cell=call[1] == "%%")

    def _rows(self, magic: str, line: str, after: str) -> _Rows:
        return _Rows(over(line, self._shell.user_ns), after, named=magic == _ROWS_IN)

    def _on_line(
        self, magic: str, text: str, rows: _Rows, *, cell: bool
    ) -> tuple[str, Iterable[SimpleCompletion]] | None:
        method = self._shell.find_magic(magic, "cell" if cell else "line")
        if method is None:
            return None
        table: Sequence[Flag] = getattr(method, "flags", ())
        spot = where(text, table, ends=magic in _PROMPTS)
        if spot is None:
            return "", ()
        if spot.flag is not None:
            key = spot.flag.key
            if rows.named and key == "attach" and (found := self._row(spot.fragment, rows)) is not None:
                return found
            if key == "column":
                return spot.fragment, _quoted(spot.fragment, columns(rows.value), "column")
            kind = "answers" if (magic, key) == ("claude_compare", "pick") else _KINDS.get(key, "")
            return self._values(kind, spot.fragment, self._choices(key, spot.flag.choices))
        offered = list(self._flag_names(spot, table)) if spot.flags else []
        if spot.words and not cell and not spot.fragment.startswith("-"):
            if magic in _PROMPTS:
                return self._in_body(text, rows) if spot.fragment else ("", offered)
            fragment, words = self._values(_WORDS.get(magic, ""), spot.fragment, ())
            offered = [*words, *(offered if not spot.fragment else [])]
            return fragment, offered
        return spot.fragment, offered

    def _row(self, source: str, rows: _Rows) -> tuple[str, list[SimpleCompletion]] | None:
        """What completes the names that only a row's template has; None where it is none of them."""
        if (found := of_row(source, rows.value, rows.after)) is not None:
            return found
        bare = _BARE_NAME.search(source)
        if source and not bare:
            return None
        name = bare[0] if bare else ""
        here = _beginning(name, NAMES, "row")
        own = self._names(name, _can_be_shown)
        return (name, [*here, *(one for one in own if one.text not in NAMES)]) if here else None

    def _in_body(self, text: str, rows: _Rows) -> tuple[str, Iterable[SimpleCompletion]]:
        """In a prompt: the expression of ``{{ }}`` that the cursor stands in, if it does in one."""
        opened = [found.end() for found in re.finditer(r"(?<!\\)\{\{", text)]
        if not opened or "}}" in text[opened[-1] :]:
            return "", ()
        source = text[opened[-1] :].lstrip()
        own = self._row(source, rows) if rows.named else None
        return self._python(source) if own is None else own

    def _python(self, source: str) -> tuple[str, list[SimpleCompletion]]:
        """The user's names; else what IPython would complete, were this all that stands in the cell."""
        bare = _BARE_NAME.search(source)
        name = bare[0] if bare else ""
        if (bare or not source) and (own := list(self._names(name, lambda _: True))):
            return name, own
        completer = self._shell.Completer
        with provisionalcompleter():
            made = rectify_completions(source, completer.completions(source, len(source)))
            found = [
                one
                for one in made
                if not one.text.startswith("%") and not str(one._origin).endswith("file_matcher")  # noqa: SLF001
            ]
        if not found:
            return "", []
        fragment = source[found[0].start :]
        return fragment, [SimpleCompletion(one.text, type=one.type) for one in found]

    def _choices(self, key: str, own: Sequence[str]) -> tuple[str, ...]:
        """The values a flag or a setting takes, where they are few."""
        trait = self._settings.traits(config=True).get(key)
        choices = trait.values if isinstance(trait, Enum) else own
        return tuple(str(one) for one in choices or () if one != "")

    def _values(
        self, kind: str, fragment: str, choices: Sequence[str]
    ) -> tuple[str, Iterable[SimpleCompletion]]:
        """What a value may become; and the part of it that is replaced."""
        if choices:
            return fragment, _beginning(fragment, choices, "choice")
        if kind in ("models", "presets", "conversations", "answers"):
            return self._named(kind, fragment)
        if kind in ("text", "types") and fragment.startswith("@"):
            return fragment, files(fragment[1:], before="@")
        match kind:
            case "value":
                return self._value(fragment)
            case "rows":
                return self._with_rows(fragment)
            case "text":
                return fragment, self._names(fragment, lambda value: isinstance(value, str))
            case "types":
                return self._types(fragment)
            case "functions":
                last = re.split(r"[,\s]", fragment)[-1]
                return last, self._names(last, _can_be_called)
            case "tools":
                return self._tools(fragment)
            case "names":
                return fragment, self._names(fragment, lambda _: True)
            case "settings":
                return self._setting(re.split(r"\s", fragment)[-1])
        return fragment, files(fragment) if kind == "files" else ()

    def _tools(self, fragment: str) -> tuple[str, Iterable[SimpleCompletion]]:
        """What ``%claude_tools`` does, then with which functions."""
        action, blank, rest = fragment.partition(" ")
        if not blank:
            return action, _beginning(action, ("add", "remove"), "action")
        return self._values("functions", rest, ())

    def _named(self, kind: str, fragment: str) -> tuple[str, Iterable[SimpleCompletion]]:
        return fragment, _quoted(fragment, self._known(kind), kind.removesuffix("s"))

    def _value(self, fragment: str) -> tuple[str, Iterable[SimpleCompletion]]:
        """A kernel value, an expression, or a file."""
        quoted = fragment[:1] in ("'", '"')
        if _NAME.fullmatch(fragment) or not fragment:
            return fragment, [*self._names(fragment, _can_be_shown), *files(fragment)]
        head = _NAME.match(fragment)
        if not quoted and head and head[0] in self._shell.user_ns and (found := self._python(fragment))[1]:
            return found
        return fragment, files(fragment)

    def _with_rows(self, fragment: str) -> tuple[str, Iterable[SimpleCompletion]]:
        """Kernel values that have rows, then others that may lead to some; no files."""
        if _NAME.fullmatch(fragment) or not fragment:
            further = self._names(fragment, lambda value: _can_be_over(value) and not has_rows(value))
            return fragment, [*self._names(fragment, has_rows), *further]
        return self._python(fragment)

    def _types(self, fragment: str) -> tuple[str, Iterable[SimpleCompletion]]:
        """A type of the kernel, alone or in brackets."""
        last = re.split(r"[\[,|\s]", fragment)[-1]
        own = self._names(last, lambda value: isinstance(value, type | dict))
        plain = [one for one in ("list", "dict", "str", "int", "float", "bool") if one.startswith(last)]
        return last, [*own, *(SimpleCompletion(one, type="type") for one in plain)]

    def _setting(self, word: str) -> tuple[str, Iterable[SimpleCompletion]]:
        """``name=`` of a setting, and behind it what it takes."""
        name, equals, value = word.partition("=")
        traits = self._settings.traits(config=True)
        names = self._settings.setting_names()
        if not equals:
            found = [one for one in names if one.startswith(name)]
            return name, [
                SimpleCompletion(f"{one}=", type=self._told("setting", str(traits[one].help)))
                for one in found
            ]
        trait = traits.get(name)
        if isinstance(trait, Bool):
            return value, _beginning(value, ("True", "False"), "choice")
        return self._values(_KINDS.get(name, ""), value, self._choices(name, ()))

    def _flag_names(self, spot: Spot, table: Sequence[Flag]) -> Iterator[SimpleCompletion]:
        """The long names of the flags that may still be given; a short one where it is typed."""
        for flag in table:
            told = self._told("flag", flag.help)
            if flag.key not in spot.given and flag.names[-1].startswith(spot.fragment):
                yield SimpleCompletion(flag.names[-1], type=told)
            elif spot.fragment in flag.names[:-1]:
                yield SimpleCompletion(spot.fragment, type=told)

    def _told(self, kind: str, text: str) -> str:
        """What is shown beside a completion: where there is room, what it is for."""
        return kind if getattr(self._shell, "kernel", None) is not None else _short(text)

    def _names(self, fragment: str, wanted: Callable[[Any], bool]) -> Iterator[SimpleCompletion]:
        """The user's own names that begin so."""
        hidden = self._shell.user_ns_hidden
        for name, value in sorted(self._shell.user_ns.items()):
            shown = fragment.startswith("_") or not name.startswith("_")
            own = shown and (name not in hidden or hidden[name] is not value)
            if own and name.startswith(fragment) and not hasattr(builtins, name) and wanted(value):
                yield SimpleCompletion(name, type=type(value).__name__)


def _beginning(fragment: str, words: Sequence[str], kind: str) -> list[SimpleCompletion]:
    return [SimpleCompletion(one, type=kind) for one in words if one.startswith(fragment)]


def _quoted(fragment: str, names: Sequence[str], kind: str) -> list[SimpleCompletion]:
    """Names that begin so; those with a blank in quotes."""
    bare = fragment.lstrip("\"'")
    fit = [f'"{one}"' if " " in one else one for one in names if one.startswith(bare)]
    return [SimpleCompletion(one, type=kind) for one in fit]


def _short(text: str) -> str:
    """The first clause of a help text, short enough to stand in a menu."""
    clause = re.split(r"(?<=\w)[.;:](?:\s|$)", text)[0]
    return clause if len(clause) <= 60 else f"{clause[:59].rstrip()}…"


def _can_be_called(value: object) -> bool:
    return callable(value) and not isinstance(value, type)


def _can_be_shown(value: object) -> bool:
    """Whether a value may be meant by -a: all but what was imported to work with."""
    return type(value).__name__ not in ("module", "builtin_function_or_method")


def _can_be_over(value: object) -> bool:
    """Whether rows may be found in a value: in neither texts, numbers, functions nor types."""
    return _can_be_shown(value) and not callable(value) and not isinstance(value, str | bytes | int | float)
