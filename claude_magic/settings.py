"""Settings: traits with help, and the only place that reads the environment.

Precedence, first match wins: a flag on the cell; its ``--preset``; ``%claude_config`` or ``%config`` in this
session, the later of the two; the environment (``CLAUDE_MAGIC_MODEL`` and so on); ``ipython_config.py``; the
default. ``ANTHROPIC_API_KEY``, ``ANTHROPIC_BASE_URL`` and the other ``ANTHROPIC_…`` variables are read
by the SDK itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from traitlets import Bool, Enum, Float, Integer, TraitError, TraitType, Unicode
from traitlets.config import Config, Configurable

from claude_magic.errors import UsageProblem, did_you_mean

PREFIX = "CLAUDE_MAGIC_"
PROVIDERS = ("anthropic", "bedrock", "bedrock-mantle", "vertex", "google-cloud", "foundry", "aws")
"""Whose API is asked."""
CACHE = ("5m", "1h", "off")
"""How long the prompt cache may be asked to keep what is sent."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as ``%claude_config`` shows it."""

    name: str
    value: object
    source: str
    help: str


class JsonObject(Unicode):  # type: ignore[type-arg]
    """The text of a JSON object, or empty."""

    info_text = """a JSON object, such as {"service_tier": "auto"}, or empty"""

    def validate(self, obj: Any, value: Any) -> str:
        """The text, if it is that of a JSON object."""
        text = str(super().validate(obj, value))
        try:
            whole = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            whole = None
        if not isinstance(whole, dict):
            self.error(obj, value)
        return text


class CassetteSetting(Unicode):  # type: ignore[type-arg]
    """``record:FILE``, ``replay:FILE`` or ``auto:FILE``, or empty."""

    info_text = "record:FILE, replay:FILE or auto:FILE, or empty"

    def validate(self, obj: Any, value: Any) -> str:
        """The text, if it is one of these."""
        text = str(super().validate(obj, value))
        if text and not re.fullmatch(r"(record|replay|auto):\S.*", text):
            self.error(obj, value)
        return text


