"""What flags, settings and kernel names say of a question, as the values that the question is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from jupyter_core.paths import jupyter_data_dir

from claude_magic.api.capabilities import Wanted, refuse
from claude_magic.api.models import EFFORTS, Model
from claude_magic.api.options import Options
from claude_magic.api.patience import Patience
from claude_magic.api.server_tools import FLAGS, definitions
from claude_magic.conversation import OnRerun
from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.flags import Line, Quoted, Verbatim, choice, whole_number
from claude_magic.settings import Settings
from claude_magic.values import Attaching, DataView, Detail


def attaching(line: Line, settings: Settings, model: Model) -> Attaching:
    """How the values of this question become content blocks."""
    detail = choice(line.one("detail", settings.detail), "--detail", get_args(Detail))
    data = choice(line.one("data"), "--data", get_args(DataView)) if line.has("data") else ""
    return Attaching(
        detail=cast("Detail", detail),
        long_edge=model.long_edge,
        data=cast("DataView", data),
        cite=line.has("cite"),
        max_pages=model.max_pages,
        password=line.one("password"),
    )


def system_prompt(line: Line, settings: Settings, names: Mapping[str, Any]) -> str:
    """The system prompt: text, ``@file`` or, as a flag, a kernel variable of type str.

    Raises
    ------
    UsageProblem
        When the file cannot be read or there is no such variable. Nothing was sent.
    """
    if not line.has("system"):
        return _file_or_text(settings.system)
    value = line.one("system")
    if isinstance(value, Verbatim):
        return str(value)
    if isinstance(value, Quoted) or not value.isidentifier():
        return _file_or_text(value)
    if value not in names:
        raise UsageProblem(
            f"-s {value}: no kernel name {value!r}.{did_you_mean(value, names)} "
            "Put a text of one word in quotes. Nothing was sent."
        )
    if not isinstance(names[value], str):
        kind = type(names[value]).__name__
        raise UsageProblem(f"-s {value}: a system prompt is a str, not {kind}. Nothing was sent.")
    return str(names[value])


def _file_or_text(value: str) -> str:
    if not value.startswith("@"):
        return value
    path = Path(value[1:]).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageProblem(
            f"System prompt {value}: {reason}.{did_you_mean(path.name, near)} Nothing was sent."
        ) from error


def options(line: Line, settings: Settings, model: Model) -> Options:
    """How the model is to answer; by settings as far as it can, and as the flags of the cell say.

    Raises
    ------
    UsageProblem
        For a flag that the model is known not to take. Nothing was sent.
    """
    effort = settings.effort if model.effort is None or settings.effort in model.effort else ""
    effort = choice(line.one("effort"), "--effort", EFFORTS) if line.has("effort") else effort
    thinks = model.thinking is None or bool({"adaptive", "enabled"} & set(model.thinking.modes))
    thinking = "shown" if line.has("thinking") or (settings.thinking and thinks) else ""
    wanted = Options(effort=effort, thinking=thinking)
    refuse(model, Wanted(effort=effort, thinking=wanted.mode(model)))
    return wanted


def server_tools(line: Line, model: Model, foreign: str) -> tuple[bytes, ...]:
    """The definitions of the API's own tools that the model may use, as JSON.

    Parameters
    ----------
    foreign : str
        The host that is asked, where it is not Anthropic's.

    Raises
    ------
    UsageProblem
        For what the model, or the host, is not known to have. Nothing was sent.
    """
    names = [name for name, flag in FLAGS.items() if line.has(flag.lstrip("-").replace("-", "_"))]
    return definitions(names, model, foreign=foreign, cite=line.has("cite"))


def most_rounds(line: Line, settings: Settings) -> int:
    """The most rounds of tool calls in one question."""
    return whole_number(line.one("rounds"), "--rounds") if line.has("rounds") else settings.tool_rounds


def patience(settings: Settings) -> Patience:
    """How long to wait, and how often to try."""
    return Patience(settings.first_event, settings.silence, settings.retries, settings.longest_wait)


def rerun(settings: Settings) -> OnRerun:
    """What running a cell again does to its turn."""
    return cast("OnRerun", settings.on_rerun)


def store_path(setting: str) -> Path | None:
    """Where conversations are kept; None for in memory only."""
    if setting == "memory":
        return None
    return (
        Path(setting).expanduser()
        if setting
        else Path(jupyter_data_dir(), "claude_magic", "conversations.db")
    )
