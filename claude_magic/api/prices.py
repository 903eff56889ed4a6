"""What tokens cost: list prices as data, the multipliers, and the sum of a reply.

All amounts are USD per million tokens. What has no published price costs None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from claude_magic.values import Usage

PRICES_AS_OF = "2026-11-21"
"""The day on which the prices were compared with the vendor's list."""
SOURCE = "the vendor's public price list, compared with litellm's price table"
"""Where they come from; rows on which the two differ would have no price."""

BATCH = 0.5
"""Message Batches cost half, cached tokens too."""
FAST = 2.0
"""Fast mode costs twice, where a model has it."""
US_ONLY = 1.1
"""Inference kept in the United States, on models from 4.6 on; older ones cost the same anywhere."""
WRITE_5M = 1.25
"""A cache entry for five minutes, times the input's price."""
WRITE_1H = 2.0
"""A cache entry for an hour, times the input's price."""

WEB_SEARCH = 0.01
"""USD a search: $10 per 1,000, after the vendor's page on it. No multiplier applies.

Reading pages costs nothing but its tokens. Running code is free beside the web tools of 2026, else charged by
the hour of its container; the usage of a reply tells nothing of that, so it is in no cost here.
"""

PER_TOKEN = 1e-6


@dataclass(frozen=True, slots=True)
class Rates:
    """What the tokens of one request cost, all multipliers applied; USD per million."""

    input: float
    output: float
    cache_read: float
    write_5m: float
    write_1h: float

    def times(self, factor: float) -> Rates:
        """All rates multiplied by ``factor``."""
        return Rates(*(getattr(self, one.name) * factor for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Prices:
    """The list prices of a model.

    Parameters
    ----------
    input, output, cache_read : float
        USD per million tokens; writes to the cache follow from ``input``.
    long_prompt : tuple of (int, float) or None
        Requests whose whole prompt, cached parts included, has more tokens than the first cost the second
        times as much, their output too.
    fast : bool
        Whether fast mode is offered, at twice the price.
    us_only : bool
        Whether inference in the United States costs a tenth more.
    """

    input: float
    output: float
    cache_read: float
    long_prompt: tuple[int, float] | None = None
    fast: bool = False
    us_only: bool = True

    def rates(
        self, prompt_tokens: int = 0, *, batch: bool = False, fast: bool = False, geo: str = ""
    ) -> Rates | None:
        """The rates of a request.

        Parameters
        ----------
        prompt_tokens : int
            Of the whole prompt.
        geo : str
            Where it is computed: ``"us"``; ``"global"``, ``"not_available"`` and ``""`` cost nothing more.

        Returns
        -------
        Rates or None
            None where no price is published: fast mode of a model without it, another place.
        """
        if (fast and not self.fast) or geo not in ("", "global", "not_available", "us"):
            return None
        factor = 1.0
        if self.long_prompt and prompt_tokens > self.long_prompt[0]:
            factor *= self.long_prompt[1]
        if batch:
            factor *= BATCH
        if fast:
            factor *= FAST
        if geo == "us" and self.us_only:
            factor *= US_ONLY
        plain = Rates(self.input, self.output, self.cache_read, self.input * WRITE_5M, self.input * WRITE_1H)
        return plain.times(factor)


def cost_at(
    prices: Prices | None,
    usage: Usage,
    *,
    batch: bool | None = None,
    fast: bool | None = None,
    geo: str | None = None,
) -> float | None:
    """What a reply costs at list prices.

    Parameters
    ----------
    prices : Prices or None
        None where no price is published.
    usage : Usage
        What the API counted. A priority tier is paid by contract and shown at the list price.
    batch, fast : bool or None
        Whether it is a batch's item, and in fast mode; None for as the usage says.
    geo : str or None
        Where it is computed; None for as the usage says.

    Returns
    -------
    float or None
        USD; None where no price is published.
    """
    if prices is None:
        return None
    rates = prices.rates(
        usage.prompt_tokens,
        batch=usage.service_tier == "batch" if batch is None else batch,
        fast=usage.speed == "fast" if fast is None else fast,
        geo=usage.inference_geo.lower() if geo is None else geo,
    )
    if rates is None:
        return None
    hour = usage.cache_creation_1h_tokens
    five_minutes = usage.cache_creation_input_tokens - hour
    tokens = (
        usage.input_tokens * rates.input
        + usage.output_tokens * rates.output
        + usage.cache_read_input_tokens * rates.cache_read
        + five_minutes * rates.write_5m
        + hour * rates.write_1h
    )
    return PER_TOKEN * tokens + usage.web_searches * WEB_SEARCH
