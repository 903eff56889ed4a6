"""How the model is to answer: effort, thinking, a schema, a tool it must call; as its parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from claude_magic.api.models import Model
from claude_magic.errors import UsageProblem

LEAST_BUDGET = 1024
"""Tokens of the smallest budget for thinking that the API takes."""

DATA_TOOL = "answer_with_data"
"""The tool whose input is the answer, for models without structured outputs; it is read, never run."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a question asks of the answer besides its text.

    Parameters
    ----------
    effort : str
        A level of effort; ``""`` for the model's own.
    thinking : bool
        Whether it thinks and tells it; else it does as the model does by itself.
    schema : str
        The JSON schema that the answer follows; ``""`` for none.
    must_call : str
        The name of a tool that must be called; ``""`` for none. With `DATA_TOOL` the schema is that of its
        input.
    prefill : str
        How the answer begins; ``""`` for as it likes.
    """

    effort: str = ""
    thinking: bool = False
    schema: str = ""
    must_call: str = ""
    prefill: str = ""

    @property
    def data(self) -> str:
        """How the answer is data: ``"text"``: its text is JSON; ``"tool"``: a tool's input; ``""``: not."""
        return "" if not self.schema else "tool" if self.must_call == DATA_TOOL else "text"

    @property
    def tools(self) -> tuple[bytes, ...]:
        """The definition of the tool whose input is the answer, where there is one."""
        if self.data != "tool":
            return ()
        about = "Give the answer: all of it, as this tool's input."
        tool = {"name": DATA_TOOL, "description": about, "input_schema": json.loads(self.schema)}
        return (json.dumps(tool, ensure_ascii=False, separators=(",", ":")).encode(),)

    def mode(self, model: Model) -> str:
        """The value of ``thinking.type`` for a model; ``""`` to leave it to the model."""
        if not self.thinking:
            return ""
        modes = model.thinking.modes if model.thinking is not None else ("adaptive",)
        return "enabled" if "adaptive" not in modes and "enabled" in modes else "adaptive"

    def parameters(self, model: Model, max_tokens: int) -> dict[str, Any]:
        """The parameters of the request, those left out that say nothing.

        Raises
        ------
        UsageProblem
            Where the answer may have too few tokens to think by a budget. Nothing was sent.
        """
        config: dict[str, Any] = {"effort": self.effort} if self.effort else {}
        if self.data == "text":
            config["format"] = {"type": "json_schema", "schema": json.loads(self.schema)}
        chosen = {"output_config": config, "thinking": self._thinking(model, max_tokens)}
        if self.must_call:
            alone = {"disable_parallel_tool_use": True} if self.data else {}
            chosen["tool_choice"] = {"type": "tool", "name": self.must_call, **alone}
        return {name: value for name, value in chosen.items() if value}

    def _thinking(self, model: Model, max_tokens: int) -> dict[str, Any]:
        mode = self.mode(model)
        if mode == "enabled":
            if max_tokens <= LEAST_BUDGET:
                raise UsageProblem(
                    f"{model.id} thinks by a budget of at least {LEAST_BUDGET:,} tokens, within the "
                    f"{max_tokens:,} of the answer: allow more by --max-tokens (or --max-cost), or leave "
                    "--thinking out. Nothing was sent."
                )
            return {"type": mode, "budget_tokens": max(LEAST_BUDGET, max_tokens // 2)}
        return {"type": mode, **({"display": "summarized"} if mode == "adaptive" else {})} if mode else {}


AS_IT_IS = Options()
"""Nothing asked."""
