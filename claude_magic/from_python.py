"""``claude_magic.ask`` and its like: a program's question, put by the engine of the magics."""

from __future__ import annotations

import builtins
import contextlib
import functools
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from claude_magic.api.credential import NO_CREDENTIAL
from claude_magic.errors import ConfigProblem, UsageProblem, at_the_door, did_you_mean
from claude_magic.flags import Verbatim
from claude_magic.given import line_of, name_of
from claude_magic.magics import ClaudeMagics

if TYPE_CHECKING:
    from claude_magic.reply import Reply


class Flags(TypedDict, total=False):
    """What else may be said of a question: the flags of ``%%claude`` of these names, which tell of them."""

    thinking: bool
    cite: bool
    detail: Literal["low", "standard", "full"]
    data: Literal["schema", "head", "full"]
    password: str
    urls: bool
    stop: str | Sequence[str]
    rounds: int
    cache: Literal["5m", "1h", "off"]
    prefill: str
    system_message: str
    preset: str
    extra: Mapping[str, Any]
    frame: bool
    reuse: bool
    web: bool
    fetch: bool
    run_code: bool


class RowFlags(TypedDict, total=False):
    """What else may be said of a question of many rows: the flags of ``%%claude_map`` of these names."""

    cite: bool
    detail: Literal["low", "standard", "full"]
    data: Literal["schema", "head", "full"]
    password: str
    urls: bool
    stop: str | Sequence[str]
    cache: Literal["5m", "1h", "off"]
    preset: str


class Tokens(int):
    """A number of input tokens, and what they cost.

    Parameters
    ----------
    cost : float or None
        USD for the input alone; None where no price is known.
    model : str
        The id of the model that would be asked.
    """

    cost: float | None
    model: str

    def __new__(cls, tokens: int, cost: float | None, model: str) -> Tokens:
        """Make one."""
        made = super().__new__(cls, tokens)
        made.cost, made.model = cost, model
        return made


@at_the_door
def ask(
    prompt: str,
    *attachments: object,
    model: str | None = None,
    system: str | None = None,
    schema: Any = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None,
    tools: Sequence[Callable[..., Any]] = (),
    chat: str | None = None,
    show: bool = False,
    **flags: Unpack[Flags],
) -> Reply:
    """Ask Claude from a program, and wait for the answer.

    The engine is that of ``%%claude``; its settings (``%claude_config``) hold here too. The prompt is sent
    as it is: nothing in it is evaluated. Without ``chat`` it is asked outside any conversation: nothing
    before it is sent, nothing of it is kept. It works in any IPython shell, also before ``%load_ext``, and
    in a plain Python process.

    Parameters
    ----------
    prompt : str
        The question.
    *attachments : object
        Kernel values, as with ``-a``: figures, pictures, frames, arrays, bytes, texts, and anything that
        displays. Files are given as ``pathlib.Path``, which may name pages (``Path("report.pdf[3-7]")``) or
        be a glob; a `str` is a text. With ``urls=True`` a `str` that is a web address is fetched by the API.
    model : str, optional
        An id, or haiku, sonnet, opus, fable for the newest of that line.
    system : str, optional
        The system prompt; ``""`` for none.
    schema : type or dict, optional
        What the answer is to be: any type pydantic knows, or a JSON schema. The checked value is in
        ``.data`` of the reply.
    max_tokens : int, optional
        Most output tokens, thinking included.
    max_cost : float, optional
        Most USD that it may cost.
    effort : str, optional
        How hard the model works.
    tools : sequence of callable, optional
        Functions that the model may call. Where nothing is shown nobody can be asked about a call: each has
        to be marked ``@claude_magic.tool(approval=False)`` then.
    chat : str, optional
        Speak in the conversation of this name; it is begun if need be. The notebook's own stays current.
    show : bool, optional
        Whether the answer streams in below the cell, as that of a ``%%claude`` cell does.
    **flags
        Further flags of ``%%claude``: thinking, cite, detail, data, password, urls, stop, rounds, cache,
        prefill, system_message, preset, extra (a dict), frame, reuse, web, fetch, run_code.

    Returns
    -------
    Reply
        ``.text``, ``.data``, ``.code``, ``.usage`` (tokens), ``.cost`` (USD) and more.

    Raises
    ------
    UsageProblem, ConfigProblem
        For what cannot be asked. Nothing was sent.
    ApiProblem
        When the API did not answer, or not to the end; what came is in the error's ``.reply``.
    DataProblem
        When the answer is not what ``schema`` asks for.

    Examples
    --------
    >>> reply = claude_magic.ask("Which trend does this show?", df, model="haiku")  # doctest: +SKIP
    >>> print(reply.text, reply.cost)  # doctest: +SKIP

    >>> claude_magic.ask("All dates in it", Path("letter.pdf"), schema=list[date]).data  # doctest: +SKIP
    """
    line = line_of(
        attachments,
        {
            "model": model,
            "system": system,
            "schema": schema,
            "max_tokens": max_tokens,
            "max_cost": max_cost,
            "effort": effort,
            "tools": tools,
            "chat": chat,
            "quiet": not show,
            "no_history": chat is None,
            **_checked(flags, Flags),
        },
    )
    magics = _magics()
    with _advised():
        return magics.session.answer(line, Verbatim(_text(prompt)), magics)


