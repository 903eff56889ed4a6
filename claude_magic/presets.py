"""Presets: names for a model, a system prompt and flags, kept in files named ``claude_magic.toml``.

::

    [preset.reviewer]
    model = "opus"
    system = "@reviewer.md"
    flags = ["--max-tokens", "500"]

``%%claude --preset reviewer`` applies it: a flag on the cell wins over the preset, the preset over the
settings. A preset sets what flags set, by the flag's name or in ``flags``; not what belongs to one question
(``attach``, ``into`` …), nor what has no flag (``store``, ``hosts``, ``allow_secrets``, budgets …). ``@file``
is relative to the TOML file.

Two files are read. The user's own stands in Jupyter's configuration directory; its presets may also have
an ``extra`` table. The project's is the nearest from the notebook's folder upwards, as far as the folder
that holds ``.git``, or the home directory; outside both, only the notebook's folder counts. A project's
preset wins over the user's own of the same name.

A project's file may come from a stranger, together with the notebook. So its presets set only what changes
the answer: ``model``, ``system``, ``detail``, ``data``, ``cite``, ``max_tokens``, ``stop``. They do not
reach out (``urls``), spend by other rules (``max_cost``, ``cache``), hide or keep (``quiet``, ``reuse``,
``chat``, ``no_history``), or say who asks, where and how dear (``extra``). Their ``@file`` is a file in the
project's folder that is not hidden, and its text is sent as it stands: nothing in it names a further file or
a kernel variable. The first use in a kernel is said in one line. Budgets hold for them as for every
question, and what looks like a secret is asked about.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir

from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.file_names import expanded
from claude_magic.flags import ASK, Line, Verbatim

FILE = "claude_magic.toml"
MOST_BYTES = 1_000_000
"""A larger file is not read."""

_FLAGS: Mapping[str, str] = {flag.key: flag.value for flag in ASK}
_MANY = frozenset(flag.key for flag in ASK if flag.many) - {"model"}  # no file makes one question three
_HARMLESS = frozenset({"model", "system", "detail", "data", "cite", "max_tokens", "stop"})
_OWN = _HARMLESS | {"urls", "max_cost", "cache", "chat", "no_history", "quiet", "reuse", "extra"}

Values = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Source:
    """A file with presets; ``own`` for the user's, in which everything is allowed."""

    path: Path
    own: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as its file has it."""

    name: str
    source: Source
    table: Mapping[str, Any]


def sources(folder: Path | None, configuration: Path, home: Path) -> tuple[Source, ...]:
    """The files that are there, the one that wins first.

    Parameters
    ----------
    folder : Path or None
        Where the notebook stands; None where that is not known.
    configuration : Path
        Jupyter's configuration directory.
    home : Path
        The user's home: above it nothing is looked for.
    """
    own = configuration / FILE
    chain = () if folder is None else (folder, *folder.parents)
    tops = [number for number, one in enumerate(chain, 1) if one == home or _is_there(one / ".git")]
    near = [one / FILE for one in chain[: tops[0] if tops else 1]]
    project = [Source(path, own=False) for path in near if path != own and _is_there(path, file=True)]
    return (*project[:1], *([Source(own, own=True)] if _is_there(own, file=True) else ()))


class Presets:
    """The presets that a notebook sees: its project's and the user's own.

    Parameters
    ----------
    path : str
        The notebook's file, ``""`` where it is not known.
    tell : callable
        Says a line to the user.
    """

    def __init__(self, path: str, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._own = Path(jupyter_config_dir())

    def applied(self, line: Line) -> Line:
        """The line with what its ``--preset`` sets beneath its flags."""
        return applied(line, self._sources(), self._tell, self._own) if line.has("preset") else line

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """All of them, as rows of the table of settings."""
        return rows(self._sources())

    def _sources(self) -> tuple[Source, ...]:
        return sources(folder_of(self._path), self._own, Path.home().resolve())


def folder_of(notebook: str) -> Path | None:
    """The folder of a notebook; of one without a known path, the kernel's working directory."""
    try:
        return Path(notebook).parent if notebook else Path.cwd()
    except OSError:  # it was deleted
        return None


