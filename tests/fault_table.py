"""The table of faults: what the server does, and what must be true in the notebook afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from claude_magic.values import Stage
from tests.faults import (
    GOOD,
    PING,
    REST,
    SO_FAR,
    TEXT,
    WELL,
    Drip,
    Fin,
    Hang,
    Pings,
    Raw,
    Reset,
    Script,
    Sleep,
    closed,
    delta,
    ended,
    error_event,
    head,
    opened,
    refusal,
    reply,
    squeezed,
    sse,
    start,
    streamed,
    text,
    tool,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault.

    Parameters
    ----------
    row : str
        Its number in the table of faults.
    answers : tuple of Script
        What the server plays, one script a try.
    error : str
        The class of the error the cell ends in, as a pattern; ``""`` when it ends well.
    says : str
        A pattern that the error's line matches.
    stage : Stage
        How the turn ended.
    received : str
        The text that is kept.
    tries : int
        How often the question reaches the server, with one retry allowed.
    base : str
        The base URL: ``{url}`` and ``{host}`` are the server's, ``{closed}`` is a port nobody listens on.
    sent_back : bool
        Whether the text received goes into the next request.
    """

    row: str
    what: str
    answers: tuple[Script, ...] = field(repr=False)
    error: str = ""
    says: str = ""
    stage: Stage = "complete"
    received: str = ""
    tries: int = 1
    base: str = "{url}"
    sent_back: bool = True


def refused(row: str, what: str, answer: Script, says: str = "") -> Scenario:
    """The API says no: one try, nothing received."""
    return Scenario(row, what, (answer,), "RequestRefused", says, "failed")


def busy(row: str, what: str, answer: Script, *, tries: int = 2, says: str = "") -> Scenario:
    """The API cannot now: tried again, unless told otherwise."""
    return Scenario(row, what, (answer,) * tries, "ApiBusy", says, "failed", tries=tries)


def unreached(
    row: str, what: str, *answers: Script, tries: int = 2, says: str = "", base: str = "{url}"
) -> Scenario:
    """No answer of a Messages API, or none in time."""
    return Scenario(row, what, answers * 2, "ConnectionProblem", says, "failed", tries=tries, base=base)


def cut(row: str, what: str, answer: Script, *, error: str = "StreamCut", received: str = TEXT) -> Scenario:
    """A reply that stops after some text: kept, never asked again by itself."""
    return Scenario(row, what, (answer,), error, "", "cut", received)


def fine(
    row: str, what: str, answer: Script, received: str = TEXT, *, stage: Stage = "complete", back: bool = True
) -> Scenario:
    """Odd, but a whole reply."""
    return Scenario(row, what, (answer,), stage=stage, received=received, sent_back=back)


def stepped(row: str, what: str, answer: Script) -> Scenario:
    """A reply that is a step on the way: gone on from, and the next is well."""
    return Scenario(row, what, (answer,), received=WELL, tries=2)


def limited(retry_after: str) -> Script:
    return refusal(429, "rate_limit_error", "Slow down.", retry_after=retry_after)


PAGE = b"<!DOCTYPE html><html><script>alert(1)</script><body><h1>Please log in</h1></body></html>"
INVALID = "invalid_request_error"

