"""The models: names, limits, abilities and prices, as shipped.

The table is data of a day (`TABLE_AS_OF`). What the Models API says of a model goes before it: see
`claude_magic.api.catalogue`. It says neither prices nor what concerns prefill, forced tools and the
cache, so these are known for the models here only.

Throughout, None means "not known", and nothing is refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from claude_magic.api.prices import Prices, cost_at
from claude_magic.errors import ConfigProblem, did_you_mean
from claude_magic.values import Usage

TABLE_AS_OF = "2026-11-21"
"""The day of the table below."""
TABLE_SOURCE = "the vendor's documentation and its Python SDK 2.11.0"
"""Where its limits and abilities come from; the 5.2 models, without a price, are presumed to be like 5.1."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""All levels of effort, in their order."""
_TO_HIGH = EFFORTS[:3]


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model thinks.

    Parameters
    ----------
    modes : tuple of str
        The values of ``thinking.type`` it takes, of ``"adaptive"``, ``"enabled"`` (with a budget),
        ``"disabled"`` and ``"between_tools"`` (off, with notes between tool calls).
    by_itself : bool or None
        Whether it thinks when the request does not say.
    quiet : tuple of str
        The levels of effort at which thinking can be off.
    """

    modes: tuple[str, ...]
    by_itself: bool | None = None
    quiet: tuple[str, ...] = EFFORTS

    @property
    def always(self) -> bool:
        """Whether thinking cannot be turned off."""
        return not {"disabled", "between_tools"} & set(self.modes)


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the user meets it.

    Parameters
    ----------
    id : str
        The API's id.
    line : str
        ``haiku``, ``sonnet``, ``opus``, ``fable`` or ``mythos``; also the short name of its newest.
    prices : Prices or None
        None where no public price is known.
    window, max_output : int
        Tokens.
    density : float
        For the running estimate only; models from 4.7 on use a denser tokenizer.
    long_edge : int
        The longest side of a picture, in pixels, that the model looks at without scaling it down.
    title : str
        Its name for people.
    lifecycle : str
        ``"active"``; ``"deprecated"``: works, and will be retired; ``"retired"``: no longer answers.
    retires : date or None
        When it is to be retired, or was.
    successor : str
        The id of the model that takes its place, ``""`` where none is named.
    min_cache : int or None
        Tokens of the shortest prompt that the cache keeps.
    thinking : Thinking or None
        How it thinks.
    effort : tuple of str or None
        The levels of effort it takes, () for none.
    default_effort : str
        The level when the request does not say.
    prefill : bool or None
        Whether the beginning of its answer can be given.
    forced_tools : bool or None
        Whether it can be made to call a tool.
    system_turns : bool or None
        Whether it takes system messages inside a conversation.
    images, pdfs, structured : bool or None
        Whether it takes pictures and PDFs, and answers by a JSON schema.
    web_search, code_execution : bool or None
        Whether the API that was asked says that it has these tools for it.
    dated : str
        Of an id with a date in it: the plain id of the same model.
    limits_known : bool
        Whether ``window`` and ``max_output`` are more than a cautious guess.
    """

    id: str
    line: str
    prices: Prices | None
    window: int = 1_000_000
    max_output: int = 128_000
    density: float = 1.3
    long_edge: int = 1568
    title: str = ""
    lifecycle: str = "active"
    retires: date | None = None
    successor: str = ""
    min_cache: int | None = None
    thinking: Thinking | None = None
    effort: tuple[str, ...] | None = None
    default_effort: str = ""
    prefill: bool | None = None
    forced_tools: bool | None = None
    system_turns: bool | None = None
    images: bool | None = None
    pdfs: bool | None = None
    structured: bool | None = None
    web_search: bool | None = None
    code_execution: bool | None = None
    dated: str = ""
    limits_known: bool = True

    @property
    def max_pages(self) -> int:
        """Most PDF pages, and most pictures, of one request."""
        return 100 if self.window <= 200_000 else 600


_ALWAYS = Thinking(("adaptive",), by_itself=True, quiet=())
_ON = Thinking(("adaptive", "disabled"), by_itself=True)
_OFF = Thinking(("adaptive", "disabled"), by_itself=False)
_EITHER = Thinking(("adaptive", "enabled", "disabled"), by_itself=False)
_BUDGET = Thinking(("enabled", "disabled"), by_itself=False)


