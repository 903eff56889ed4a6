"""Models that call tools: what the fault server plays."""

from __future__ import annotations

from typing import Any

from tests.faults import Script, ended, sse, start, streamed, text, tool

FUNCTIONS = '''
import asyncio, time
import claude_magic

ran = []

def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    Args:
        a: The first.
    """
    ran.append(f"add {a} {b}")
    return a + b

async def later(seconds: float) -> str:
    "Wait."
    ran.append("later")
    print("waiting in the tool")
    await asyncio.sleep(seconds)
    return "waited"

def fails(why: str) -> str:
    "Fail."
    ran.append("fails")
    raise LookupError(why)

def hang() -> None:
    "Hang."
    ran.append("hang")
    print("hanging", flush=True)
    time.sleep(60)

@claude_magic.tool(approval=False)
def look(at: str = "") -> str:
    "Look without asking."
    ran.append("look")
    return f"seen {at}"

def untyped(a):
    return a

class Desk:
    def find(self, name: str) -> str:
        "Find a paper."
        return f"found {name}"

    def __call__(self, x: float) -> float:
        "Double it."
        return 2 * x

desk = Desk()
'''


def calling(*calls: list[dict[str, Any]], said: str = "Let me see.", reason: str = "tool_use") -> Script:
    """A reply that says something and calls tools."""
    events = [event for call in calls for event in call]
    return streamed(sse(start(), *(text(said) if said else ()), *events, *ended(reason)))


def call(name: str, given: str = "{}", id: str = "toolu_1", index: int = 1) -> list[dict[str, Any]]:  # noqa: A002
    """One call, its JSON in one piece."""
    return tool(index, given, name=name, id=id)
