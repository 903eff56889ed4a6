"""Tokens of a text, estimated: for the status line until the API has counted, and for budgets.

No tokenizer of Claude's is public. A text is taken apart into what tokenizers commonly make one token of,
which follows prose, code, numbers and East Asian scripts alike; each model has a factor on top, which is
corrected by every reply that the API has counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

_PIECE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]|[^\W\d_]{1,6}|\d{1,3}|[^\s\w]|_")
_OPEN = re.compile(r"[^\W\d_]{1,40}\Z|\d{1,40}\Z")
"""The end of a text that may go on in the next one."""

TRUSTED = 400
"""Pieces from which a model's own replies outweigh what was assumed of it."""


def pieces(text: str) -> int:
    """The number of pieces of a text: words of up to six letters, up to three digits, single other signs."""
    return len(_PIECE.findall(text))


class Growing:
    """Counts the pieces of a text that comes in parts, as if it had come at once."""

    def __init__(self) -> None:
        self._closed = 0
        self._open = ""

    def feed(self, text: str) -> None:
        """Take in the next part."""
        text = self._open + text
        tail = _OPEN.search(text, max(0, len(text) - 40))
        self._open = tail.group() if tail else ""
        self._closed += pieces(text[: len(text) - len(self._open)])

    @property
    def pieces(self) -> int:
        """The pieces so far."""
        return self._closed + pieces(self._open)


@dataclass(frozen=True, slots=True)
class Counted:
    """Pieces and tokens of the replies of one model that the API has counted."""

    pieces: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Densities:
    """Tokens per piece, by model, as far as they are known.

    Parameters
    ----------
    counted : mapping
        What each model's replies have had, by its id.
    """

    counted: Mapping[str, Counted] = field(default_factory=dict)

    def density(self, model: str, assumed: float) -> float:
        """Tokens per piece: the model's own, leaning on what is assumed while little has been counted.

        Parameters
        ----------
        assumed : float
            Tokens per piece that a model of its kind is taken to have.
        """
        own = self.counted.get(model, Counted())
        return (own.tokens + assumed * TRUSTED) / (own.pieces + TRUSTED)

    def after(self, model: str, pieces: int, tokens: int) -> Densities:
        """What is known after one more reply; one that says nothing of its density is passed over."""
        if not pieces or not 0.3 < tokens / pieces < 5:
            return self
        own = self.counted.get(model, Counted())
        more = replace(own, pieces=own.pieces + pieces, tokens=own.tokens + tokens)
        return Densities({**self.counted, model: more})
