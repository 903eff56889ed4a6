"""The models as ``%claude_models`` shows them: all at a glance, or one with everything known of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from claude_magic.api.catalogue import OLD, Catalogue
from claude_magic.api.models import LINES, TABLE_AS_OF, TABLE_SOURCE, Model, Thinking
from claude_magic.api.prices import PRICES_AS_OF, SOURCE, WEB_SEARCH, Prices, Rates
from claude_magic.api.retiring import leaving
from claude_magic.display.table import Table

_HEAD = ("-m", "model", "context", "max out", "$ in", "$ out", "$ cached", "thinks", "takes", "")


def all_models(catalogue: Catalogue, today: date, *, every: bool = False) -> Table:
    """One row a model, newest first within its line.

    Parameters
    ----------
    every : bool
        Also ids with a date in them, and models that no longer answer.
    """
    shown = [one for one in catalogue.models if every or not (one.dated or one.lifecycle == "retired")]
    lines = dict.fromkeys((*LINES, *(one.line for one in shown)))
    rows = [_row(model, catalogue, today) for line in lines for model in shown if model.line == line]
    prices = f"List prices of {PRICES_AS_OF}, USD per million tokens"
    return Table(_HEAD, tuple(rows), f"{prices}. Limits and abilities {_whence(catalogue, today)}")


def one_model(model: Model, catalogue: Catalogue, today: date) -> Table:
    """Everything known of one model, each of its prices too."""
    rows = [(what, value) for what, value in _facts(model, catalogue, today) if value]
    return Table(("", model.id), tuple(rows), f"Limits and abilities {_whence(catalogue, today)}")


def _whence(catalogue: Catalogue, today: date) -> str:
    age = catalogue.age(today)
    if age is None:
        return f"of {TABLE_AS_OF}, from {TABLE_SOURCE}; --refresh asks the API."
    days = {0: "today", 1: "1 day ago"}.get(age, f"{age} days ago")
    again = "; that is old, --refresh asks again" if age > OLD else ""
    return f"as {catalogue.host} listed them on {catalogue.asked} ({days}{again})."


def _row(model: Model, catalogue: Catalogue, today: date) -> tuple[str, ...]:
    short = catalogue.find(model.line) if model.line else None
    prices = model.prices
    marks = (
        ("images", model.images),
        ("PDF", model.pdfs),
        ("schema", model.structured),
        ("prefill", model.prefill),
    )
    return (
        model.line if short is not None and short.id == model.id else "",
        model.id,
        tokens(model.window) if model.limits_known else "?",
        tokens(model.max_output) if model.limits_known else "?",
        *((usd(prices.input), usd(prices.output), usd(prices.cache_read)) if prices else ("?", "?", "?")),
        _thinks(model.thinking),
        " ".join(mark for mark, on in marks if on),
        "; ".join(_notes(model, catalogue, today)),
    )


def _notes(model: Model, catalogue: Catalogue, today: date) -> Iterator[str]:
    if model.lifecycle == "retired":
        yield f"retired {model.retires or ''}".strip() + _then(model)
    elif model.lifecycle == "deprecated":
        yield leaving(model, today) + _then(model)
    elif catalogue.asked is not None and not _is_listed(model, catalogue):
        yield "not listed"
    if model.prices is None and model.lifecycle != "retired":
        yield "no published price"
    elif model.prices is not None and model.prices.long_prompt:
        limit, factor = model.prices.long_prompt
        yield f"all prices ×{factor:g} when the prompt has more than {tokens(limit)}"


def _is_listed(model: Model, catalogue: Catalogue) -> bool:
    names = {one.id for one in catalogue.listed}
    same = {model.id, model.dated, *(one.id for one in catalogue.models if one.dated == model.id)}
    return bool(names & same)


def _then(model: Model) -> str:
    return f" → {model.successor}" if model.successor else ""


def _thinks(thinking: Thinking | None) -> str:
    if thinking is None:
        return "?"
    if thinking.always:
        return "always"
    if "adaptive" not in thinking.modes:
        return "with a budget"
    return "off by default" if thinking.by_itself is False else "on by default"


def _facts(model: Model, catalogue: Catalogue, today: date) -> Iterator[tuple[str, str]]:
    yield "name", model.title
    yield "line", model.line
    yield "state", "; ".join((model.lifecycle, *_notes(model, catalogue, today)))
    if model.limits_known:
        yield "context", f"{model.window:,} tokens"
        yield "longest answer", f"{model.max_output:,} tokens, thinking included"
    yield "cache", f"keeps prompts of {model.min_cache:,} tokens or more" if model.min_cache else ""
    yield "thinking", _thinking(model.thinking)
    yield "effort", _effort(model)
    yield "pictures", _yes(model.images, f"up to {model.max_pages} a request, {model.long_edge} px used")
    yield "PDFs", _yes(model.pdfs, f"up to {model.max_pages} pages a request")
    yield "answer by a schema", _yes(model.structured)
    yield "forced tool calls", _yes(model.forced_tools)
    yield "prefill", _yes(model.prefill)
    yield "system messages inside a conversation", _yes(model.system_turns)
    if model.prices is None:
        yield "prices", "not published: answers show tokens and no cost"
        return
    yield from _prices(model.prices)
    yield "prices from", f"{SOURCE}, {PRICES_AS_OF}; USD per million tokens"


def _prices(prices: Prices) -> Iterator[tuple[str, str]]:
    """Every price row; multipliers that meet are multiplied."""
    steps = [(0, "")]
    if prices.long_prompt:
        limit, _ = prices.long_prompt
        steps = [(limit, f", prompt up to {tokens(limit)}"), (limit + 1, f", prompt above {tokens(limit)}")]
    for length, step in steps:
        yield f"price{step}", _rates(prices.rates(length))
        yield f"as a batch{step}", _rates(prices.rates(length, batch=True))
        if prices.fast:
            yield f"fast mode{step}", _rates(prices.rates(length, fast=True))
        if prices.us_only:
            yield f"in the US only{step}", _rates(prices.rates(length, geo="us"))
    yield (
        "web search",
        f"{usd(WEB_SEARCH * 1000)} per 1,000 (this one price was not compared), results as input",
    )


def _rates(rates: Rates | None) -> str:
    if rates is None:
        return ""
    return (
        f"{usd(rates.input)} in, {usd(rates.output)} out, {usd(rates.cache_read)} cache read, "
        f"{usd(rates.write_5m)} cache write for 5 min, {usd(rates.write_1h)} for 1 h"
    )


def _thinking(thinking: Thinking | None) -> str:
    if thinking is None:
        return "not known"
    default = {True: "on unless said otherwise", False: "off unless asked for", None: ""}[thinking.by_itself]
    said = "always on" if thinking.always else default
    return f"{said}; takes {', '.join(thinking.modes)}".removeprefix("; ")


def _effort(model: Model) -> str:
    if model.effort is None:
        return "not known"
    default = f"; {model.default_effort} unless said otherwise" if model.default_effort else ""
    return f"{', '.join(model.effort)}{default}" if model.effort else "none taken"


def _yes(able: bool | None, more: str = "") -> str:
    if able is None:
        return "not known"
    return (more or "yes") if able else "no"


def tokens(count: int) -> str:
    """A number of tokens, short: ``200K``, ``1M``."""
    if count >= 1_000_000:
        return f"{count / 1_000_000:.4g}M"
    return f"{count / 1_000:.4g}K" if count >= 1_000 else str(count)


def usd(amount: float) -> str:
    """A price with the digits it has, two at least after the point: ``$5``, ``$0.10``, ``$0.125``."""
    whole, _, digits = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{digits:0<2}" if digits else f"${whole}"