@at_the_door
def count(
    prompt: str,
    *attachments: object,
    model: str | None = None,
    system: str | None = None,
    schema: Any = None,
    tools: Sequence[Callable[..., Any]] = (),
    chat: str | None = None,
    **flags: Unpack[Flags],
) -> Tokens:
    """Count the input tokens of a question, without asking it; the API counts, which costs nothing.

    Parameters
    ----------
    prompt, *attachments, model, system, schema, tools, chat, **flags
        As of `ask`.

    Returns
    -------
    Tokens
        An `int`; its ``.cost`` is that of the input in USD, its ``.model`` who would be asked.

    Raises
    ------
    UsageProblem, ConfigProblem, ApiProblem
        As `ask` does.

    Examples
    --------
    >>> if claude_magic.count("Summarise.", Path("report.pdf")) < 50_000:  # doctest: +SKIP
    ...     reply = claude_magic.ask("Summarise.", Path("report.pdf"))
    """
    asked = {"model": model, "system": system, "schema": schema, "tools": tools, "chat": chat}
    line = line_of(attachments, {**asked, "no_history": chat is None, **_checked(flags, Flags)})
    magics = _magics()
    with _advised():
        tokens, cost, asked_model = magics.session.counted(line, Verbatim(_text(prompt)), magics)
    return Tokens(tokens, cost, asked_model)


@at_the_door
def map(  # noqa: A001 - as claude_magic.map; nothing else here is mapped
    items: Any,
    prompt: str,
    *attachments: object,
    model: str | None = None,
    system: str | None = None,
    schema: Any = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None,
    limit: int | None = None,
    concurrency: int = 8,
    retry_failed: bool = False,
    again: bool = False,
    show: bool = False,
    **flags: Unpack[RowFlags],
) -> Any:
    """Ask one question of many rows, as ``%%claude_map`` does; the answers are columns.

    Other than in `ask`, the prompt is a template: ``{{ row.review }}`` is replaced by its value for each
    row, as in a cell. It is code, then: what is data belongs into the rows.

    Answers are kept as they come: called again, after an interrupt, a fault or another day, it asks only
    what is missing.

    Parameters
    ----------
    items : DataFrame, Series, list, dict or iterable
        What has the rows; ``row`` is a row of the frame, or the value itself; ``index`` its label.
    prompt : str
        The template.
    *attachments : object
        As of `ask`, shared by all rows. A function is called with each row, and what it returns is attached
        to that row alone: ``lambda row: Path(row.file)``.
    model, system, max_tokens, effort : optional
        As of `ask`.
    schema : type or dict, optional
        What each answer is to be; its fields are the columns.
    max_cost : float, optional
        Most USD that all rows together may cost; rows beyond it are not asked.
    limit : int, optional
        Ask only of the first rows.
    concurrency : int, optional
        Most questions under way at once.
    retry_failed, again : bool, optional
        Also ask rows that have failed before; ask all rows anew.
    show : bool, optional
        Whether the estimate, the progress and the first rows are shown.
    **flags
        Further flags of ``%%claude_map``: cite, detail, data, password, urls, stop, cache, preset.

    Returns
    -------
    DataFrame
        The rows, then ``answer`` or the fields of ``schema``, ``claude_stage``, ``claude_error`` (why a row
        has no answer), ``claude_input_tokens``, ``claude_output_tokens`` and ``claude_cost``; of polars
        where the rows are.

    Raises
    ------
    UsageProblem, ConfigProblem
        For what cannot be asked. Nothing was sent.
    ApiProblem, Interrupted
        What ended it before all rows were asked. What came before is kept for the next call.

    Examples
    --------
    >>> rated = claude_magic.map(reviews, "Friendly? {{ row.text }}", schema=Rating)  # doctest: +SKIP
    >>> claude_magic.map(photos, "One caption.", lambda row: Path(row.file), model="haiku")  # doctest: +SKIP
    """
    asked = {
        "over": name_of(items),
        "model": model,
        "system": system,
        "schema": schema,
        "max_tokens": max_tokens,
        "max_cost": max_cost,
        "effort": effort,
        "limit": limit,
        "concurrency": concurrency,
        "retry_failed": retry_failed,
        "again": again,
        "quiet": not show,
        **_checked(flags, RowFlags),
    }
    line = line_of(attachments, asked, rows=True)
    magics = _magics()
    session = magics.session
    with _advised(), session.asking.question():
        result = session.maps.ask(line, _text(prompt), items, magics)
        if result.problem is not None:
            raise result.problem
    return result.frame


