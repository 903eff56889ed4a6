"""The models: names, limits and prices.

Prices are USD per million tokens, from the vendor's public price list as of 2026-11-21; a model
without a price here is shown with its tokens and no cost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from claude_magic.errors import ConfigProblem, did_you_mean
from claude_magic.values import Usage

PRICES_AS_OF = "2026-11-21"
PER_TOKEN = 1e-6


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens; writes cost 1.25 × input for five minutes and 2 × for an hour."""

    input: float
    output: float
    cache_read: float

    def times(self, factor: float) -> Prices:
        """All rates multiplied by ``factor``."""
        return Prices(self.input * factor, self.output * factor, self.cache_read * factor)


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
    long_prompt : tuple of (int, float) or None
        Prompts above so many tokens cost so many times all rates.
    """

    id: str
    line: str
    prices: Prices | None
    window: int = 1_000_000
    max_output: int = 128_000
    density: float = 1.3
    long_edge: int = 1568
    long_prompt: tuple[int, float] | None = None

    @property
    def max_pages(self) -> int:
        """Most PDF pages, and most pictures, of one request."""
        return 100 if self.window <= 200_000 else 600


def _model(id_: str, prices: tuple[float, float, float] | None, kind: str = "") -> Model:
    """A row; ``kind`` is "" for today's form, "2576" with larger pictures, "4.6" or "200K" for older ones."""
    model = Model(id_, id_.split("-")[1], Prices(*prices) if prices else None)
    if kind in ("4.6", "200K"):
        model = replace(model, density=1.0)
    if kind == "200K":
        model = replace(model, window=200_000, max_output=64_000)
    if kind == "2576":
        model = replace(model, long_edge=2576)
    return model


# Newest first within a line: the first of a line is what its short name means.
CATALOGUE: tuple[Model, ...] = (
    _model("claude-fable-5-2", None),
    _model("claude-fable-5-1", (10, 50, 0.25)),
    _model("claude-fable-5", (10, 50, 1.00)),
    _model("claude-mythos-5-2", None),
    _model("claude-mythos-5-1", (10, 50, 0.25)),
    _model("claude-mythos-5", (10, 50, 1.00)),
    _model("claude-opus-5-5", (4, 20, 0.20), "2576"),
    _model("claude-opus-5", (5, 25, 0.50), "2576"),
    _model("claude-opus-4-8", (5, 25, 0.50), "2576"),
    _model("claude-opus-4-7", (5, 25, 0.50), "2576"),
    _model("claude-opus-4-6", (5, 25, 0.50), "4.6"),
    _model("claude-opus-4-5", (5, 25, 0.50), "200K"),
    _model("claude-opus-4-5-20251101", (5, 25, 0.50), "200K"),
    _model("claude-sonnet-5-5", (2, 10, 0.10)),
    _model("claude-sonnet-5", (2, 10, 0.20)),
    _model("claude-sonnet-4-6", (3, 15, 0.30), "4.6"),
    _model("claude-sonnet-4-5", (3, 15, 0.30), "200K"),
    _model("claude-sonnet-4-5-20250929", (3, 15, 0.30), "200K"),
    replace(_model("claude-haiku-5-5", (0.10, 0.50, 0.01)), long_prompt=(100_000, 5)),
    _model("claude-haiku-4-5", (1, 5, 0.10), "200K"),
    _model("claude-haiku-4-5-20251001", (1, 5, 0.10), "200K"),
)
LINES = tuple(dict.fromkeys(model.line for model in CATALOGUE))


def find(name: str) -> Model | None:
    """The model of this id, or the newest of this line; None when the catalogue does not know it."""
    for model in CATALOGUE:
        if name in (model.id, model.line):
            return model
    return None


def unlisted(name: str) -> Model:
    """A model the API knows and the catalogue does not: no price, cautious limits."""
    return Model(name, "", None, window=200_000, max_output=64_000)


def unknown(name: str) -> ConfigProblem:
    """The error for a name that is no model, with the nearest ones."""
    names = [*LINES, *(model.id for model in CATALOGUE)]
    hint = did_you_mean(name, names) or f" Short names: {', '.join(LINES)}."
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


def cost(model: Model, usage: Usage) -> float | None:
    """What a reply costs.

    Returns
    -------
    float or None
        USD; None where no price is known.
    """
    prices = model.prices
    if prices is None:
        return None
    if model.long_prompt and usage.prompt_tokens > model.long_prompt[0]:
        prices = prices.times(model.long_prompt[1])
    hour = usage.cache_creation_1h_tokens
    five_minutes = usage.cache_creation_input_tokens - hour
    return PER_TOKEN * (
        usage.input_tokens * prices.input
        + usage.output_tokens * prices.output
        + usage.cache_read_input_tokens * prices.cache_read
        + five_minutes * prices.input * 1.25
        + hour * prices.input * 2
    )


def saved_by_cache(name: str, usage: Usage) -> float | None:
    """What the prompt cache saved of a reply's cost: the same tokens, none of them cached, against these.

    Parameters
    ----------
    name : str
        The model's id, as the API tells it: a date may stand behind that of the catalogue.

    Returns
    -------
    float or None
        USD at today's list prices, below 0 where writing to the cache cost more than reading from it
        saved; None where no price is known.
    """
    model = find(name) or find(re.sub(r"-20\d{6}$", "", name))
    return saved(model, usage) if model is not None else None
