"""``python -m claude_magic.offline``: serve the local Messages API.

Without ``--keep`` it is a child of the process that started it: it prints one line of JSON with its address
and token, and ends when its standard input is closed. With ``--keep`` it serves people until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import secrets
import signal
import sys
import threading

from .files import FileStore
from .guard import Limits
from .pledge import DAY, DELAY, Pledge
from .server import DEFAULT_PACE, listen


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit status."""
    options = _parser().parse_args(arguments)
    if not options.keep:
        # Only the parent decides; an interrupt of its terminal or notebook is not for us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m claude_magic.offline",
        description="A local Messages API on 127.0.0.1 with a demo model (which is not Claude).",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--token", help="API key to ask for, seen in process lists (default: a random one)")
    parser.add_argument(
        "--pace",
        type=float,
        default=DEFAULT_PACE,
        help="tokens per second of streamed answers; 0 is as fast as it can (default: %(default)g)",
    )
    parser.add_argument("--models", default="", help="comma-separated ids to offer (default: all)")
    parser.add_argument("--no-files", action="store_true", help="lack the Files API")
    parser.add_argument(
        "--files-expire",
        type=_seconds,
        metavar="SECONDS",
        help="let uploaded files expire after this time at the latest (default: never)",
    )
    parser.add_argument(
        "--patience",
        type=_seconds,
        metavar="SECONDS",
        help="drop clients slower than this with their headers, their body or in reading "
        "(default: 10, 60 and 30)",
    )
    for name, default, means in (
        ("delay", DELAY, "seconds over which a batch is answered"),
        ("life", DAY, "seconds after which what is not answered of a batch expires"),
        ("kept", 29 * DAY, "seconds for which the results of a batch can be fetched"),
        ("errored", 0.0, "share of a batch's requests that end in an error, from 0 to 1"),
        ("expired", 0.0, "share of a batch's requests that expire, from 0 to 1"),
    ):
        parser.add_argument(
            f"--batch-{name}", type=_seconds, default=default, help=f"{means} (default: %(default)g)"
        )
    parser.add_argument("--keep", action="store_true", help="serve until Ctrl-C, and say how to use it")
    return parser


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError
    return number


async def _serve(options: argparse.Namespace) -> None:
    token = options.token or f"sk-local-{secrets.token_urlsafe(24)}"
    names = tuple(name for name in options.models.split(",") if name)
    files = None if options.no_files else FileStore(longest=options.files_expire)
    patience = options.patience
    limits = Limits() if patience is None else Limits(patience, patience, patience)
    names_of_pledge = ("delay", "life", "kept", "errored", "expired")
    pledge = Pledge(*(getattr(options, f"batch_{name}") for name in names_of_pledge))
    server, around = listen(
        port=options.port,
        token=token,
        pace=options.pace,
        models=names,
        files=files,
        pledge=pledge,
        limits=limits,
    )
    url = f"http://127.0.0.1:{around.port}"
    stopped = asyncio.Event()
    _stop_on_signal(stopped)
    if options.keep:
        _say(
            f"Local Messages API with a demo model (not Claude) on {url}. Ctrl-C ends it.\n"
            f"In another terminal:\n  export ANTHROPIC_BASE_URL={url}\n  export ANTHROPIC_API_KEY={token}"
        )
    else:
        # Before the greeting, since the parent may end right after it.
        parent_watch = _stop_with_parent(stopped)  # noqa: F841 - a task nobody holds may be collected
        _say(json.dumps({"url": url, "token": token}))
    around.warm_up()
    await stopped.wait()
    server.stop()
    sys.stdout.flush()
    # Worker threads may be inside a long PDF, and nothing here needs to be saved: leave at once.
    os._exit(0)


def _stop_on_signal(stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
    except NotImplementedError:  # Windows
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stopped.set))


def _stop_with_parent(stopped: asyncio.Event) -> asyncio.Task[None]:
    """Set `stopped` when standard input ends, which it does however the parent dies."""
    loop = asyncio.get_running_loop()
    parent = os.getppid()

    def watch_input() -> None:
        with contextlib.suppress(OSError):
            # os.read, since a buffered reader held by a thread makes the interpreter's exit fail.
            while os.read(0, 1024):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stopped.set)

    async def watch_parent() -> None:
        # A fork of the parent may hold the other end of our input open: then its id tells.
        while os.getppid() == parent:
            await asyncio.sleep(1)
        stopped.set()

    threading.Thread(target=watch_input, daemon=True).start()
    return loop.create_task(watch_parent())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