def applied(line: Line, found: Sequence[Source], tell: Callable[[str], None], own: Path) -> Line:
    """The line of a cell with what its ``--preset`` sets beneath its own flags.

    Parameters
    ----------
    tell : callable
        Says that a project's preset is used; once each.
    own : Path
        Jupyter's configuration directory, which an error names.

    Raises
    ------
    UsageProblem
        When there is no such preset, or it cannot be used. Nothing was sent.
    """
    if not line.has("preset"):
        return line
    name = line.one("preset")
    every = [preset for source in found for preset in _presets(source)]
    chosen = next((preset for preset in every if preset.name == name), None)
    if chosen is None:
        hint = did_you_mean(name, {preset.name for preset in every})
        raise UsageProblem(f"No preset {name!r}.{hint} {_looked_at(found, own / FILE)} Nothing was sent.")
    values = _values(chosen)
    if not chosen.source.own:
        other = any(preset.name == name and preset.source.own for preset in every)
        instead = ", in the place of your own" if other else ""
        tell(f"preset {name} of {chosen.source.path}{instead}: sets {', '.join(values) or 'nothing'}")
    return replace(line, values={**values, **line.values})


def rows(found: Sequence[Source]) -> Iterator[tuple[str, str, str, str]]:
    """The presets as rows of ``%claude_config``; what cannot be used says why."""
    seen: set[str] = set()
    for source in found:
        try:
            presets = _presets(source)
        except UsageProblem as problem:
            yield "presets", "cannot be read", str(source.path), _bare(problem)
            continue
        for preset in presets:
            means = f"%%claude --preset {preset.name} applies it."
            if preset.name in seen:
                means = "Not used here: the project has one of the same name."
            seen.add(preset.name)
            try:
                told = ", ".join(_shown(key, value) for key, value in _values(preset).items())
            except UsageProblem as problem:
                told, means = "cannot be used", _bare(problem)
            yield f"preset {preset.name}", told, str(source.path), means


