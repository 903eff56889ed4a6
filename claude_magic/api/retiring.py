"""What is said of a model that is on its way out."""

from __future__ import annotations

from datetime import date

from claude_magic.api.models import Model


def farewell(model: Model, today: date) -> str:
    """What to tell who uses a model that is on its way out; ``""`` for one that is not.

    Parameters
    ----------
    today : date
        The day from which days are counted.
    """
    successor = f"; its successor is {model.successor}" if model.successor else ""
    if model.lifecycle == "retired":
        when = f" on {model.retires}" if model.retires else ""
        return f"{model.id} was retired{when}{successor}. The API is asked all the same."
    if model.lifecycle != "deprecated":
        return ""
    check = (
        f" %claude_compare -m {model.id} -m {model.successor} tells what would change." if successor else ""
    )
    return f"{model.id} {leaving(model, today)}{successor}.{check}"


def leaving(model: Model, today: date) -> str:
    """When a deprecated model is to go: ``"retires in 9 days (2026-11-30)"``."""
    if model.retires is None:
        return "is deprecated"
    left = (model.retires - today).days
    if left < 0:
        return f"was to retire on {model.retires}"
    when = {0: "today", 1: "tomorrow"}.get(left, f"in {left} days")
    return f"retires {when} ({model.retires})"
