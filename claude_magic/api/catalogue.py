"""The models as an API lists them, over the shipped table; and that list as text, to be kept.

The API tells limits, abilities, dates and what becomes of a model; prices, the cache's shortest prompt,
prefill and forced tools come from the table. Of a model that the table lacks these are not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from anthropic import Anthropic
from anthropic.types import ModelInfo

from claude_magic.api import models, providers
from claude_magic.api.failures import from_sdk, no_api
from claude_magic.api.models import CATALOGUE, EFFORTS, RETIRED, TABLE_AS_OF, Model, Thinking
from claude_magic.errors import ConfigProblem, Interrupted

MOST = 2_000
"""Models that are read of a list; a list that goes on and on is not read to its end."""
PAGE = 1_000
"""Models a page: as many as the API gives."""
SECONDS = 30.0
"""For each page."""
OLD = 7
"""Days after which a list is called old; it is used all the same."""

_MODES = ("adaptive", "enabled", "disabled", "between_tools")
_LIFECYCLES = ("active", "deprecated", "retired")


@dataclass(frozen=True, slots=True)
class Listed:
    """What an API says of one model; None and ``""`` where it says nothing.

    Parameters
    ----------
    created, retires : str
        Days, as ``YYYY-MM-DD``.
    """

    id: str
    title: str = ""
    line: str = ""
    lifecycle: str = ""
    created: str = ""
    retires: str = ""
    window: int | None = None
    max_output: int | None = None
    images: bool | None = None
    pdfs: bool | None = None
    structured: bool | None = None
    web_search: bool | None = None
    code_execution: bool | None = None
    effort: tuple[str, ...] | None = None
    thinking: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models that are known, and where from.

    Parameters
    ----------
    models : tuple of Model
        Newest first within a line; the retired ones last.
    host : str
        Whose list is in it; ``""`` for the shipped table alone.
    asked : date or None
        When it was listed.
    listed : tuple of Listed
        The list itself.
    names : tuple of (str, str)
        Other names and the ids they mean.
    """

    models: tuple[Model, ...] = (*CATALOGUE, *RETIRED)
    host: str = ""
    asked: date | None = None
    listed: tuple[Listed, ...] = ()
    names: tuple[tuple[str, str], ...] = ()

    def find(self, name: str) -> Model | None:
        """The model of an id, or of a line's short name: the first of its line that is not retired.

        That is the shipped table's first, unless the API lists one of this line that the table lacks and
        that was made after the table's day; of several of these, the newest.
        """
        return models.find(dict(self.names).get(name, name), self.models)

    def unknown(self, name: str) -> ConfigProblem:
        """The error for a name that is no model here."""
        return models.unknown(name, (model for model in self.models if model.lifecycle != "retired"))

    def with_name(self, name: str, listed: Listed) -> Catalogue:
        """The catalogue with one more model, and a name it is known by."""
        others = tuple(one for one in self.listed if one.id != listed.id)
        names = dict(self.names) | ({name: listed.id} if name != listed.id else {})
        return merged((*others, listed), self.host, self.asked, tuple(names.items()))

    def age(self, today: date) -> int | None:
        """Days since it was listed, None for the shipped table."""
        return None if self.asked is None else max(0, (today - self.asked).days)


SHIPPED = Catalogue()
"""The table alone."""


def merged(
    listed: tuple[Listed, ...], host: str, asked: date | None, names: tuple[tuple[str, str], ...] = ()
) -> Catalogue:
    """The shipped table with what an API has listed over it."""
    told = {one.id: one for one in listed}
    shipped = (*CATALOGUE, *RETIRED)
    # An API may list a model under its id with a date only.
    for dated in (model for model in shipped if model.dated):
        for one, other in ((dated.id, dated.dated), (dated.dated, dated.id)):
            if one in told:
                told.setdefault(other, told[one])
    known = [_over(told[model.id], model) if model.id in told else model for model in shipped]
    ids = {model.id for model in known}
    others = sorted((one for one in listed if one.id not in ids), key=lambda one: one.created, reverse=True)
    newer = [_over(one, models.unlisted(one.id)) for one in others if one.created > TABLE_AS_OF]
    older = [_over(one, models.unlisted(one.id)) for one in others if one.created <= TABLE_AS_OF]
    among = (*newer, *known, *older)
    ordered = sorted(among, key=lambda model: model.lifecycle == "retired")
    return Catalogue(tuple(_succeeded(one, ordered) for one in ordered), host, asked, listed, names)


