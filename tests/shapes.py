"""Fifty kinds of data that an answer can be asked for as; what the prompt has to say for the demo model."""

from __future__ import annotations

import datetime as dt
import ipaddress
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

from annotated_types import Len  # noqa: F401 - the expressions below speak of it
from pydantic import (
    AfterValidator,
    AliasChoices,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    SecretStr,
    Tag,
    computed_field,
    conlist,
    constr,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

T = TypeVar("T")


class Plain(BaseModel):
    name: str
    size: int
    weight: float
    here: bool


class Inner(BaseModel):
    """A part of another."""

    street: str
    number: int = Field(description="Of the house.")


class Nested(BaseModel):
    title: str
    place: Inner
    others: list[Inner]


class Optionals(BaseModel):
    name: str | None
    size: int | None = None
    place: Inner | None = None
    words: list[str] = Field(default_factory=list)


class Unions(BaseModel):
    key: int | str
    value: bool | float | list[int]
    part: Inner | Plain


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 3


class Enums(BaseModel):
    colour: Colour
    level: Level
    word: Literal["yes", "no"]
    fixed: Literal["always"] = "always"
    mixed: Literal[1, "one", None]


class Dates(BaseModel):
    day: dt.date
    moment: dt.datetime
    hour: dt.time
    length: dt.timedelta


class Numbers(BaseModel):
    share: Annotated[float, Field(ge=0, le=100)]
    count: Annotated[int, Field(gt=2, lt=2000, multiple_of=7)]
    money: Decimal


class Words(BaseModel):
    code: constr(pattern=r"^[A-Z]{2}\d$")  # type: ignore[valid-type]
    short: Annotated[str, Field(min_length=3, max_length=5)]
    three: conlist(int, max_length=3) = [1, 2, 3]  # type: ignore[valid-type]


class Node(BaseModel):
    name: str
    children: list[Node] = []
    parent: Node | None = None


class Tree(BaseModel):
    root: Leaf | Branch


class Leaf(BaseModel):
    kind: Literal["leaf"]
    value: int


class Branch(BaseModel):
    kind: Literal["branch"]
    left: Leaf | Branch


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first_name: str = Field(alias="firstName")
    city: str = Field(validation_alias=AliasChoices("town", "city"))


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int
    marks: dict[str, int]


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Zoo(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]


def kind_of(value: Any) -> str:
    return str(value["kind"] if isinstance(value, dict) else value.kind)


class CallableUnion(BaseModel):
    pet: Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(kind_of)]


class Lists(BaseModel):
    plain: list[int]
    deep: list[list[str]]
    queue: deque[int]
    unique: set[str]
    frozen: frozenset[int]
    some: Sequence[float]


class Maps(BaseModel):
    plain: dict[str, int]
    numbered: dict[int, str]
    nested: dict[str, dict[str, Inner]]
    coloured: dict[Colour, float]
    mapping: Mapping[str, list[int]]
    loose: dict  # type: ignore[type-arg]


class Tuples(BaseModel):
    pair: tuple[int, str]
    many: tuple[int, ...]
    mixed: tuple[Inner, dict[str, int], list[str]]
    pairs: list[tuple[str, float]]


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Loose(TypedDict, total=False):
    title: str
    tags: dict[str, str]


class Point(NamedTuple):
    x: float
    y: float


@dataclass
class Station:
    name: str
    height: float
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Route:
    stations: tuple[Station, Station]
    lengths: dict[str, float]


@pydantic_dataclass
class Checked:
    count: Annotated[int, Field(ge=1)]


class Page(BaseModel, Generic[T]):
    rows: list[T]
    total: int


class Names(RootModel[list[str]]):
    pass


class Scores(RootModel[dict[str, float]]):
    pass


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    name: str
    when: dt.date
    pair: tuple[int, int]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Empty(BaseModel):
    pass


class Formats(BaseModel):
    id: uuid.UUID
    address: ipaddress.IPv4Address
    link: AnyUrl
    path: PurePosixPath
    data: bytes
    secret: SecretStr