class Settings(Configurable):
    """The traits of ``ClaudeMagics``; ``%config ClaudeMagics`` lists them with their help."""

    model = Unicode(
        "sonnet", help="Model id, or haiku, sonnet, opus, fable for the newest of that line."
    ).tag(config=True)
    system = Unicode("", help="System prompt sent with every question; empty for none.").tag(config=True)
    max_tokens = Integer(16_000, min=1, help="Most output tokens of one reply, thinking included.").tag(
        config=True
    )
    detail = Enum(
        ("low", "standard", "full"),
        default_value="standard",
        help="How large pictures are sent: at most 768 px, 1568 px, or all the model can use.",
    ).tag(config=True)
    urls = Bool(False, help="If True, the API may fetch web addresses given with -a.").tag(config=True)
    upload_above = Integer(
        4_000_000,
        min=0,
        help="Attachments of more bytes are uploaded once through the Files API; 0 for never.",
    ).tag(config=True)
    cache = Enum(
        CACHE,
        default_value="5m",
        help="How long the API keeps what was sent, so that the next question pays a tenth for it or less: "
        "'5m' after its last use, '1h' (dearer to keep), 'off' for not at all.",
    ).tag(config=True)
    allow_secrets = Bool(
        False, help="If True, what looks like a key or password is sent without asking."
    ).tag(config=True)
    hosts = Unicode(
        "", help="Hosts other than Anthropic's that are asked without a question, with spaces between."
    ).tag(config=True)
    on_rerun = Enum(
        ("replace", "append", "truncate"),
        default_value="replace",
        help="What running a cell again does: 'replace' its turn in place, 'append' another turn, or replace "
        "it and 'truncate' what stands below.",
    ).tag(config=True)
    reuse = Bool(
        False, help="If True, an unchanged question is answered from the store, free of charge."
    ).tag(config=True)
    store = Unicode(
        "",
        help="The database that keeps conversations; empty for the one in Jupyter's data directory, "
        "'memory' for none on disk.",
    ).tag(config=True)
    quiet = Bool(False, help="If True, cells show nothing; the answer is in _claude.").tag(config=True)
    budget = Float(
        0.0, min=0.0, help="Most USD that the questions of this notebook may cost on one day; 0 for no limit."
    ).tag(config=True)
    session_budget = Float(
        0.0, min=0.0, help="Most USD that all questions of this kernel may cost; 0 for no limit."
    ).tag(config=True)
    max_cost = Float(0.0, min=0.0, help="Most USD that one question may cost; 0 for no limit.").tag(
        config=True
    )
    retries = Integer(
        4, min=0, help="Further tries when the API is busy or cannot be reached, before anything has come."
    ).tag(config=True)
    longest_wait = Float(
        120.0, min=0.0, help="Most seconds of one wait between tries, also where the API asks for more."
    ).tag(config=True)
    first_event = Float(120.0, min=0.1, help="Seconds to wait for the beginning of a reply.").tag(config=True)
    silence = Float(
        90.0, min=0.1, help="Seconds of silence in the middle of a reply after which it counts as cut."
    ).tag(config=True)
    view = Enum(
        ("auto", "widget", "static", "text"),
        default_value="auto",
        help="How a reply is shown: 'widget' live and formatted, 'static' once at its end, 'text' as plain "
        "text while it comes; 'auto' takes what the front end can show.",
    ).tag(config=True)

    effort = Enum(
        ("", "low", "medium", "high", "xhigh", "max"),
        default_value="",
        help="How hard the model works; empty for the model's own default.",
    ).tag(config=True)
    thinking = Bool(False, help="If True, the model's thinking is shown, folded away above its answer.").tag(
        config=True
    )
    tool_rounds = Integer(20, min=1, help="Most rounds of tool calls in one question.").tag(config=True)
    provider = Enum(
        PROVIDERS,
        default_value="anthropic",
        help="Who is asked: Anthropic, or Claude at Amazon ('bedrock', 'bedrock-mantle', 'aws'), Google "
        "('vertex', 'google-cloud') or Microsoft ('foundry').",
    ).tag(config=True)
    extra = JsonObject(
        "",
        help="Further parameters of each request, as a JSON object: service_tier, metadata, inference_geo, "
        "speed and whatever else the SDK knows.",
    ).tag(config=True)

    cassette = CassetteSetting(
        "",
        help="'record:FILE' records what is asked and answered, 'replay:FILE' answers from there without a "
        "key or a network, 'auto:FILE' asks and records what the file lacks; empty for none.",
    ).tag(config=True)
    cassette_pace = Enum(
        ("instant", "recorded"),
        default_value="instant",
        help="How fast a cassette answers: at once, or as it was recorded.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sources: dict[str, str] = {}
        section = type(self).__name__
        for name in self.config.get(section, {}):
            self._sources[name] = "ipython_config.py"
        from_environment = {
            name: (variable, value)
            for name in self.setting_names()
            if (value := os.environ.get(variable := PREFIX + name.upper())) is not None
        }
        for name, (variable, value) in from_environment.items():
            self._set(name, value, variable)
        self.observe(self._changed, names=list(self.setting_names()))

    def _changed(self, change: Mapping[str, Any]) -> None:
        self._sources[change["name"]] = "%config"

    @classmethod
    def setting_names(cls) -> list[str]:
        """The names of all settings, in the order of their definition."""
        return [name for name in Settings.__dict__ if name in cls.class_trait_names(config=True)]

    def assign(self, pairs: Sequence[tuple[str, str]], source: str = "%claude_config") -> None:
        """Set settings from the texts the user typed: all of them, or none.

        Parameters
        ----------
        source : str
            Where they were typed.

        Raises
        ------
        UsageProblem
            For an unknown name or a value the trait refuses. Nothing was changed.
        """
        for name, text in pairs:
            if name not in self.setting_names():
                raise UsageProblem(
                    f"No setting {name!r}.{did_you_mean(name, self.setting_names())} "
                    "%claude_config lists them. Nothing was changed."
                )
            self._value(name, text, source)
        for name, text in pairs:
            self._set(name, text, source)

    def _value(self, name: str, text: str, source: str) -> object:
        """The value a text means, checked by its trait without setting it."""
        trait = self.traits()[name]
        try:
            # A text is itself: traitlets would take quotes off it, and a ~ for the home.
            value = text if isinstance(trait, Unicode) else trait.from_string(text)
            return trait._validate(self, value)  # noqa: SLF001 - traitlets has no other way
        except (TraitError, ValueError) as error:
            raise UsageProblem(
                f"{source}: {text!r} is no value for {name} ({_wanted(trait)}). Nothing was changed."
            ) from error

    def _set(self, name: str, text: str, source: str) -> None:
        # Through the configuration, not past it: a later %config merges with it instead of undoing it.
        value = self._value(name, text, source)
        self.update_config(Config({type(self).__name__: {name: value}}))
        self._sources[name] = source

    @property
    def jupyter_session(self) -> str:
        """What Jupyter tells a kernel of its notebook: its path when the kernel started, or ``""``."""
        return os.environ.get("JPY_SESSION_NAME", "")

    def listed(self) -> Iterator[Setting]:
        """Every setting with its value and where it came from."""
        for name in self.setting_names():
            yield Setting(
                name, getattr(self, name), self._sources.get(name, "default"), str(self.traits()[name].help)
            )


def _wanted(trait: TraitType[Any, Any]) -> str:
    """What values a trait takes, in words."""
    least = getattr(trait, "min", None)
    if least is None:
        return str(trait.info())
    return f"a {'whole ' * isinstance(trait, Integer)}number, {least:g} or more"
