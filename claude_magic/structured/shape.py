"""What an answer is to be: a type of the kernel or a JSON schema; and the answer as a value of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pydantic
import pydantic_core

from claude_magic.api.schemas import for_api
from claude_magic.content.names import shown
from claude_magic.content.template import evaluate
from claude_magic.errors import DataProblem, UsageProblem, did_you_mean, names_in
from claude_magic.file_names import expanded
from claude_magic.structured.closing import Opener, closed, unmarked
from claude_magic.structured.fields import fields_of
from claude_magic.structured.frame import data_frame, frame_maker
from claude_magic.values import Turn

_KEPT = "The text is kept in _claude, --into is as it was."


class Unfit(Exception):
    """Where a value is not what it is to be, and why; never seen by users.

    Parameters
    ----------
    path : sequence of str or int
        The keys and indices that lead there.
    reason : str
        As whoever checked it says.
    further : int
        How many more places there are.
    """

    def __init__(self, path: Sequence[str | int], reason: str, further: int = 0) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason
        self.further = further


@dataclass(frozen=True, slots=True)
class Shape:
    """What an answer is to be.

    Parameters
    ----------
    name : str
        What stands behind ``--schema``, for messages.
    schema : str
        The JSON schema as it is sent: its top an object, all of its objects closed.
    opener : Opener
        Puts an answer back into the form that is wanted.
    check : callable
        Makes the value of JSON in that form, or raises `Unfit`.
    frame : callable or None
        Makes a data frame of the value, where one is wanted.
    fields : mapping
        The columns that the data of one row fill, and their JSON types.
    """

    name: str
    schema: str
    opener: Opener = field(repr=False)
    check: Callable[[Any], Any] = field(repr=False)
    frame: Callable[[Any], Any] | None = field(default=None, repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    def data(self, text: str) -> Any:
        """The value that an answer's text is.

        Raises
        ------
        DataProblem
            In one line: what is wrong, and where.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            place = ""
            if isinstance(error, json.JSONDecodeError):
                place = f" (line {error.lineno}, column {error.colno})"
            raise DataProblem(
                f"No data: the answer is no JSON{place}; it begins {_beginning(text)}. {_KEPT}"
            ) from error
        value: Any = None
        try:
            value = self.opener.opened(raw)
            return self.check(value)
        except Unfit as wrong:
            more = f", and {wrong.further} more" if wrong.further else ""
            raise DataProblem(
                f"The answer is not {shown(self.name)}: {_at(wrong.path)}: {shown(wrong.reason, 160)}"
                f"{_found(value, wrong.path)}{more}. {_KEPT}"
            ) from wrong
        except RecursionError as error:
            raise DataProblem(f"No data: the answer is nested too deeply. {_KEPT}") from error


def shape_of(expression: str, namespace: Mapping[str, Any], *, framed: bool = False) -> Shape:
    """The shape that stands behind ``--schema``.

    Parameters
    ----------
    expression : str
        A kernel name or expression whose value is a type or a JSON schema as a dict; or ``@file.json``.
    namespace : mapping
        The user's variables.
    framed : bool
        Whether the data become a data frame.

    Raises
    ------
    UsageProblem
        For what is neither, or cannot be asked for. Nothing was sent.
    """
    if expression.startswith("@"):
        wanted = _file(expression)
    else:
        try:
            code = compile(expression, "--schema", "eval")
        except (SyntaxError, ValueError) as error:
            raise UsageProblem(
                f"--schema {shown(expression)}: no kernel name and no expression. Nothing was sent."
            ) from error
        wanted = evaluate(expression, code, namespace)
    try:
        shape, rows, by_name = (_of_schema if isinstance(wanted, dict) else _of_type)(expression, wanted)
    except (ValueError, RecursionError) as error:
        raise UsageProblem(
            f"--schema {shown(expression)} cannot be asked for: {_line(error)}. Nothing was sent."
        ) from error
    shape = replace(shape, fields=fields_of(by_name))
    if not framed:
        return shape
    if by_name.get("type") != "array":
        raise UsageProblem(
            f"--frame makes a table of a list: --schema list[…], not {shown(expression)}. Nothing was sent."
        )
    return replace(shape, frame=data_frame(rows, by_name, frame_maker()))


def _file(expression: str) -> Any:
    path = expanded(expression[1:])
    try:
        wanted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        near = names_in(path.parent)
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise UsageProblem(
            f"--schema {shown(expression)}: {reason}.{did_you_mean(path.name, near)} Nothing was sent."
        ) from error
    if not isinstance(wanted, dict):
        raise UsageProblem(f"--schema {shown(expression)}: it holds no JSON schema. Nothing was sent.")
    return wanted


def _asked(name: str, schema: Mapping[str, Any], check: Callable[[Any], Any]) -> Shape:
    marked = closed(schema)
    sent = for_api(unmarked(marked))
    if "$defs" in sent:  # who looks at it sees its top first
        sent["$defs"] = sent.pop("$defs")
    return Shape(name, json.dumps(sent, ensure_ascii=False), Opener(marked), check)


