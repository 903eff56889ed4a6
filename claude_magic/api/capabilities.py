"""What a model refuses is refused here, before anything is sent, and with what to do instead.

Only what is known to be refused is: where the catalogue does not know, the API decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from claude_magic.api.models import CATALOGUE, EFFORTS, Model
from claude_magic.errors import UsageProblem


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants of its model; a field that is left out wants nothing.

    Parameters
    ----------
    max_tokens : int
        Most tokens of output.
    images, pages : int
        Pictures, and pages of PDFs, in the whole request.
    effort : str
        A level of effort.
    thinking : str
        A value of ``thinking.type``: ``"adaptive"``, ``"enabled"``, ``"disabled"``, ``"between_tools"``.
    prefill : bool
        Whether the beginning of the answer is given.
    structured : bool
        Whether the answer must follow a JSON schema, by structured outputs or as the call of a tool.
    system_message : bool
        Whether there is a system message inside the conversation.
    fast : bool
        Whether it is to be in fast mode.
    """

    max_tokens: int = 0
    images: int = 0
    pages: int = 0
    effort: str = ""
    thinking: str = ""
    prefill: bool = False
    structured: bool = False
    system_message: bool = False
    fast: bool = False


def refuse(model: Model, wanted: Wanted, among: Sequence[Model] = CATALOGUE) -> None:
    """Hold what a request wants against what its model takes.

    Parameters
    ----------
    among : sequence of Model
        Where another model is looked for that takes it.

    Raises
    ------
    UsageProblem
        With the first thing the model refuses, and what to do instead. Nothing was sent.
    """
    for rule in (_size, _media, _effort, _thinking, _rest):
        found = rule(model, wanted)
        if found:
            what, instead, takes = found
            advice = [instead, _use(model, takes, among)] if takes else [instead]
            raise UsageProblem(f"{what}: {', or '.join(filter(None, advice))}. Nothing was sent.")


_Refusal = tuple[str, str, Callable[[Model], bool] | None]
"""What the model refuses, what to do with this model, and which models take it."""


def _size(model: Model, wanted: Wanted) -> _Refusal | None:
    most = model.max_output
    if wanted.max_tokens <= most or not model.limits_known:
        return None
    return (
        f"{model.id} answers with at most {most:,} tokens, not {wanted.max_tokens:,}",
        f"use --max-tokens {most}",
        lambda other: other.max_output >= wanted.max_tokens,
    )


def _media(model: Model, wanted: Wanted) -> _Refusal | None:
    if wanted.images and model.images is False:
        return f"{model.id} takes no pictures", "leave them out", lambda other: bool(other.images)
    if wanted.pages and model.pdfs is False:
        return f"{model.id} takes no PDFs", "attach their text", lambda other: bool(other.pdfs)
    for count, what in ((wanted.images, "pictures"), (wanted.pages, "PDF pages")):
        if count > model.max_pages:
            said = f"{count:,} {what} in this conversation; {model.id} takes {model.max_pages}"
            return said, "begin a new one with --new", lambda other, n=count: other.max_pages >= n
    return None


def _effort(model: Model, wanted: Wanted) -> _Refusal | None:
    level = wanted.effort
    if not level or model.effort is None or level in model.effort:
        return None
    if not model.effort:
        return (
            f"{model.id} takes no effort",
            "leave --effort out",
            lambda other: level in (other.effort or ()),
        )
    return (
        f"{model.id} takes no effort {level!r}",
        f"use {_words(model.effort)}",
        (lambda other: level in (other.effort or ())) if level in EFFORTS else None,
    )


def _thinking(model: Model, wanted: Wanted) -> _Refusal | None:
    mode, able = wanted.thinking, model.thinking
    if not mode or able is None:
        return None
    off = mode in ("disabled", "between_tools")

    def takes(other: Model) -> bool:
        return other.thinking is not None and mode in other.thinking.modes

    if mode in able.modes:
        if off and wanted.effort and wanted.effort not in able.quiet:
            what = f"{model.id} cannot do without thinking at effort {wanted.effort}"
            return what, f"use effort {_words(able.quiet)}", None
        return None
    if not able.modes:
        return f"{model.id} does not think", "leave --thinking out", takes
    if off and able.always:
        return f"{model.id} always thinks", "lower the effort for less", takes
    if off:
        other = next(one for one in able.modes if one in ("disabled", "between_tools"))
        return f"{model.id} has no thinking {mode!r}", f"{other!r} turns it off", None
    if mode == "enabled":
        return f"{model.id} takes no budget for thinking", "say how much by --effort", takes
    if "enabled" not in able.modes:
        return f"{model.id} takes no thinking {mode!r}", f"it takes {_words(able.modes)}", takes
    return f"{model.id} thinks by a budget only", "give it one", takes


def _rest(model: Model, wanted: Wanted) -> _Refusal | None:
    if wanted.prefill and model.prefill is False:
        instead = "say in the prompt how the answer begins"
        return f"{model.id} takes no beginning of its answer", instead, lambda other: bool(other.prefill)
    if wanted.prefill and wanted.thinking == "enabled":
        return f"{model.id} takes no beginning of its answer while it thinks", "leave out one", None
    if wanted.system_message and model.system_turns is False:
        what = f"{model.id} takes no system message inside a conversation"
        return what, "say it in the prompt or with -s", lambda other: bool(other.system_turns)
    if wanted.structured and model.structured is False:
        if model.forced_tools is False:
            what = f"{model.id} has no structured outputs and cannot be forced to call a tool"
            return what, "ask for JSON in the prompt", lambda other: bool(other.structured)
        if wanted.thinking == "enabled":
            what = f"{model.id} answers by a schema only as a forced tool call, which needs thinking off"
            return what, "leave out --thinking", lambda other: bool(other.structured)
    if wanted.fast and model.prices is not None and not model.prices.fast:
        what = f"{model.id} has no fast mode"
        return what, "leave it out", lambda other: other.prices is not None and other.prices.fast
    return None


def _use(model: Model, takes: Callable[[Model], bool], among: Sequence[Model]) -> str:
    """Another model that takes it, of the same line if there is one; ``""`` for none."""
    good = [one for one in among if one.lifecycle == "active" and one.prices and not one.dated and takes(one)]
    nearest = sorted(good, key=lambda one: one.line != model.line)
    return f"use {nearest[0].id}" if nearest else ""


def _words(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
