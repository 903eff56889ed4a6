"""JSON schemas as the API takes them, and its answers taken back.

Structured outputs know closed objects only, below an object. So what is open or is no object is asked for
in another form, and put back into its own before anybody looks at it:

* a mapping with any keys is asked for as a list of ``{"key": …, "value": …}``;
* a tuple, each place with its own type, as an object with ``item_1``, ``item_2`` …;
* a list, a scalar or a union at the top, as the one field of an object;
* anything at all, as a text, a number, true, false or null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARK = "x-asked-for-as"
"""Stands in the schemas of `closed` where a form was changed; it is never sent."""

_ANY: Mapping[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]
}
_UNIONS = ("anyOf", "oneOf", "allOf")
_ROOT = "the_whole"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}

Schema = dict[str, Any]


def closed(schema: Mapping[str, Any]) -> Schema:
    """A schema whose every object is closed and whose top is an object, marked where it was changed.

    Raises
    ------
    ValueError
        For what no closed schema can say, such as a reference to another document.
    """
    parts = {name: part for name, part in schema.items() if name not in ("$defs", "definitions", "$schema")}
    root = _closed(parts)
    given = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
    definitions = {name: _closed(part) for name, part in given.items()}
    if f"'#/$defs/{_ROOT}'" in repr((root, definitions)):
        definitions[_ROOT] = root
    for _ in range(len(definitions) + 1):
        if "$ref" not in root:
            break
        root = _resolved(root, definitions)
    if root.get("type") != "object" or set(_UNIONS) & set(root):
        name = "items" if root.get("type") == "array" else "value"
        root = {"type": "object", "properties": {name: root}, "required": [name], MARK: "field"}
    return {**root, **({"$defs": definitions} if definitions else {})}


def unmarked(schema: Any) -> Any:
    """A schema of `closed` without its marks."""
    if isinstance(schema, list):
        return [unmarked(one) for one in schema]
    if isinstance(schema, dict):
        return {name: unmarked(one) for name, one in schema.items() if name != MARK}
    return schema


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _closed(given: Any) -> Schema:
    if given is False:
        raise ValueError("a part of the schema allows nothing")
    if not isinstance(given, Mapping):
        return dict(_ANY)
    node: Schema = {
        name: part
        for name, part in given.items()
        if name != "discriminator" and not (name == "default" and part is None)
    }
    if isinstance(reference := node.get("$ref"), str):
        return {"$ref": _local(reference)}
    kind = node.get("type")
    if isinstance(kind, list):
        alone = {name: part for name, part in node.items() if name not in ("title", "description")}
        return {**_about(node), "anyOf": [_closed({**alone, "type": one}) for one in kind]}
    for union in _UNIONS:
        if union in node:
            node[union] = [_closed(one) for one in node[union]]
    if "prefixItems" in node:
        return _tuple(node)
    if kind == "object" or (kind is None and "properties" in node):
        return _object(node)
    if kind == "array":
        return {**node, "items": _closed(node.get("items", True))}
    if kind is None and not {*_UNIONS, "enum", "const"} & set(node):
        return {**_about(node), **_ANY}
    return node


def _local(reference: str) -> str:
    if reference == "#":
        return f"#/$defs/{_ROOT}"
    _, _, name = reference.rpartition("/")
    if reference not in (f"#/$defs/{name}", f"#/definitions/{name}"):
        raise ValueError(f"it refers to {reference!r}, and only to its own $defs a schema may")
    return f"#/$defs/{name}"


def _object(node: Schema) -> Schema:
    open_ended = node.get("additionalProperties", "properties" not in node)
    if not node.get("properties") and (open_ended is not False or "patternProperties" in node):
        return _entries(node)
    properties = {}
    for name, part in _mapping(node.get("properties")).items():
        properties[name] = _closed(part)
        # Pydantic titles a field by its name, which says nothing new.
        if properties[name].get("title") == name.replace("_", " ").title():
            del properties[name]["title"]
    return {**node, "type": "object", "properties": properties}


def _entries(node: Schema) -> Schema:
    """A mapping with any keys, as a list of its entries."""
    extra = node.get("additionalProperties")
    values = list(_mapping(node.get("patternProperties")).values())
    if isinstance(extra, Mapping) and extra:
        values.append(extra)
    value = (
        _closed(values[0]) if len(values) == 1 else {"anyOf": list(map(_closed, values))} if values else _ANY
    )
    names = _mapping(node.get("propertyNames"))
    key = _closed(names if "$ref" in names else {**names, "type": "string"})
    entry = {"type": "object", "properties": {"key": key, "value": dict(value)}, "required": ["key", "value"]}
    said = [node.get("description"), "One entry for each key, no key twice."]
    return {"type": "array", "items": entry, "description": "\n\n".join(filter(None, said)), MARK: "entries"}


def _tuple(node: Schema) -> Schema:
    """A tuple as an object with a field for each place; what may follow stands in ``rest``."""
    places = {f"item_{number}": _closed(part) for number, part in enumerate(node["prefixItems"], 1)}
    least = node.get("minItems", len(places))
    required = list(places)[:least]
    if isinstance(node.get("items"), Mapping):
        places["rest"] = {"type": "array", "items": _closed(node["items"])}
    return {**_about(node), "type": "object", "properties": places, "required": required, MARK: "tuple"}


def _about(node: Schema) -> Schema:
    return {name: node[name] for name in ("title", "description") if name in node}


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    name = str(node["$ref"]).rpartition("/")[2]
    if name not in definitions:
        raise ValueError(f"it refers to {name!r}, which it does not define")
    return dict(definitions[name])


class Opener:
    """Puts answers back into the form that was wanted.

    Parameters
    ----------
    schema : dict
        What `closed` has made.
    """

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._definitions = _mapping(schema.get("$defs"))

    def opened(self, value: Any) -> Any:
        """A parsed answer in its own form; what does not fit stays, for its check to tell."""
        return self._opened(value, self._root)

    def _opened(self, value: Any, node: Mapping[str, Any]) -> Any:
        while "$ref" in node:
            node = _resolved(node, self._definitions)
        for union in ("anyOf", "oneOf"):
            if union in node:
                chosen = next((one for one in node[union] if self._fits(value, one)), None)
                return value if chosen is None else self._opened(value, chosen)
        for part in node.get("allOf", ()):
            value = self._opened(value, part)
        mark = node.get(MARK)
        if mark == "entries":
            return self._mapping_of(value, node["items"]["properties"]["value"])
        if isinstance(value, list) and "items" in node:
            return [self._opened(one, node["items"]) for one in value]
        if not isinstance(value, dict) or "properties" not in node:
            return value
        parts = _mapping(node["properties"])
        inner = {
            name: self._opened(one, parts[name]) if name in parts else one for name, one in value.items()
        }
        if mark == "field" and set(inner) == set(parts):
            return next(iter(inner.values()))
        if mark == "tuple" and set(node["required"]) <= set(inner) <= set(parts):
            rest = inner.pop("rest", [])
            places = [inner[name] for name in parts if name in inner]
            return places + rest if isinstance(rest, list) else value
        return inner

    def _mapping_of(self, value: Any, node: Mapping[str, Any]) -> Any:
        if not _are_entries(value):
            return value
        mapping = {one["key"]: self._opened(one["value"], node) for one in value}
        return mapping if len(mapping) == len(value) else value

    def _fits(self, value: Any, node: Mapping[str, Any]) -> bool:
        """Whether a value can be meant by this branch of a union, looked at from outside."""
        while "$ref" in node:
            node = _resolved(node, self._definitions)
        for union in ("anyOf", "oneOf"):
            if union in node:
                return any(self._fits(value, one) for one in node[union])
        if "const" in node or "enum" in node:
            return value in node.get("enum", [node.get("const")])
        if node.get(MARK) == "entries":
            return _are_entries(value)
        if node.get("type") == "array":
            return isinstance(value, list) and (not value or self._fits(value[0], node["items"]))
        if node.get("type") == "object":
            return isinstance(value, dict) and self._is_object(value, node)
        kinds = _TYPES.get(str(node.get("type")), ())
        return isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds)

    def _is_object(self, value: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
        parts = _mapping(node.get("properties"))
        if not set(node.get("required", ())) <= set(value) <= set(parts):
            return False
        fixed = [name for name, part in parts.items() if {"const", "enum"} & set(part) and name in value]
        return all(self._fits(value[name], parts[name]) for name in fixed)


def _are_entries(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and set(one) == {"key", "value"} and isinstance(one["key"], str)
        for one in value
    )