BEFORE = (
    refused("H01", "400", refusal(400, INVALID, "max_tokens: too odd"), "max_tokens: too odd"),
    refused("H02", "400 orphan tool_use", refusal(400, INVALID, "`tool_use` ids without `tool_result`")),
    refused("H03", "400 empty text", refusal(400, INVALID, "text content blocks must be non-empty")),
    refused("H04", "400 thinking", refusal(400, INVALID, "`thinking` blocks cannot be modified")),
    refused("H05", "400 prefill", refusal(400, INVALID, "The conversation must end with a user message.")),
    refused("H06", "400 too long", refusal(400, INVALID, "prompt is too long: 250000 > 200000"), "250000"),
    refused("H07", "400 image", refusal(400, INVALID, "image exceeds 5 MB maximum"), "5 MB"),
    refused("H08", "400 PDF", refusal(400, INVALID, "a maximum of 100 PDF pages may be provided"), "100"),
    refused("H09", "401", refusal(401, "authentication_error", "invalid bearer token"), "credential|key"),
    refused("H10", "402", refusal(402, "billing_error", "credit balance is too low"), "credit balance"),
    refused("H11", "403", refusal(403, "permission_error", "no access to this model"), "no access"),
    refused("H12", "404 model", refusal(404, "not_found_error", "model: claude-old"), "claude-old"),
    busy("H13", "409", refusal(409, "conflict_error", "Try again.")),
    busy("H13", "408", refusal(408, "timeout_error", "Took too long.")),
    refused("H14", "413", refusal(413, "request_too_large", "Request exceeds the maximum size"), "413|size"),
    busy("H15", "429", refusal(429, "rate_limit_error", "Slow down."), says="429|rate"),
    Scenario("H16", "429 retry-after 1", (limited("1"), GOOD), received=WELL, tries=2),
    busy("H16", "429 retry-after 3600", limited("3600"), tries=1, says=r"\d:\d\d|hour|60 min|3,?600|1 h"),
    busy("H16", "429 retry-after 2099", limited("Thu, 01 Jan 2099 00:00:00 GMT"), tries=1,
         says="2099|more than a day"),
    busy("H16", "429 retry-after inf", limited("inf"), tries=1, says="more than a day|again"),
    *(
        Scenario("H17", f"429 retry-after {odd}", (limited(odd), GOOD), received=WELL, tries=2)
        for odd in ("-5", "nan", "soon", "Thu, 01 Jan 1998 00:00:00 GMT")
    ),
    busy("H18", "500", refusal(500, "api_error", "Our fault."), says="500"),
    busy("H18", "503", refusal(503, "api_error", "Our fault."), says="503"),
    busy("H18", "504", refusal(504, "timeout_error", "Upstream.")),
    busy("H18", "500 not to be retried", refusal(500, "api_error", "No.", x_should_retry="false"), tries=1),
    Scenario("H18", "400 to be retried", (refusal(400, INVALID, "Odd.", x_should_retry="true"), GOOD),
             received=WELL, tries=2),
    busy("H19", "529", refusal(529, "overloaded_error", "Overloaded"), says="529|verload"),
    busy("H20", "503 HTML", reply(503, PAGE, content_type="text/html")),
    refused("H21", "400 empty", reply(400), r"400.*req_fault"),
    unreached("H22", "200 HTML", reply(200, PAGE, content_type="text/html"), tries=1, says="proxy|login"),
    unreached("H23", "200 JSON", refusal(200, "overloaded_error", "Kettle on."), tries=1, says="Kettle on"),
    refused("H24", "redirect", reply(307, b"", location="{elsewhere}/v1/messages")),
    refused("H24", "redirect 301", reply(301, PAGE, location="{elsewhere}/", content_type="text/html")),
    unreached("H25", "refused connection", tries=0, says="{closed}|127.0.0.1", base="http://{closed}"),
    unreached("H25", "no such host", tries=0, says="nowhere.invalid", base="http://nowhere.invalid"),
    unreached("H26", "TLS hangs", tries=0, base="https://{host}"),
    unreached("H27", "FIN before headers", (Fin(),)),
    unreached("H27", "RST before headers", (Reset(),)),
    unreached("H27", "FIN in the headers", (Raw(head()[:40]), Fin())),
    unreached("H28", "hangs before headers", (Hang(),)),
    unreached("H29", "not HTTP", (Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Fin())),
    Scenario("H30", "base URL with /v1", (GOOD,), received=WELL, base="{url}/v1"),
    Scenario("H30", "base URL with /v1/", (GOOD,), received=WELL, base="{url}/v1/"),
    Scenario("H31", "base URL without scheme", (), "ConfigProblem", "https?://", tries=0, base="{host}"),
)  # fmt: skip
"""Faults before the stream."""

