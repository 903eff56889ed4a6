"""What a notebook's first cell holds so that its others can drive a view without asking any model."""

from __future__ import annotations

SOURCE = '''\
import json, time
from claude_magic.display import leave, live
from claude_magic.display.frontend import Views
from claude_magic.display.status import Status
from claude_magic.sections import call_section
from claude_magic.stop import Stop
from claude_magic.values import Answer, Call, Section, TextPart, ToolUsePart, Turn, Usage, text_block

views = Views(get_ipython())
STATUS = Status("claude-sonnet-5-5", "waiting for your leave", Usage(2000, 120), 0.0021, 3.0)

def turn_of(text, sections=()):
    answer = Answer((TextPart(text),), Usage(5, 9, final=True), stop_reason="end_turn", complete=True)
    return Turn("p", (), shown=text, answer=answer, stage="complete", model="m", sections=tuple(sections))

def asked(*calls):
    """Put calls to the user one after another; tell what was allowed, and how it ended."""
    with Stop() as stop:
        view = views.make("auto", stop)
        view.begin(STATUS, ())
        said = [view.may_run(ToolUsePart("t", name, given), STATUS) for name, given in calls]
        view.end(turn_of("ended"))
    how = "interrupted" if stop.interrupted else "stopped" if stop.asked else "went on"
    global last
    last = " ".join(["leave:", *said, how, view.problem]).strip()
    print(last)

DANGER = json.dumps({"command": "echo hi", "note": "a\\u202eb\\u200bc\\nd", "n": [1, 2.5, None]})
'''
"""Names: ``asked(("tool", "{}"), …)``, ``turn_of(text, sections)``, ``views``, ``STATUS``, ``DANGER``."""