def _presets(source: Source) -> list[Preset]:
    """The presets of a file, in its order."""
    document = _read(source)
    alien = next((key for key in document if key != "preset"), "preset")
    if alien != "preset":
        raise _problem(source, f"no {alien!r} belongs there; presets are tables [preset.NAME].")
    tables = document.get("preset", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise _problem(source, "presets are tables [preset.NAME].")
    return [Preset(name, source, table) for name, table in tables.items()]


def _read(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(source.path))
    except tomllib.TOMLDecodeError as error:
        said = re.sub(r" \(at (.*)\)$", "", str(error))
        where = re.search(r"\(at (line \d+)", str(error))
        raise _problem(source, f"{where[1] if where else 'at its end'}: {said}. It is no TOML.") from None
    except UnicodeDecodeError:
        reason = "it is no UTF-8 text."
    except RecursionError:
        reason = "it is nested too deep."
    except OSError as error:
        reason = f"{error.strerror or error}."
    raise _problem(source, reason)


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise OSError(f"it has more than {MOST_BYTES / 1e6:.0f} MB")
    return path.read_text(encoding="utf-8-sig")


def _values(preset: Preset) -> Values:
    """What a preset sets, as the values of flags; ``extra`` as JSON.

    Raises
    ------
    UsageProblem
        For anything that this file may not set, or that is no value for it.
    """
    values: Values = {}
    for written, value in preset.table.items():
        key = written.replace("-", "_")
        more = _from_flags(preset, value) if key == "flags" else {key: _value(preset, key, value)}
        if twice := values.keys() & more.keys():
            raise _problem(preset, f"{min(twice)} is set twice.")
        values |= more
    if "system" in values:
        values["system"] = (Verbatim(_system(preset, values["system"][0])),)
    return values


def _from_flags(preset: Preset, words: object) -> Values:
    """The values of ``flags = ["--max-tokens", "500"]``."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _problem(preset, 'flags is a list of texts: ["--max-tokens", "500"].')
    keys = {name: flag.key for flag in ASK for name in flag.names}
    values: Values = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        key = keys.get(name)
        if key is None:
            raise _problem(preset, f"%%claude has no flag {name!r}.{did_you_mean(name, keys)}")
        _allow(preset, key)
        if not _FLAGS[key] and equals:
            raise _problem(preset, f"{name} takes no value.")
        if _FLAGS[key] and not equals:
            if not rest:
                raise _problem(preset, f"{name} needs a value: {name} {_FLAGS[key]}.")
            value = rest.pop(0)
        if key in values and key not in _MANY:
            raise _problem(preset, f"{key} is set twice.")
        values[key] = (*values.get(key, ()), value)
    return values


def _value(preset: Preset, key: str, value: object) -> tuple[str, ...]:
    """What stands behind a name in the table, as the values of its flag."""
    _allow(preset, key)
    if key == "extra":
        try:
            return (json.dumps(value, allow_nan=False),)
        except (TypeError, ValueError):
            raise _problem(preset, "extra has a value that is no JSON.") from None
    if not _FLAGS[key]:
        if value is not True:
            raise _problem(preset, f"{key} takes true; leave it out for the setting.")
        return ("",)
    many = value if isinstance(value, list) and key in _MANY else [value]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in many):
        raise _problem(preset, f"{key} takes a text or a number{', or a list of them' * (key in _MANY)}.")
    return tuple(map(str, many))


def _allow(preset: Preset, key: str) -> None:
    """Refuse what a preset, or one of a project's file, may not set."""
    if key in (_OWN if preset.source.own else _HARMLESS):
        return
    if key in _OWN:
        raise _problem(
            preset,
            f"a project's preset may not set {key}, for anyone may have written it; yours may, in Jupyter's "
            "configuration directory.",
        )
    if key in _FLAGS:
        raise _problem(preset, f"a preset cannot set {key}; give it on the cell.")
    hint = did_you_mean(key, _OWN) or f" A preset sets {', '.join(sorted(_HARMLESS | {'flags'}))}."
    raise _problem(preset, f"a preset cannot set {key!r}.{hint}")


def _system(preset: Preset, value: str) -> str:
    """The system prompt: the text, or that of ``@file``."""
    if not value.startswith("@"):
        return value
    folder = preset.source.path.parent
    try:
        if preset.source.own:
            return _text(folder / expanded(value[1:]))
        path, root = (folder / value[1:]).resolve(), folder.resolve()
        inside = path.is_relative_to(root) and path.is_file()
        if not inside or any(part.startswith(".") for part in path.relative_to(root).parts):
            raise _problem(preset, f"system {value}: not a file in {folder} that is in plain sight.")
        return _text(path)
    except UnicodeDecodeError:
        reason = "it is no UTF-8 text."
    except (OSError, RuntimeError, ValueError) as error:  # loops of links, NUL in the name
        reason = f"{getattr(error, 'strerror', None) or error}."
    raise _problem(preset, f"system {value}: {reason}")


def _shown(key: str, values: tuple[str, ...]) -> str:
    """A value in the table; a long one by its beginning."""
    if values == ("",):
        return key
    text = " ".join(" | ".join(values).split())
    return f"{key}={text if len(text) <= 40 else text[:39] + '…'}"


def _looked_at(found: Sequence[Source], own: Path) -> str:
    """Where presets were looked for."""
    there = [str(source.path) for source in found]
    if str(own) not in there:
        there.append(f"{own} (not there)")
    return f"Looked at {' and '.join(there)}{'' if len(there) > 1 else f'; no {FILE} by the notebook'}."


def _problem(where: Source | Preset, text: str) -> UsageProblem:
    """The line for a file or preset that cannot be used."""
    if isinstance(where, Preset):
        return UsageProblem(f"{where.source.path}, preset {where.name}: {text} Nothing was sent.")
    return UsageProblem(f"{where.path}: {text} Nothing was sent.")


def _bare(problem: UsageProblem) -> str:
    return str(problem).removesuffix(" Nothing was sent.")


def _is_there(path: Path, *, file: bool = False) -> bool:
    try:
        return path.is_file() if file else path.exists()
    except OSError:
        return False