OTHER = {"type": "from_the_future", "shape": "odd"}
ODD = "caf\u00e9 \u2028 \u0085 \U0001f600 \u65e5\u672c"
HOSTILE = "a\0b \x1b[31mred\x1b[0m \x1b]8;;http://x.invalid\x07link \u202eabc\u202c \x7f end"
CRLF = b": a comment\r\n\r\n" + (sse(start(), *text("one ", "two"), *ended())).replace(b"\n", b"\r\n")
RAW_UTF8 = (
    sse(start(), opened())
    + f'event: content_block_delta\ndata: {json.dumps(delta("text_delta", text=ODD), ensure_ascii=False)}\n\n'
    .encode()
    + REST
)  # fmt: skip
NUL_UTF8 = SO_FAR + b'event: content_block_delta\ndata: {"type":"content_block_delta","text":"\xff\xfe"}\n\n'
MALFORMED = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "del\n\n'
NULL_TEXT = sse(delta("text_delta", text=None))
NO_USAGE = sse(closed(), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, ended()[1])
EVERYTHING = sse(start(), *text("The text ", "so far"))
DELTAS = [f"w{number} " for number in range(20_000)]
LARGE = [f'"k{number:05}": "{"x" * 80}", ' for number in range(2_000)]


def called(*calls: dict[str, object], reason: str = "tool_use") -> Script:
    """Some text, then calls of tools."""
    return streamed(EVERYTHING, sse(*calls, *ended(reason)))


def plain(*pieces: str, reason: str = "end_turn", **more: object) -> Script:
    """A whole reply of text."""
    return streamed(sse(start(), *text(*pieces), *ended(reason, **more)))


