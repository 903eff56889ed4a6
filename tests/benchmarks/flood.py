"""A Messages API that only streams: prebuilt events as fast as the socket takes them, or at a pace.

``python -m tests.benchmarks.flood DELTAS [SECONDS]`` prints its port and serves until its standard input
closes. It parses nothing, so that a benchmark measures the client.
"""

from __future__ import annotations

import asyncio
import json
import sys

PARAGRAPH = (
    "The median is the value in the middle of an ordered sample, and it does not move when one reading goes "
    "astray. **Compare** it with the mean before you trust either; `numpy.median` gives it.\n\n"
)


def answer(deltas: int) -> list[str]:
    """Pieces of about four characters of prose with a heading, a list and a code block now and then."""
    text: list[str] = []
    size = 0
    for number in range(deltas):
        piece = PARAGRAPH
        if number % 7 == 3:
            piece = f"## Part {number}\n\n- one\n- two\n- three\n\n"
        elif number % 7 == 5:
            piece = "```python\nvalues = sorted(sample)\nmiddle = values[len(values) // 2]\n```\n\n"
        text.append(piece)
        size += len(piece)
        if size >= 4 * deltas:
            break
    whole = "".join(text)[: 4 * deltas]
    return [whole[at : at + 4] for at in range(0, len(whole), 4)]


def event(kind: str, **body: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode()


def stream(deltas: int) -> tuple[bytes, list[bytes], bytes]:
    """Head, deltas and tail of the event stream."""
    usage = {"input_tokens": 20, "output_tokens": 1}
    message: dict[str, object] = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    head = event("message_start", message=message)
    head += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    middle = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        for piece in answer(deltas)
    ]
    tail = event("content_block_stop", index=0)
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    tail += event("message_delta", delta=ended, usage={"output_tokens": deltas})
    return head, middle, tail + event("message_stop")


async def serve(deltas: int, seconds: float) -> None:
    head, middle, tail = stream(deltas)
    flood = head + b"".join(middle) + tail
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        for line in request.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.split(b":")[1]))
        writer.write(reply)
        if not seconds:
            writer.write(flood)
        else:
            writer.write(head)
            clock = asyncio.get_running_loop().time
            begun = clock()
            for number, piece in enumerate(middle):
                writer.write(piece)
                pause = begun + seconds * number / len(middle) - clock()
                if pause > 0:
                    await asyncio.sleep(pause)
            writer.write(tail)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0))
