"""A question: what a cell asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_magic.api import models, providers
from claude_magic.api.budget import Limit
from claude_magic.api.options import AS_IT_IS, Options
from claude_magic.structured import Shape
from claude_magic.values import AS_USUAL, Attaching


@dataclass(frozen=True, slots=True)
class Question:
    """What a cell asks.

    Parameters
    ----------
    prompt : str
        The body as typed, templates included.
    verbatim : bool
        Whether it is sent as it is, whatever ``{{ }}`` stands in it: a program's prompt may hold data.
    go_on : bool
        Whether it asks for the rest of a partial answer; the body may be empty then.
    model : models.Model
        Who is asked.
    namespace : mapping
        Where expressions are evaluated.
    attach : tuple of str
        What stands behind each ``-a``.
    how : Attaching
        How values become content blocks.
    urls : bool
        Whether the API may fetch web addresses.
    upload_above : int
        Bytes above which an attachment goes through the Files API; 0 for never.
    host : str
        Who answers: what one host has answered is never taken for what another would.
    provider : providers.Provider
        Whose API it is: what that lacks is refused, or done without.
    cache : str
        For how long the prompt cache keeps what is sent: ``5m``, ``1h`` or ``off``.
    goes_on : bool
        Whether another question is expected to follow this one; False outside a conversation.
    diagnose : bool
        Whether the API is asked why its cache was missed.
    density : float
        Tokens per piece of the model, for estimates.
    limits : tuple of Limit
        What it may cost.
    extra : str
        Further parameters of the request, as a JSON object; ``""`` for none.
    options : Options
        How the model is to answer.
    tools : tuple of bytes
        The definitions of the tools that it may call, as JSON.
    most_rounds : int
        How often it may be answered with what its tools have brought.
    thoughts : bool
        Whether the thinking of the turns above goes back, where it can.
    shape : Shape or None
        What the answer is to be, where it is data; its schema stands in ``options``.
    system_message : str
        A system message right after the question; ``""`` for none.
    """

    prompt: str
    model: models.Model
    namespace: Mapping[str, Any] = field(repr=False)
    verbatim: bool = False
    go_on: bool = False
    system: str = ""
    max_tokens: int = 16_000
    stop_sequences: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    how: Attaching = AS_USUAL
    urls: bool = False
    upload_above: int = 0
    host: str = ""
    provider: providers.Provider = providers.ANTHROPIC
    cache: str = "5m"
    goes_on: bool = True
    diagnose: bool = True
    density: float = 1.3
    limits: tuple[Limit, ...] = ()
    extra: str = ""
    options: Options = AS_IT_IS
    tools: tuple[bytes, ...] = field(default=(), repr=False)
    most_rounds: int = 20
    thoughts: bool = True
    shape: Shape | None = field(default=None, repr=False)
    system_message: str = ""

    @property
    def most(self) -> int:
        """The most output tokens of an answer: as many as are asked for, and the model can give."""
        return min(self.max_tokens, self.model.max_output)
