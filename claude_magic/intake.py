"""What flags, settings and kernel names say of a question, as the values that the question is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from jupyter_core.paths import jupyter_data_dir

from claude_magic.api.capabilities import Wanted, refuse
from claude_magic.api.models import EFFORTS, Model
from claude_magic.api.options import DATA_TOOL, Options
from claude_magic.api.patience import Patience
from claude_magic.api.server_tools import FLAGS, definitions
from claude_magic.conversation import OnRerun
from claude_magic.errors import UsageProblem, did_you_mean, names_in
from claude_magic.file_names import expanded
from claude_magic.flags import Line, Quoted, Verbatim, choice, whole_number
from claude_magic.settings import Settings
from claude_magic.structured import Shape, shape_of
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


def refuse_compared(line: Line) -> None:
    """Refuse what does not go with several models.

    Raises
    ------
    UsageProblem
        For the first such flag. Nothing was sent.
    """
    for flag, why in (
        ("tools", "a call asks for your leave, which one answer at a time can"),
        ("continue", "one answer at a time can be gone on with"),
        ("code", "--pick N takes one, and %claude_code its code"),
        ("count", "count for one at a time"),
        ("dry_run", "look at one at a time"),
    ):
        if line.has(flag):
            name = flag.replace("_", "-")
            raise UsageProblem(f"--{name} does not go with several models: {why}. Nothing was sent.")
    if line.has("pick") and line.has("no_history"):
        raise UsageProblem(
            "--pick takes an answer into the conversation: not with --no-history. Nothing was sent."
        )


def system_prompt(line: Line, settings: Settings, names: Mapping[str, Any]) -> str:
    """The system prompt: text, ``@file`` or, as a flag, a kernel variable of type str.

    Raises
    ------
    UsageProblem
        When the file cannot be read or there is no such variable. Nothing was sent.
    """
    if not line.has("system"):
        return _file_or_text(settings.system, "System prompt")
    return _told(line.one("system"), names, "-s", "System prompt")


def system_message(line: Line, names: Mapping[str, Any]) -> str:
    """The system message at this place of the conversation, given as a system prompt is; ``""`` for none.

    Raises
    ------
    UsageProblem
        As `system_prompt` does; and where there is nothing in it.
    """
    if not line.has("system_message"):
        return ""
    told = _told(line.one("system_message"), names, "--system-message", "System message")
    if not told.strip():
        raise UsageProblem("--system-message: there is nothing in it. Nothing was sent.")
    return told


def _told(value: str, names: Mapping[str, Any], flag: str, what: str) -> str:
    if isinstance(value, Verbatim):
        return str(value)
    if isinstance(value, Quoted) or not value.isidentifier():
        return _file_or_text(value, what)
    if value not in names:
        raise UsageProblem(
            f"{flag} {value}: no kernel name {value!r}.{did_you_mean(value, names)} "
            "Put a text of one word in quotes. Nothing was sent."
        )
    if not isinstance(names[value], str):
        kind = type(names[value]).__name__
        raise UsageProblem(f"{flag} {value}: a {what.lower()} is a str, not {kind}. Nothing was sent.")
    return str(names[value])


def _file_or_text(value: str, what: str) -> str:
    if not value.startswith("@"):
        return value
    path = expanded(value[1:])
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        near = names_in(path.parent)
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageProblem(
            f"{what} {value}: {reason}.{did_you_mean(path.name, near)} Nothing was sent."
        ) from error


def shape(line: Line, names: Mapping[str, Any]) -> Shape | None:
    """What the answer is to be, where it is data.

    Raises
    ------
    UsageProblem
        For what no answer can be, and for flags that do not go with it. Nothing was sent.
    """
    if not line.has("schema"):
        if line.has("frame"):
            raise UsageProblem("--frame makes a table of data: say which by --schema. Nothing was sent.")
        return None
    for flag, instead in (
        ("cite", "data cite nothing; ask for a field that names the source"),
        ("prefill", "the schema says how the answer begins"),
        ("continue", "half an answer is no data; ask again, with a larger --max-tokens"),
    ):
        if line.has(flag):
            raise UsageProblem(f"--schema does not go with --{flag}: {instead}. Nothing was sent.")
    return shape_of(line.one("schema").strip(), names, framed=line.has("frame"))


def options(
    line: Line, settings: Settings, model: Model, extra: Mapping[str, Any], shape: Shape | None = None
) -> Options:
    """How the model is to answer; by settings as far as it can, and as the flags of the cell say.

    Parameters
    ----------
    extra : mapping
        Further parameters of the request; what the model is known to refuse of them is refused too.
    shape : Shape or None
        What the answer is to be, where it is data.

    Raises
    ------
    UsageProblem
        For a flag or parameter that the model is known not to take. Nothing was sent.
    """
    effort = settings.effort if model.effort is None or settings.effort in model.effort else ""
    effort = choice(line.one("effort"), "--effort", EFFORTS) if line.has("effort") else effort
    thinks = model.thinking is None or bool({"adaptive", "enabled"} & set(model.thinking.modes))
    thinking = line.has("thinking") or (settings.thinking and thinks)
    by_call = shape is not None and model.structured is False
    if by_call and line.has("tools"):
        raise UsageProblem(
            f"{model.id} answers by a schema as a tool call: leave out --tools, or use another model. "
            "Nothing was sent."
        )
    wanted = Options(
        effort=effort,
        thinking=thinking,
        schema=shape.schema if shape else "",
        must_call=DATA_TOOL if by_call else "",
        prefill=_prefill(line),
    )
    needs = Wanted(
        effort=effort or _inner(extra, "output_config", "effort"),
        thinking=wanted.mode(model) or _inner(extra, "thinking", "type"),
        prefill=bool(wanted.prefill),
        structured=shape is not None,
        system_message=line.has("system_message"),
        fast=extra.get("speed") == "fast",
    )
    refuse(model, needs)
    return wanted


def _inner(parameters: Mapping[str, Any], name: str, field: str) -> str:
    """A word inside a parameter; ``""`` where there is none."""
    value = parameters.get(name)
    word = value.get(field) if isinstance(value, dict) else None
    return word if isinstance(word, str) else ""


def _prefill(line: Line) -> str:
    """How the answer begins; the API takes no blanks at the end of it."""
    begins = line.one("prefill").rstrip()
    if line.has("prefill") and not begins:
        raise UsageProblem("--prefill: there is nothing in it. Nothing was sent.")
    return begins


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
    hurry = settings.cassette.startswith("replay:") and settings.cassette_pace == "instant"
    return Patience(
        settings.first_event, settings.silence, settings.retries, settings.longest_wait, hurry=hurry
    )


def rerun(settings: Settings) -> OnRerun:
    """What running a cell again does to its turn."""
    return cast("OnRerun", settings.on_rerun)


def store_path(setting: str) -> Path | None:
    """Where conversations are kept; None for in memory only."""
    if setting == "memory":
        return None
    return expanded(setting) if setting else Path(jupyter_data_dir(), "claude_magic", "conversations.db")
