"""The models this server offers: what each accepts, as a client of the Models API sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .errors import ApiError

_EPOCH = "1970-01-01T00:00:00Z"  # the API's own way to say "unknown"
_ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_STEPS = ("low", "medium", "high", "max")


@dataclass(frozen=True)
class Model:
    """What one model accepts.

    Parameters
    ----------
    id, line, name
        Its id, line (``opus``, ``sonnet`` …) and display name.
    thinking
        The ``thinking.type`` values it takes.
    thinks
        Whether it thinks when the request does not say.
    shows_thinking
        Whether thinking text is in the answer when ``display`` is not given.
    efforts
        The ``output_config.effort`` levels; empty when the parameter is refused.
    caches_from
        Tokens of the shortest prompt prefix that is cached.
    window, max_output
        Tokens of context, and of the longest answer.
    long_edge
        Pixels of the longer side to which images are scaled down.
    density
        Tokens per piece of text; newer tokenizers make about 30 % more.
    newest_tools
        Whether it takes the versions of the API's own tools from 2026 on.
    """

    id: str
    line: str
    name: str
    thinking: tuple[str, ...] = ("adaptive",)
    thinks: bool = True
    shows_thinking: bool = False
    efforts: tuple[str, ...] = _ALL_EFFORTS
    quiet_efforts: tuple[str, ...] = _ALL_EFFORTS  # the levels at which thinking may be disabled
    caches_from: int = 512
    window: int = 1_000_000
    max_output: int = 128_000
    long_edge: int = 1568
    density: float = 1.3
    prefill: bool = False
    forced_tools: bool = True
    system_turns: bool = True
    fast: bool = False
    newest_tools: bool = True
    created_at: str = _EPOCH
    lifecycle: str = "active"
    deprecated_at: str | None = None
    retires_at: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def many_media(self) -> int:
        """How many images, and how many PDF pages, one request may have."""
        return 100 if self.window <= 200_000 else 600

    def info(self) -> dict[str, Any]:
        """Return the model as the Models API describes it."""
        return {
            "id": self.id,
            "type": "model",
            "display_name": self.name,
            "created_at": self.created_at,
            "lifecycle": self.lifecycle,
            "deprecated_at": self.deprecated_at,
            "retires_at": self.retires_at,
            "line": self.line,
            "max_input_tokens": self.window,
            "max_tokens": self.max_output,
            "capabilities": self._capabilities(),
        }

    def _capabilities(self) -> dict[str, Any]:
        # Says what this server does for the model: no batches, no context editing.
        no, yes = {"supported": False}, {"supported": True}
        forms = ("adaptive", "enabled", "disabled", "between_tools")
        return {
            "batch": no,
            "citations": yes,
            "code_execution": yes,
            "context_management": {
                "supported": False,
                "clear_thinking_20251015": no,
                "clear_tool_uses_20250919": no,
                "compact_20260112": no,
            },
            "effort": {
                "supported": bool(self.efforts),
                **{level: {"supported": level in self.efforts} for level in _ALL_EFFORTS},
            },
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": True, "web_search": yes, "code_execution": yes},
            "structured_outputs": yes,
            "thinking": {
                "supported": True,
                "types": {form: {"supported": form in self.thinking} for form in forms},
            },
        }


_OFF = ("adaptive", "disabled")
_QUIET = ("low", "medium", "high")
_BUDGET = ("enabled", "disabled")
_HUNDRED: dict[str, Any] = {
    "window": 200_000,
    "max_output": 64_000,
    "density": 1.0,
    "prefill": True,
    "system_turns": False,
    "newest_tools": False,
}

_FABLE_5_1 = Model("claude-fable-5-1", "fable", "Claude Fable 5.1", forced_tools=False)
_FABLE_5 = Model("claude-fable-5", "fable", "Claude Fable 5")

_MODELS = (
    replace(_FABLE_5_1, id="claude-fable-5-2", name="Claude Fable 5.2"),
    replace(_FABLE_5_1, id="claude-mythos-5-2", line="mythos", name="Claude Mythos 5.2"),
    Model("claude-haiku-5-5", "haiku", "Claude Haiku 5.5", thinking=_OFF, quiet_efforts=_QUIET),
    Model(
        "claude-sonnet-5-5",
        "sonnet",
        "Claude Sonnet 5.5",
        thinking=("adaptive", "between_tools"),
        forced_tools=False,
    ),
    _FABLE_5_1,
    Model("claude-opus-5-5", "opus", "Claude Opus 5.5", forced_tools=False, long_edge=2576, fast=True),
    replace(_FABLE_5_1, id="claude-mythos-5-1", line="mythos", name="Claude Mythos 5.1"),
    Model("claude-sonnet-5", "sonnet", "Claude Sonnet 5", thinking=_OFF, caches_from=1024),
    _FABLE_5,
    replace(_FABLE_5, id="claude-mythos-5", line="mythos", name="Claude Mythos 5"),
    Model(
        "claude-opus-5",
        "opus",
        "Claude Opus 5",
        thinking=_OFF,
        quiet_efforts=_QUIET,
        long_edge=2576,
        fast=True,
    ),
    Model(
        "claude-opus-4-8",
        "opus",
        "Claude Opus 4.8",
        thinking=_OFF,
        thinks=False,
        caches_from=1024,
        long_edge=2576,
        fast=True,
    ),
    Model(
        "claude-opus-4-7",
        "opus",
        "Claude Opus 4.7",
        thinking=_OFF,
        thinks=False,
        caches_from=2048,
        long_edge=2576,
        system_turns=False,
    ),
    Model(
        "claude-opus-4-6",
        "opus",
        "Claude Opus 4.6",
        thinking=("adaptive", *_BUDGET),
        thinks=False,
        shows_thinking=True,
        efforts=_STEPS,
        caches_from=4096,
        density=1.0,
        system_turns=False,
    ),
    Model(
        "claude-sonnet-4-6",
        "sonnet",
        "Claude Sonnet 4.6",
        thinking=("adaptive", *_BUDGET),
        thinks=False,
        shows_thinking=True,
        efforts=_STEPS,
        caches_from=1024,
        density=1.0,
        system_turns=False,
    ),
    Model(
        "claude-opus-4-5",
        "opus",
        "Claude Opus 4.5",
        thinking=_BUDGET,
        thinks=False,
        shows_thinking=True,
        efforts=_QUIET,
        caches_from=4096,
        created_at="2025-11-01T00:00:00Z",
        aliases=("claude-opus-4-5-20251101",),
        **_HUNDRED,
    ),
    Model(
        "claude-haiku-4-5",
        "haiku",
        "Claude Haiku 4.5",
        thinking=_BUDGET,
        thinks=False,
        shows_thinking=True,
        efforts=(),
        caches_from=4096,
        created_at="2025-10-01T00:00:00Z",
        aliases=("claude-haiku-4-5-20251001",),
        **_HUNDRED,
    ),
    Model(
        "claude-sonnet-4-5",
        "sonnet",
        "Claude Sonnet 4.5",
        thinking=_BUDGET,
        thinks=False,
        shows_thinking=True,
        efforts=(),
        caches_from=1024,
        created_at="2025-09-29T00:00:00Z",
        lifecycle="deprecated",
        deprecated_at=_EPOCH,
        retires_at="2026-11-30T00:00:00Z",
        aliases=("claude-sonnet-4-5-20250929",),
        **_HUNDRED,
    ),
)


def _retired(name: str, line: str, title: str, retired: str) -> Model:
    return Model(
        name,
        line,
        title,
        thinking=_BUDGET,
        thinks=False,
        efforts=(),
        caches_from=1024,
        lifecycle="retired",
        deprecated_at=_EPOCH,
        retires_at=f"{retired}T00:00:00Z",
        **_HUNDRED,
    )


_RETIRED = (
    _retired("claude-opus-4-20250514", "opus", "Claude Opus 4", "2026-06-15"),
    _retired("claude-sonnet-4-20250514", "sonnet", "Claude Sonnet 4", "2026-06-15"),
    _retired("claude-3-7-sonnet-20250219", "sonnet", "Claude Sonnet 3.7", "2026-02-19"),
    _retired("claude-3-5-haiku-20241022", "haiku", "Claude Haiku 3.5", "2026-02-19"),
)


class Catalogue:
    """The models on offer, newest first.

    Parameters
    ----------
    names
        Ids to offer; every known model when empty.

    Raises
    ------
    ValueError
        A name is not a model this server knows.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        known = {model.id: model for model in (*_MODELS, *_RETIRED)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"unknown models: {', '.join(unknown)}")
        self._models = {name: model for name, model in known.items() if not names or name in names}
        self._aliases = {alias: model for model in self._models.values() for alias in model.aliases}

    def find(self, name: str) -> Model:
        """Return the model of that id or alias; 404 when there is none."""
        model = self._models.get(name) or self._aliases.get(name)
        if model is None:
            raise ApiError(404, f"model: {name}")
        return model

    def usable(self, name: str) -> Model:
        """Return the model for inference; 404 when it is unknown or retired."""
        model = self.find(name)
        if model.lifecycle == "retired":
            raise ApiError(404, f"model: {name}")
        return model

    def page(self, *, limit: int, after: str, before: str, lifecycles: tuple[str, ...]) -> dict[str, Any]:
        """Return one page of the Models API's list; an unknown cursor is a 400."""
        models = [model for model in self._models.values() if model.lifecycle in lifecycles]
        names = [model.id for model in models]
        for cursor, field in ((after, "after_id"), (before, "before_id")):
            if cursor and cursor not in names:
                raise ApiError(400, f"{field}: no such model: {cursor}")
        if after:
            models = models[names.index(after) + 1 :]
            chosen, more = models[:limit], len(models) > limit
        elif before:
            models = models[: names.index(before)]
            chosen, more = models[-limit:], len(models) > limit
        else:
            chosen, more = models[:limit], len(models) > limit
        return {
            "data": [model.info() for model in chosen],
            "has_more": more,
            "first_id": chosen[0].id if chosen else None,
            "last_id": chosen[-1].id if chosen else None,
        }