class Documented(BaseModel):
    """An invoice, as printed.

    With more than one line of text about it.
    """

    number: str = Field(title="Invoice No.", description="Top right.", examples=["A-1"])
    lines: list[str] = Field(min_length=1, description="One a row.")


class Anything(BaseModel):
    value: Any
    things: list[Any]
    rest: object


class Computed(BaseModel):
    side: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.side**2


class Validated(BaseModel):
    name: str
    low: int
    high: int

    @field_validator("name")
    @classmethod
    def upper(cls, name: str) -> str:
        return name.upper()

    @model_validator(mode="after")
    def ordered(self) -> Validated:
        assert self.low <= self.high, "low is above high"
        return self


class Odd(BaseModel):
    model_config = ConfigDict(protected_namespaces=())
    long_name: str = Field(alias="Name mit ü")
    class_: str = Field(alias="class")
    spaced: int = Field(alias='with space & "quotes"')
    key: str
    value: str


class Child(Plain):
    extra: list[Plain]


class Deep(BaseModel):
    a: dict[str, list[tuple[int, dict[str, list[Inner | None]]]]]


class KeyValue(BaseModel):
    entries: list[Odd] | dict[str, int]


Even = Annotated[int, AfterValidator(lambda number: number // 2 * 2)]
Rest = tuple[int, *tuple[str, ...]]

JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"], "description": "Or none."},
        "size": {"type": "number", "minimum": 0},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "part": {"$ref": "#/definitions/part"},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
        "again": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name", "size", "tags", "part", "pair"],
    "definitions": {
        "part": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    },
}
LIST_SCHEMA = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}

SHAPES: dict[str, str] = {
    "Plain": "'Ada' 3 4.5",
    "Nested": "'A title' 'Main Street' 7",
    "Optionals": "'n' 3",
    "Unions": "",
    "Enums": "'green'",
    "Dates": "",
    "Numbers": "50.5 14 3",
    "Words": '"AB1" "four" 3 4 5',
    "Node": "'root'",
    "Tree": "",
    "Aliased": "'Ada' 'Oslo'",
    "Zoo": "",
    "CallableUnion": "",
    "Lists": "1 2 3 'a' 'b'",
    "Maps": "'a' '7' 'seven'",
    "Tuples": "7 'seven'",
    "Movie": "'Stalker' 1979",
    "Loose": "",
    "Point": "1.5 2.5",
    "Station": "'Zermatt' 1608",
    "Route": "'A' 100 'B' 200",
    "Checked": "3",
    "Page[Plain]": "'a' 1",
    "Page[dict[str, int]]": "'a' 1",
    "Names": "'Ada'",
    "Scores": "'Ada' 4.5",
    "Strict": "'Ada' 3 4",
    "Open": "'Ada'",
    "Empty": "",
    "Formats": "'/tmp'",
    "Documented": "'A-1' 'milk'",
    "Anything": "'thing'",
    "Computed": "4",
    "Validated": "'ada' 3 4",
    "Odd": "'a' 'b' 3",
    "Child": "'a' 1 2.5",
    "Deep": "'k' 3",
    "KeyValue": "'a'",
    "list[Plain]": "'a' 1 2.5",
    "list[str]": "'Ada'",
    "list[Cat | Dog]": "",
    "dict[str, Inner]": "'k' 's' 5",
    "dict[str, int] | None": "'k' 5",
    "tuple[int, str]": "7 'seven'",
    "Rest": "7",
    "int": "42",
    "bool": "",
    "str": "'a word'",
    "Even": "43",
    "Colour": "'green'",
    "Literal['a', 'b']": "'b'",
    "Leaf | Branch": "",
    "Annotated[list[int], Len(1, 3)]": "5",
    "dt.date": "",
    "set[int]": "5",
    "dict": "",
    "list": "",
    "Plain | None": "",
    "JSON_SCHEMA": "'n' 2",
    "LIST_SCHEMA": "3",
}
"""What stands behind ``--schema``, and in the prompt."""

NAMES = {name: value for name, value in globals().items() if not name.startswith("__")}
"""What the expressions speak of."""