def _row(
    id_: str,
    prices: Prices | None,
    min_cache: int | None,
    thinking: Thinking,
    default_effort: str = "high",
    *,
    forced: bool = True,
    system: bool = True,
    effort: tuple[str, ...] = EFFORTS,
    long_edge: int = 1568,
) -> Model:
    """A model of today's form: 1M tokens of context, 128K of output, no prefill."""
    _, line, *version = id_.split("-")
    return Model(
        id_,
        line,
        prices,
        long_edge=long_edge,
        title=f"Claude {line.capitalize()} {'.'.join(version)}",
        min_cache=min_cache,
        thinking=thinking,
        effort=effort,
        default_effort=default_effort,
        prefill=False,
        forced_tools=forced,
        system_turns=system,
        images=True,
        pdfs=True,
        structured=True,
    )


def _small(model: Model) -> Model:
    """A model of the form before 4.6: 200K tokens of context, 64K of output, prefill."""
    return replace(
        model,
        window=200_000,
        max_output=64_000,
        density=1.0,
        prefill=True,
        system_turns=False,
        default_effort=model.default_effort if model.effort else "",
    )


def _usd(
    input_: float, output: float, cache_read: float, *, us_only: bool = True, fast: bool = False
) -> Prices:
    return Prices(input_, output, cache_read, fast=fast, us_only=us_only)


_FABLE_5_1 = _row("claude-fable-5-1", _usd(10, 50, 0.25), 512, _ALWAYS, forced=False)
_FABLE_5 = _row("claude-fable-5", _usd(10, 50, 1.00), 512, _ALWAYS)
_FABLE_5_2 = replace(
    _FABLE_5_1,
    id="claude-fable-5-2",
    prices=None,
    title="Claude Fable 5.2",
    min_cache=None,
    default_effort="",
)
_OPUS_4_5 = _small(_row("claude-opus-4-5", _usd(5, 25, 0.50, us_only=False), 4096, _BUDGET, effort=_TO_HIGH))
_SONNET_4_5 = replace(
    _small(_row("claude-sonnet-4-5", _usd(3, 15, 0.30, us_only=False), 1024, _BUDGET, effort=())),
    lifecycle="deprecated",
    retires=date(2026, 11, 30),
    successor="claude-sonnet-5-5",
)
_HAIKU_4_5 = _small(_row("claude-haiku-4-5", _usd(1, 5, 0.10, us_only=False), 4096, _BUDGET, effort=()))
_STEPS = ("low", "medium", "high", "max")


def _mythos(fable: Model) -> Model:
    """Mythos is Fable for the invited."""
    id_, title = (
        text.replace("fable", "mythos").replace("Fable", "Mythos") for text in (fable.id, fable.title)
    )
    return replace(fable, id=id_, line="mythos", title=title)


def _of_day(model: Model, day: str) -> Model:
    return replace(model, id=f"{model.id}-{day}", dated=model.id)


# Newest first within a line: the first of a line is what its short name means.
CATALOGUE: tuple[Model, ...] = (
    _FABLE_5_2,
    _FABLE_5_1,
    _FABLE_5,
    _mythos(_FABLE_5_2),
    _mythos(_FABLE_5_1),
    _mythos(_FABLE_5),
    _row(
        "claude-opus-5-5", _usd(4, 20, 0.20, fast=True), 512, _ALWAYS, "medium", forced=False, long_edge=2576
    ),
    _row("claude-opus-5", _usd(5, 25, 0.50, fast=True), 512, replace(_ON, quiet=_TO_HIGH), long_edge=2576),
    _row("claude-opus-4-8", _usd(5, 25, 0.50, fast=True), 1024, _OFF, long_edge=2576),
    _row("claude-opus-4-7", _usd(5, 25, 0.50), 2048, _OFF, system=False, long_edge=2576),
    replace(
        _row("claude-opus-4-6", _usd(5, 25, 0.50), 4096, _EITHER, system=False, effort=_STEPS), density=1.0
    ),
    _OPUS_4_5,
    _of_day(_OPUS_4_5, "20251101"),
    # Its cache reads cost 0.20 before 2026-10-07.
    _row(
        "claude-sonnet-5-5",
        _usd(2, 10, 0.10),
        512,
        Thinking(("adaptive", "between_tools"), True),
        forced=False,
    ),
    _row("claude-sonnet-5", _usd(2, 10, 0.20), 1024, _ON),
    replace(
        _row("claude-sonnet-4-6", _usd(3, 15, 0.30), 1024, _EITHER, system=False, effort=_STEPS), density=1.0
    ),
    _SONNET_4_5,
    _of_day(_SONNET_4_5, "20250929"),
    _row(
        "claude-haiku-5-5",
        Prices(0.10, 0.50, 0.01, long_prompt=(100_000, 5)),
        512,
        replace(_ON, quiet=_TO_HIGH),
        "medium",
    ),
    _HAIKU_4_5,
    _of_day(_HAIKU_4_5, "20251001"),
)
LINES = tuple(dict.fromkeys(model.line for model in CATALOGUE))


