"""What a question does without where the API refuses it, so that no conversation gets stuck on it."""

from __future__ import annotations

import re
from dataclasses import replace

from claude_magic.api.server_tools import basic
from claude_magic.errors import ApiProblem, RequestRefused
from claude_magic.prepared import Prepared

_THINKING = re.compile(r"`?(?:redacted_)?thinking`?(?:` blocks?| blocks?)|\bsignature\b")
"""How the API names a thinking block that it does not take back."""


def conceded(prepared: Prepared, problem: ApiProblem) -> Prepared | None:
    """The question without what was refused; None where nothing of that kind was.

    One thing is left out at a time, and nothing twice, so that asking again comes to an end: the question
    why the cache was missed; the thinking of earlier turns, which is bound to what stood before it; and of
    the API's own tools, their newest versions, which not every model has.
    """
    if not isinstance(problem, RequestRefused):
        return None
    question, said = prepared.question, str(problem)
    if question.diagnose and "diagnostics" in said:
        return replace(prepared, question=replace(question, diagnose=False))
    if question.thoughts and prepared.history and _THINKING.search(said):
        return replace(prepared, question=replace(question, thoughts=False))
    tools = basic(question.tools, said)
    return None if tools == question.tools else replace(prepared, question=replace(question, tools=tools))