_Told = tuple[Shape, Callable[[Any], Any], Mapping[str, Any]]
"""A shape; what makes plain dicts and lists of its data; its schema, by the names of its fields."""


def _of_type(name: str, wanted: Any) -> _Told:
    """The shape of whatever pydantic takes for a type."""
    if wanted is None or isinstance(wanted, str | bytes | int | float | list | tuple | set):
        kind = type(wanted).__name__
        raise UsageProblem(
            f"--schema {shown(name)}: a type or a JSON schema (dict) is wanted, not a value of type {kind}. "
            "Nothing was sent."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # defaults that JSON cannot say are left out
            adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(wanted)
            schema, by_name = adapter.json_schema(), adapter.json_schema(by_alias=False)
    except Exception as error:  # a type of the user's, with its own hooks, may raise anything
        raise ValueError(_line(error)) from error

    def check(value: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(value))
        except pydantic.ValidationError as error:
            first, *rest = error.errors(include_url=False, include_context=False)
            raise Unfit(_path(first["loc"], value), first["msg"], len(rest)) from error
        except RecursionError:
            raise
        except Exception as error:  # a validator of the user's
            raise Unfit((), f"its validation raised {type(error).__name__}: {error}") from error

    return _asked(name, schema, check), adapter.dump_python, by_name


def _of_schema(name: str, wanted: dict[str, Any]) -> _Told:
    """The shape of a JSON schema; its data are plain dicts, lists and scalars."""
    import jsonschema  # noqa: PLC0415 - of no use to types, and slow to import

    try:
        kind = jsonschema.validators.validator_for(wanted, default=jsonschema.Draft202012Validator)
        kind.check_schema(wanted)
    except jsonschema.SchemaError as error:
        raise ValueError(f"{_at(error.absolute_path, 'schema')}: {error.message}") from error
    validator = kind(wanted)

    def check(value: Any) -> Any:
        wrong = list(validator.iter_errors(value))
        if not wrong:
            return value
        worst = jsonschema.exceptions.best_match(wrong)
        raise Unfit(tuple(worst.absolute_path), worst.message, len(wrong) - 1)

    return _asked(name, wanted, check), lambda value: value, wanted


def result(
    shape: Shape | None, turn: Turn, problem: BaseException | None, ended: str
) -> tuple[Any, BaseException | None]:
    """The data of an answer; or what there is none for.

    Parameters
    ----------
    shape : Shape or None
        What the answer is to be; None for text.
    problem : BaseException or None
        What ended the turn early.
    ended : str
        How it ended, in words; ``""`` for by itself.

    Returns
    -------
    data : object
        None where there is a problem, and for text.
    problem : BaseException or None
        What is to be raised, once the turn is kept.
    """
    if shape is None or problem is not None:
        return None, problem
    if turn.stage != "complete":
        said = f", in {place}" if (place := _reached(shape, turn.text)) else ""
        advice = " Allow more with --max-tokens." if turn.stage == "max_tokens" else ""
        return None, DataProblem(f"No data: {ended or turn.stage}{said}.{advice} {_KEPT}")
    try:
        data = shape.data(turn.text)
        return (shape.frame(data) if shape.frame is not None else data), None
    except DataProblem as wrong:
        return None, wrong
    except Exception as error:  # noqa: BLE001 - validators and serializers of the user's own
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return None, DataProblem(f"The type's own code failed on the answer: {said}. {_KEPT}")


def _reached(shape: Shape, text: str) -> str:
    """How far a JSON text has come: the place of its last value; ``""`` for no JSON."""
    try:
        value = pydantic_core.from_json(text, allow_partial="trailing-strings")
        value = shape.opener.opened(value)
    except (ValueError, RecursionError):
        return ""
    path: list[str | int] = []
    while isinstance(value, dict | list) and value:
        path.append(list(value)[-1] if isinstance(value, dict) else len(value) - 1)
        value = value[path[-1]]  # type: ignore[index]
    return _at(path) if path else ""


def _path(told: Sequence[str | int], value: Any) -> tuple[str | int, ...]:
    """The steps that a value has; pydantic tells branches of unions among them."""
    path: list[str | int] = []
    for number, step in enumerate(told, 1):
        if isinstance(value, dict) and (step in value or (isinstance(step, str) and number == len(told))):
            path.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            path.append(step)
            value = value[step]
    return tuple(path)


def _at(path: Sequence[str | int], root: str = "answer") -> str:
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{step}" if step.isidentifier() else f"[{shown(step)!r}]"
        for step in path
    )
    return root + "".join(steps)


def _found(value: Any, path: Sequence[str | int]) -> str:
    """The beginning of what stands there; ``""`` where nothing does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return ""
    return f", found {_beginning(json.dumps(value, ensure_ascii=False))}"


def _beginning(text: str) -> str:
    line = " ".join(text[:200].split())
    return shown(line if len(line) <= 40 else f"{line[:39]}…") or "with nothing"


def _line(error: BaseException) -> str:
    """The first line of an error, for its message."""
    lines = str(error).strip().splitlines()
    return shown(lines[0].rstrip(".") if lines else type(error).__name__, 200)