def _succeeded(model: Model, among: list[Model]) -> Model:
    """The model with a successor, where it leaves and none is named: the first of its line that stays."""
    if model.lifecycle == "active" or model.successor or not model.line:
        return model
    stays = (one.id for one in among if one.line == model.line and one.lifecycle == "active")
    return replace(model, successor=next(stays, ""))


def _over(listed: Listed, known: Model) -> Model:
    """A model as known, with what the API says in its place."""
    lifecycle = listed.lifecycle or known.lifecycle
    thinking = known.thinking
    if listed.thinking is not None and (thinking is None or set(listed.thinking) != set(thinking.modes)):
        thinking = Thinking(listed.thinking, thinking.by_itself if thinking else None)
    default = known.default_effort
    if listed.effort is not None and default not in listed.effort:
        default = ""
    return replace(
        known,
        title=listed.title or known.title,
        line=listed.line or known.line,
        lifecycle=lifecycle,
        retires=date.fromisoformat(listed.retires) if listed.retires else known.retires,
        window=listed.window or known.window,
        max_output=listed.max_output or known.max_output,
        limits_known=known.limits_known or bool(listed.window and listed.max_output),
        images=known.images if listed.images is None else listed.images,
        pdfs=known.pdfs if listed.pdfs is None else listed.pdfs,
        structured=known.structured if listed.structured is None else listed.structured,
        web_search=listed.web_search,
        code_execution=listed.code_execution,
        effort=known.effort if listed.effort is None else listed.effort,
        default_effort=default,
        thinking=thinking,
    )


# From the API


def fetch(client: Anthropic, host: str, today: date, *, page: int = PAGE) -> Catalogue:
    """Ask an API for all its models; this costs nothing.

    Parameters
    ----------
    host : str
        What the list is kept under.
    today : date
        The day it is noted under.
    page : int
        Models a request.

    Raises
    ------
    UsageProblem
        When the provider has no list. Nothing was sent.
    ApiProblem
        When it does not answer, or is no Messages API.
    Interrupted
        When the notebook's interrupt came meanwhile.
    """
    providers.refuse_missing(client, "models")
    problem: BaseException
    try:
        found = {one.id: one for one in _all(client, page)}
    except KeyboardInterrupt:  # its traceback would go through frames that hold the key
        problem = Interrupted("stopped by the notebook while the models were listed. Nothing was asked")
    except Exception as error:  # noqa: BLE001 - what is no API raises anything
        problem = from_sdk(error, client, "")
    else:
        if found:
            return merged(tuple(found.values()), host, today)
        problem = no_api(client)
    raise problem  # outside the except: what the SDK raised, with the key in its frames, is not chained


def _all(client: Anthropic, page: int) -> Iterator[Listed]:
    for number, info in enumerate(client.models.list(limit=page, timeout=SECONDS)):
        if number >= MOST:
            return
        one = described(info)
        if one is not None:
            yield one