STOPS = {"category": "cyber", "explanation": "It asks for harm."}
STREAM = (
    cut("S01", "error event: overloaded", streamed(SO_FAR, error_event("overloaded_error")), error="ApiBusy"),
    cut("S01", "error event: other", streamed(SO_FAR, error_event("invalid_request_error"))),
    busy("S02", "error event first", streamed(error_event("overloaded_error"))),
    busy("S02", "error event first: api_error", streamed(error_event("api_error"))),
    Scenario("S02", "other error event first", (streamed(error_event(INVALID)),),
             r"StreamCut|RequestRefused", "Too many cooks", "failed"),
    cut("S03", "error event without JSON", streamed(SO_FAR, b"event: error\ndata: upstream died\n\n")),
    cut("S04", "reset", streamed(SO_FAR, Sleep(0.3), end=(Reset(),))),
    cut("S05", "FIN between chunks", streamed(SO_FAR, end=(Fin(),))),
    cut("S05", "FIN inside a chunk", streamed(SO_FAR, Raw(b"400\r\nevent: con"), end=(Fin(),))),
    cut("S06", "clean EOF", streamed(SO_FAR)),
    cut("S06", "clean EOF, no chunks",
        (Raw(head(transfer_encoding="", connection="close") + SO_FAR), Fin())),
    cut("S07", "EOF after message_delta", streamed(SO_FAR, sse(closed(), ended()[0]))),
    cut("S08", "EOF before the blank line", streamed(SO_FAR, sse(delta("text_delta", text=" lost"))[:-1])),
    cut("S08", "EOF inside a line", streamed(SO_FAR, sse(delta("text_delta", text=" lost"))[:-20])),
    cut("S08", "EOF inside message_stop", streamed(SO_FAR, REST[:-1])),
    unreached("S09", "EOF after headers", streamed()),
    unreached("S09", "FIN after headers", streamed(end=(Fin(),))),
    unreached("S10", "hangs after headers", streamed(Hang())),
    cut("S10", "hangs after text", streamed(SO_FAR, Hang())),
    Scenario("S10", "hangs after message_start",
             (streamed(sse(start()), Hang()),), "StreamCut", "", "failed"),
    fine("S11", "pings for longer than silence is allowed", streamed(SO_FAR, Pings(0.3, 9), REST)),
    fine("S12", "one byte a chunk", streamed(Drip(SO_FAR + REST))),
    cut("S13", "malformed JSON", streamed(SO_FAR, MALFORMED, REST)),
    cut("S14", "invalid UTF-8", streamed(SO_FAR, NUL_UTF8[len(SO_FAR):], REST)),
    fine("S15", "characters over chunks", streamed(Drip(RAW_UTF8)), ODD),
    fine("S15", "CRLF and comments", streamed(CRLF), "one two"),
    fine("S15", "pings anywhere",
         streamed(PING, sse(start()), PING, sse(opened()), PING, sse(*text("a", "b")[1:]), PING,
                  sse(*ended())), "ab"),
    fine("S16", "unknown event and delta",
         streamed(SO_FAR, sse({"type": "brand_new", "x": 1}, delta("brand_new_delta", x=1)), REST)),
    fine("S17", "unknown block", streamed(EVERYTHING, sse(opened(1, **OTHER), closed(1), *ended()))),
    fine("S18", "block start missing", streamed(sse(start(), delta("text_delta", text=TEXT), *ended()))),
    fine("S18", "gap in the index", streamed(sse(start(), *text(TEXT, index=7), *ended()))),
    fine("S19", "delta before the start", streamed(sse(delta("text_delta", text="early ")), SO_FAR, REST)),
    fine("S19", "two starts", streamed(sse(start()), SO_FAR, REST)),
    cut("S20", "text is null", streamed(SO_FAR, NULL_TEXT, REST)),
    fine("S20", "no usage at the end", streamed(SO_FAR, NO_USAGE)),
    fine("S21", "empty reply", streamed(sse(start(), *ended())), ""),
    fine("S21", "empty block", plain(""), ""),
    fine("S21", "blank block", plain(" \n"), " \n", back=False),
    fine("S22", "max_tokens", plain(TEXT, reason="max_tokens"), stage="max_tokens"),
    fine("S23", "refusal", plain(TEXT, reason="refusal", stop_details=STOPS), stage="refused", back=False),
    fine("S23", "refusal without text", streamed(sse(start(), *ended("refusal"))), "", stage="refused"),
    stepped("S24", "pause_turn", plain(TEXT, reason="pause_turn")),
    fine("S25", "context window", plain(TEXT, reason="model_context_window_exceeded"), stage="max_tokens"),
    fine("S26", "unknown stop reason", plain(TEXT, reason="from_the_future")),
    stepped("S27", "tool JSON invalid", called(*tool(1, '{"a": ', "oops}"))),
    fine("S28", "tool JSON cut by max_tokens", called(*tool(1, '{"a": '), reason="max_tokens"),
         stage="max_tokens"),
    cut("S28", "tool JSON cut by EOF", streamed(EVERYTHING, sse(*tool(1, '{"a": ')[:2]))),
    *(stepped("S29", f"tool JSON is {what}", called(*tool(1, odd)))
      for what, odd in (("an array", "[1]"), ("NaN", '{"a": NaN}'), ("long", '{"a": ' + "9" * 400 + "}"),
                        ("deep", '{"a": ' + "[" * 5000 + "]" * 5000 + "}"))),
    stepped("S30", "unknown tool, 50 calls of one id",
         called(*(event for index in range(1, 51) for event in tool(index, "{}", name="no such")))),
    fine("S31", "lone surrogate", plain("a\ud83d", "b"), "a\ufffdb"),
    fine("S32", "surrogate pair over two deltas", plain("a\ud83d", "\ude00b"), "a\U0001f600b"),
    fine("S33", "control characters", plain(HOSTILE), HOSTILE),
    fine("S34", "good gzip",
         streamed(squeezed(SO_FAR + REST), content_encoding="gzip")),
    Scenario("S34", "corrupt gzip", (streamed(b"\x1f\x8b\x08" + b"\xa7" * 64, content_encoding="gzip"),),
             "StreamCut|ConnectionProblem", "", "failed"),
    cut("S34", "cut gzip", streamed(squeezed(REST, keep=SO_FAR), content_encoding="gzip")),
    fine("S35", "20,000 deltas", plain(*DELTAS), "".join(DELTAS)),
    stepped("S36", "200 kB of tool JSON", called(*tool(1, "{", *LARGE, '"end": 1}'))),
)  # fmt: skip
"""Faults in the stream."""

SCENARIOS = BEFORE + STREAM
ENDLESS = streamed(SO_FAR, Pings(0.2))
"""Text, then pings until the client leaves."""
