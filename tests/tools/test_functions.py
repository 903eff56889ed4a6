"""A function as a tool: its schema, the check of its input, its marks, its name; nothing is ever run."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field

import claude_magic
from claude_magic.api.functions import define
from claude_magic.errors import ToolProblem
from claude_magic.toolbox import Toolbox
from claude_magic.tools.found import found, same, words_of
from claude_magic.tools.ids import with_own_ids
from claude_magic.tools.inputs import arguments, canonical
from claude_magic.tools.marks import marks_of
from claude_magic.values import Answer, ToolUsePart


def never(*_: object) -> None:
    raise AssertionError("a tool was run")


@dataclass
class Point:
    x: float
    y: float = 0.0


class Order(BaseModel):
    number: int
    kind: Literal["in", "out"] = "in"


def plain(
    a: int, b: Annotated[float, Field(gt=0)] = 1.5, *, points: list[Point] | None = None, **_: Any
) -> None:
    """Do a thing.

    In detail.

    Parameters
    ----------
    a : int
        The first one.
    """
    never(a, b, points)


async def waits(order: Order) -> None:
    """Wait for an order."""
    never(order)


def by_position(a: int, /, b: int = 3) -> None:
    """By position."""
    never(a, b)


class Desk:
    def find(self, name: str) -> None:
        """Find."""
        never(name)

    def __call__(self, x: int) -> None:
        """Call."""
        never(x)


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (plain, {"a": "3"}, ([], {"a": 3})),
        (plain, {"a": 3, "points": [{"x": 1}]}, ([], {"a": 3, "points": [Point(1.0)]})),
        (waits, {"order": {"number": 7}}, ([], {"order": Order(number=7)})),
        (by_position, {"a": 1}, ([1], {})),
        (by_position, {"b": 2, "a": 1}, ([1], {"b": 2})),
        (Desk().find, {"name": "x"}, ([], {"name": "x"})),
        (Desk(), {"x": 2}, ([], {"x": 2})),
        (functools.partial(plain, 1), {"b": 2}, ([], {"b": 2.0})),
        (lambda: None, {}, ([], {})),
    ],
)
def test_input_is_checked_and_nothing_runs(
    function: Callable[..., Any], given: dict[str, Any], expected: object
) -> None:
    assert define(function, "f").check(given) == expected


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        (plain, {}, "a: Missing"),
        (plain, {"a": "x"}, "a: Input should be a valid integer"),
        (plain, {"a": 1, "b": -1}, "b: Input should be greater than 0"),
        (plain, {"a": 1, "c": 1}, "c: Unexpected keyword"),
        (plain, {"a": 1, "points": [{"y": 1}]}, r"points\.0\.x: Field required"),
        (waits, {"order": {"number": 1, "kind": "up"}}, r"order\.kind: Input should be 'in' or 'out'"),
        (Desk().find, {"self": 1, "name": "x"}, "self: Unexpected"),
    ],
)
def test_what_is_wrong_with_an_input_is_told(
    function: Callable[..., Any], given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        define(function, "f").check(given)


def test_the_definition_comes_from_signature_and_docstring() -> None:
    made = define(plain, "plain")
    told = json.loads(made.json)
    assert set(told) == {"name", "description", "input_schema"}
    assert (told["name"], told["description"]) == ("plain", "Do a thing.\n\nIn detail.")
    schema = told["input_schema"]
    assert schema["properties"]["a"]["description"] == "The first one."
    assert schema["required"] == ["a"]
    assert schema["additionalProperties"] is False
    assert made.parameters == ("a", "b=", "points=")
    assert json.loads(define(plain, "p", "Otherwise.").json)["description"] == "Otherwise."
    assert define(plain, "plain").json == made.json


def untyped(a: int, b) -> None:  # type: ignore[no-untyped-def]
    never(a, b)


def odd(a: int, image: np.ndarray[Any, Any]) -> None:
    never(a, image)


def callback(then: Callable[[], None]) -> None:
    never(then)


def local() -> Callable[..., None]:
    def inside(a: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
        never(a)

    return inside


@pytest.mark.parametrize(
    ("function", "name", "says"),
    [
        (untyped, "f", "its parameter b has no annotation"),
        (odd, "f", "no JSON schema can be made of image: "),
        (callback, "f", "no JSON schema can be made of then: "),
        (local(), "f", "cannot be resolved.*Nowhere"),
        (plain, "größe", "letters A–Z"),
        (plain, "f" * 129, "at most 128"),
        (dict, "f", "no signature|cannot be resolved|annotation"),
    ],
)
def test_what_cannot_be_offered_is_told_in_a_line(function: Callable[..., Any], name: str, says: str) -> None:
    with pytest.raises(ToolProblem, match=says) as raised:
        define(function, name)
    assert str(raised.value).endswith("Nothing was sent.")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": ', "no JSON"),
        ('{"a": oops}', "no JSON"),
        ("[1]", "not list"),
        ('"x"', "not str"),
        ("null", "not NoneType"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 400 + "}", "400 digits"),
        ('{"a": ' + "[" * 50_000 + "]" * 50_000 + "}", "too deeply"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": "\\ud83d"}', "half a character"),
        ("{} {}", "no JSON"),
    ],
)
def test_json_is_read_strictly(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        canonical(arguments(text))


def test_no_json_at_all_is_no_arguments_and_what_is_shown_is_all_there_is() -> None:
    assert arguments("") == {}
    given = arguments(' {"b" : 1.50, "a": "é\\n"} ')
    assert canonical(given) == '{"b": 1.5, "a": "é\\n"}'


def test_marks_stay_on_the_function() -> None:
    @claude_magic.tool
    def f() -> None: ...

    @claude_magic.tool(name="g2", description="Else.", approval=False)
    def g() -> None: ...

    assert (marks_of(f).approval, marks_of(g).approval, marks_of(plain).approval) == (True, False, True)
    box = Toolbox({"g": g})
    (offered,) = box.offered("g")
    assert json.loads(offered.definition.json)["name"] == "g2"
    assert not offered.tool.approval


def test_names_are_found_with_the_nearest() -> None:
    names = {"add": plain, "desk": Desk(), "number": 3, "_hidden": plain}
    assert words_of(" add, desk.find add") == ("add", "desk.find")
    assert found("desk.find", names) == names["desk"].find  # type: ignore[attr-defined]
    for word, says in (
        ("ad", "No kernel function 'ad'. Did you mean 'add'"),
        ("desk.fin", "desk has no 'fin'. Did you mean 'find'"),
        ("number", "of type int"),
        ("add()", "no name of a function"),
        ("__import__('os')", "no name of a function"),
    ):
        with pytest.raises(ToolProblem, match=re.escape(says)) as raised:
            found(word, names)
        assert str(raised.value).endswith("Nothing was sent.")
    desk = Desk()
    assert same(desk.find, desk.find)
    assert not same(desk.find, Desk().find)


def test_tools_stand_in_a_stable_order_and_no_two_have_one_name() -> None:
    names = {"b": plain, "a": waits, "desk": Desk(), "find": plain}
    box = Toolbox(names)
    box.add("b")
    order = [one.tool.name for one in box.offered("a")]
    assert order == [one.tool.name for one in Toolbox(names).offered("b,a")] == ["a", "b"]
    with pytest.raises(ToolProblem, match="Two tools would be called find"):
        box.offered("find,desk.find")
    with pytest.raises(ToolProblem, match=r"not among the tools\. Did you mean"):
        box.remove("bb")
    with pytest.raises(ToolProblem, match="No kernel function"):
        box.add("nothing")
    box.remove("b")
    assert box.offered() == ()


def test_ids_are_made_each_its_own() -> None:
    parts = tuple(ToolUsePart(id_, "f", "{}") for id_ in ("t1", "t1", "", "a b", "t2"))
    taken = {"t2"}
    answer, repeated = with_own_ids(Answer(parts), taken)
    ids = [part.id for part in answer.parts if isinstance(part, ToolUsePart)]
    assert len(set(ids)) == 5
    assert ids[0] == "t1"
    assert repeated == {ids[1]}
    assert all(id_.replace("_", "").isalnum() for id_ in ids)
    assert taken >= set(ids)
    kept = Answer((ToolUsePart("mine", "f", "{}"),))
    assert with_own_ids(kept, set())[0] is kept
