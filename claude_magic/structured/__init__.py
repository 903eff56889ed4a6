"""Answers as data: a type of the kernel becomes a JSON schema, and JSON becomes a value of the type."""

from claude_magic.structured.fields import record_of
from claude_magic.structured.shape import Shape, result, shape_of

__all__ = ["Shape", "record_of", "result", "shape_of"]