def _gone(id_: str, line: str, day: tuple[int, int, int]) -> Model:
    """A model that no longer answers; its successor is the newest of its line."""
    successor = next(model.id for model in CATALOGUE if model.line == line and model.prices)
    return replace(unlisted(id_), line=line, lifecycle="retired", retires=date(*day), successor=successor)


def unlisted(name: str) -> Model:
    """A model the API knows and the catalogue does not: no price, cautious limits."""
    return Model(name, "", None, window=200_000, max_output=64_000, limits_known=False)


RETIRED: tuple[Model, ...] = (
    _gone("claude-mythos-preview", "mythos", (2026, 6, 30)),
    _gone("claude-opus-4-0", "opus", (2026, 6, 15)),
    _gone("claude-opus-4-20250514", "opus", (2026, 6, 15)),
    _gone("claude-sonnet-4-0", "sonnet", (2026, 6, 15)),
    _gone("claude-sonnet-4-20250514", "sonnet", (2026, 6, 15)),
    _gone("claude-3-7-sonnet-20250219", "sonnet", (2026, 2, 19)),
    _gone("claude-3-7-sonnet-latest", "sonnet", (2026, 2, 19)),
    _gone("claude-3-5-haiku-20241022", "haiku", (2026, 2, 19)),
    _gone("claude-3-5-haiku-latest", "haiku", (2026, 2, 19)),
    _gone("claude-3-opus-20240229", "opus", (2026, 1, 5)),
    _gone("claude-3-sonnet-20240229", "sonnet", (2025, 7, 21)),
)
"""Ids that old tutorials name, after the SDK's list of deprecated models; they no longer answer."""


def find(name: str, models: Iterable[Model] = (*CATALOGUE, *RETIRED)) -> Model | None:
    """The model of this id, or the one a line's short name means; None when there is none.

    A short name means the first of its line that is not retired. The shipped table has the newest first;
    to it a list of the API adds what is newer than the table: see `claude_magic.api.catalogue`.
    """
    among = tuple(models)
    of_line = (model for model in among if model.line == name and model.lifecycle != "retired")
    return next((model for model in among if model.id == name), None) or next(of_line, None)


def unknown(name: str, models: Iterable[Model] = CATALOGUE) -> ConfigProblem:
    """The error for a name that is no model, with the nearest ones."""
    among = tuple(models)
    lines = tuple(dict.fromkeys(model.line for model in among if model.line))
    hint = did_you_mean(name, [*lines, *(model.id for model in among)])
    hint = hint or f" Short names: {', '.join(lines)}."
    return ConfigProblem(f"No model {name!r}.{hint} Nothing was sent.")


def saved(model: Model, usage: Usage) -> float | None:
    """What the prompt cache saved of a reply: below 0 where more was written to it than read from it.

    Returns
    -------
    float or None
        USD, against the same tokens uncached; None where no price is known.
    """
    uncached = replace(
        usage,
        input_tokens=usage.prompt_tokens,
        cache_read_input_tokens=0,
        cache_creation_input_tokens=0,
        cache_creation_1h_tokens=0,
    )
    without, paid = cost(model, uncached), cost(model, usage)
    return None if without is None or paid is None else without - paid


def saved_by_cache(name: str, usage: Usage) -> float | None:
    """What the prompt cache saved of a reply of the model of this id; as of `saved`."""
    model = find(name) or find(plain_id(name))
    return saved(model, usage) if model is not None else None


def plain_id(name: str) -> str:
    """An id without the date that may be in it: both mean the same model."""
    return re.sub(r"-20\d{6}$", "", name)


def cost(
    model: Model,
    usage: Usage,
    *,
    batch: bool | None = None,
    fast: bool | None = None,
    geo: str | None = None,
) -> float | None:
    """What a reply costs at list prices.

    Parameters
    ----------
    batch, fast, geo : optional
        As of `claude_magic.api.prices.cost_at`; None for as the usage says.

    Returns
    -------
    float or None
        USD; None where no price is known.
    """
    return cost_at(model.prices, usage, batch=batch, fast=fast, geo=geo)