def _text(prompt: object) -> str:
    if not isinstance(prompt, str):
        kind = type(prompt).__name__
        raise UsageProblem(f"The prompt is a str, not {kind}; what else goes along follows it. {_SENT}")
    return prompt


def _checked(flags: Mapping[str, Any], known: type) -> Mapping[str, Any]:
    names = known.__annotations__
    for name in flags:
        if name == "batch" and known is RowFlags:
            raise UsageProblem(f"Batches are for %%claude_map --batch. {_SENT}")
        if name not in names:
            raise UsageProblem(
                f"{name}= is nothing that can be asked for.{did_you_mean(name, {*names, *_NAMED})} {_SENT}"
            )
    return flags


@contextlib.contextmanager
def _advised() -> Iterator[None]:
    """Where there are no magics, a missing key is told without them."""
    try:
        yield
    except ConfigProblem as problem:
        if get_ipython() is not None or str(problem) != NO_CREDENTIAL:
            raise
        raise ConfigProblem(_NO_KEY) from None


def _magics() -> ClaudeMagics:
    """The magics of the running shell, loaded if need be; in a plain process, of a shell that nobody sees."""
    with _MAKING:
        shell = get_ipython()
        if shell is None:
            shell = _bare_shell()
        registry: dict[str, Any] = shell.magics_manager.registry
        if "ClaudeMagics" not in registry:
            extensions: Any = shell.extension_manager
            extensions.load_extension("claude_magic")
    magics: ClaudeMagics = registry["ClaudeMagics"]
    return magics


_MAKING = threading.Lock()


@functools.cache
def _bare_shell() -> InteractiveShell:
    """A shell without a history, of which the process notices nothing: `get_ipython` stays None."""
    places = [(vars(builtins), ("__IPYTHON__", "display")), (vars(sys), ("ps1", "ps2", "ps3"))]
    added = [(names, name) for names, wanted in places for name in wanted if name not in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a home that cannot be written to matters to nobody here
        shell = InteractiveShell(
            config=Config({"HistoryManager": {"enabled": False}}),
            user_module=types.ModuleType("claude_magic_names"),
        )
    for names, name in added:
        names.pop(name, None)
    return shell


_NAMED = ("model", "system", "schema", "max_tokens", "max_cost", "effort", "tools", "chat", "show")
_SENT = "Nothing was sent."
_NO_KEY = (
    "No credential for the API: set ANTHROPIC_API_KEY, or replay a cassette "
    f"(CLAUDE_MAGIC_CASSETTE=replay:talk.cassette). {_SENT}"
)
