"""Where questions would go: key, host, proxy and certificates; and whether an API answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_magic import offline
from claude_magic.api.address import foreign_host
from claude_magic.api.catalogue import fetch
from claude_magic.api.client import Endpoint, connect, describe, place
from claude_magic.doctor.finding import Finding, fail, note, ok
from claude_magic.doctor.packages import plain
from claude_magic.errors import ApiProblem, ClaudeMagicError, ConfigProblem
from claude_magic.lineup import today
from claude_magic.settings import Settings

if TYPE_CHECKING:
    from anthropic import Anthropic

_KEY = "set ANTHROPIC_API_KEY before Jupyter starts, or run %claude_offline in the notebook"


def api(settings: Settings, *, online: bool) -> Iterator[Finding]:
    """The rows of ``%claude_config`` that tell where requests go, and what a client would stumble over.

    Parameters
    ----------
    online : bool
        Whether to ask the API for its models, which costs nothing; else nothing is sent.
    """
    endpoint = Endpoint(chosen=settings.provider)
    usable = True
    for about, value, origin, means in describe(None, endpoint):
        if value == "cannot be used":
            usable = False
            yield fail(about, plain(means))
        elif value == "none":
            usable = False
            missing = fail if online else note  # the offline demo needs none
            yield missing(about, "there is none", _KEY)
        else:
            yield ok(about, f"{value} (from {origin})")
    if not usable:
        return
    notes: list[str] = []
    try:
        client = connect(endpoint, notes.append)
    except ConfigProblem as problem:
        yield fail("client", plain(problem))
        return
    with client:
        for one in notes:
            yield note("client", one)
        yield ok("certificates", "can be read")
        yield from _host(client, settings, online=online)


def _host(client: Anthropic, settings: Settings, *, online: bool) -> Iterator[Finding]:
    """Whether the host may be asked, and answers."""
    foreign = foreign_host(client)
    if foreign and foreign not in settings.hosts.split():
        fix = f"%claude_config hosts={foreign}, or CLAUDE_MAGIC_HOSTS={foreign}, allows it for good"
        yield note("host", f"{foreign} is not Anthropic's: it is asked after your yes only", fix)
        return
    if not online:
        yield ok("host", "not asked (--online asks it for its models, which costs nothing)")
        return
    try:
        found = fetch(client, place(client, Endpoint(chosen=settings.provider)), today())
    except (ApiProblem, ClaudeMagicError) as problem:
        yield fail("host", plain(str(problem)))
    else:
        yield ok("host", f"answers, and lists {len(found.models)} models")


def local_api() -> Iterator[Finding]:
    """Whether the local Messages API of ``%claude_offline`` starts on this machine and answers."""
    try:
        local = offline.start(pace=0)
    except offline.LocalApiFailed as error:
        fix = "see that programs may listen on 127.0.0.1"
        yield fail("local API", f"does not start ({' '.join(str(error).split())[:200]})", fix)
        return
    try:
        with connect(Endpoint(local.url, local.token)) as client:
            fetch(client, "local", today())
        yield ok("local API", f"starts and answers on {local.url.removeprefix('http://').rpartition(':')[0]}")
    except ClaudeMagicError as problem:
        yield fail("local API", plain(str(problem)))
    finally:
        local.stop()