def described(info: object) -> Listed | None:
    """What the SDK's object says of a model; None for what is none. The SDK itself checks no types."""
    if not isinstance(info, ModelInfo):
        return None
    raw = info.model_dump(mode="python", warnings=False)
    able = raw.get("capabilities")
    able = able if isinstance(able, Mapping) else {}
    return _listed(
        {
            "id": raw.get("id"),
            "title": raw.get("display_name"),
            "line": raw.get("line"),
            "lifecycle": raw.get("lifecycle"),
            "created": _day(raw.get("created_at")),
            "retires": _day(raw.get("retires_at")),
            "window": raw.get("max_input_tokens"),
            "max_output": raw.get("max_tokens"),
            "images": _supported(able.get("image_input")),
            "pdfs": _supported(able.get("pdf_input")),
            "structured": _supported(able.get("structured_outputs")),
            "web_search": _supported(_inner(able, "server_tools").get("web_search")),
            "code_execution": _supported(_inner(able, "server_tools").get("code_execution")),
            "effort": _chosen(able.get("effort"), EFFORTS),
            "thinking": _chosen(_inner(able, "thinking").get("types"), _MODES),
        }
    )


def _day(value: object) -> str:
    """The day of a moment, ``""`` for none and for the epoch, by which the API says "unknown"."""
    if not isinstance(value, datetime):
        return ""
    day = (value.astimezone(UTC) if value.tzinfo else value).date()
    return day.isoformat() if day.year > 1970 else ""


def _inner(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else {}


def _supported(value: object) -> bool | None:
    told = value.get("supported") if isinstance(value, Mapping) else None
    return told if isinstance(told, bool) else None


def _chosen(value: object, words: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those of some words that are supported; None where nothing is said."""
    if not isinstance(value, Mapping):
        return None
    return tuple(word for word in words if _supported(value.get(word)))


# As text


def to_text(catalogue: Catalogue) -> str:
    """The list of a catalogue as JSON, with its host and day; without what the table adds."""
    return json.dumps(
        {
            "host": catalogue.host,
            "asked": catalogue.asked.isoformat() if catalogue.asked else "",
            "models": [
                {name: value for name, value in asdict(one).items() if value not in ("", None)}
                for one in catalogue.listed
            ],
            "names": dict(catalogue.names),
        }
    )


def from_text(text: str, host: str) -> Catalogue:
    """The catalogue of what `to_text` made; the table alone where it is of another host or broken."""
    try:
        kept = json.loads(text)
        if kept["host"] != host:
            return SHIPPED
        found = tuple(one for raw in kept["models"][:MOST] if (one := _listed(raw)) is not None)
        names = tuple((str(name), str(id_)) for name, id_ in kept["names"].items())
        asked = date.fromisoformat(kept["asked"]) if kept["asked"] else None
        return merged(found, host, asked, names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return SHIPPED


def _listed(raw: Mapping[str, Any]) -> Listed | None:
    """What was said of a model, each field only if it is what it should be; None without an id."""

    def text(name: str) -> str:
        value = raw.get(name)
        return value if isinstance(value, str) and len(value) <= 200 and value.isprintable() else ""

    def count(name: str) -> int | None:
        value = raw.get(name)
        return value if type(value) is int and value > 0 else None

    def flag(name: str) -> bool | None:
        value = raw.get(name)
        return value if isinstance(value, bool) else None

    def words(name: str, known: tuple[str, ...]) -> tuple[str, ...] | None:
        value = raw.get(name)
        return tuple(one for one in known if one in value) if isinstance(value, list | tuple) else None

    def day(name: str) -> str:
        try:
            return date.fromisoformat(text(name)).isoformat()
        except ValueError:
            return ""

    if not text("id").strip():
        return None
    return Listed(
        id=text("id"),
        title=text("title"),
        line=text("line"),
        lifecycle=text("lifecycle") if text("lifecycle") in _LIFECYCLES else "",
        created=day("created"),
        retires=day("retires"),
        window=count("window"),
        max_output=count("max_output"),
        images=flag("images"),
        pdfs=flag("pdfs"),
        structured=flag("structured"),
        web_search=flag("web_search"),
        code_execution=flag("code_execution"),
        effort=words("effort", EFFORTS),
        thinking=words("thinking", _MODES),
    )
