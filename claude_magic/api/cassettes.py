"""Cassettes: files of recorded exchanges, a JSON line each, from which requests can be answered again."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from claude_magic.api.exchanges import Exchange, Requested, differences
from claude_magic.errors import ConfigProblem, NotRecorded
from claude_magic.file_names import expanded

VERSION = 1
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?")
_HEAD = "claude_magic_cassette"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is done with which cassette.

    Parameters
    ----------
    mode : str
        ``record`` begins it anew; ``replay`` sends nothing; ``auto`` asks and records what it lacks.
    path : Path
        The file, absolute.
    paced : bool
        Whether answers come as slowly as they once did.
    """

    mode: str
    path: Path
    paced: bool = False

    @classmethod
    def read(cls, text: str, *, paced: bool) -> Wanted | None:
        """The one that ``"mode:path"`` names; None for ``""``."""
        mode, _, path = text.partition(":")
        return cls(mode, expanded(path).absolute(), paced) if text else None


class Cassette:
    """One cassette, open.

    Parameters
    ----------
    wanted : Wanted
        Which one, and what for.
    tell : callable
        Says a line to the user.

    Raises
    ------
    ConfigProblem
        When the file cannot be read, or is no cassette. Nothing was sent.
    """

    def __init__(self, wanted: Wanted, tell: Callable[[str], object]) -> None:
        self.wanted = wanted
        self.name = wanted.path.name
        self.api = ""
        """Whose answers it holds: the base URL, without the port of a server of this machine."""
        self._tell = tell
        self._lock = threading.Lock()
        self._exchanges: dict[str, list[Exchange]] = {}
        self._taken: dict[str, int] = {}
        self._begun = self._broken = False
        self._read()

    @property
    def sends(self) -> bool:
        """Whether anything may be asked of the API."""
        return self.wanted.mode != "replay"

    def __len__(self) -> int:
        return sum(map(len, self._exchanges.values()))

    def take(self, asked: Requested) -> Exchange | None:
        """The answer to a request: of several to equal ones the next, the last again and again.

        Where more may be asked, a fault that may pass is no answer for ever: it is asked again.
        """
        if self.wanted.mode == "record":
            return None
        key = asked.key
        with self._lock:
            found = self._exchanges.get(key)
            if not found:
                return None
            number = min(self._taken.get(key, 0), len(found) - 1)
            if self.sends and all(one.passing for one in found[number:]):
                return None
            self._taken[key] = number + 1
            return found[number]

    def missing(self, asked: Requested, why: str = "") -> NotRecorded:
        """What to say of a request that it cannot answer.

        Parameters
        ----------
        why : str
            Why it could not be asked instead; ``""`` where nothing was to be sent.
        """
        alike = [
            one.asked
            for every in self._exchanges.values()
            for one in every
            if (one.asked.method, one.asked.path) == (asked.method, asked.path)
        ]
        told = [differences(asked, one) for one in alike]
        if told:
            nearest = min(reversed(told), key=len)
            more = f" and {len(nearest) - 3} more" if len(nearest) > 3 else ""
            verb = "differ" if len(nearest) > 1 else "differs"
            what = f"{', '.join(nearest[:3])}{more} {verb} from the nearest one recorded."
        else:
            what = f"nothing is recorded of {asked.method} {asked.path.partition('?')[0]}."
        advice = (
            why or f"Nothing was sent; %claude_replay --mode auto {self.name} asks and records what it lacks."
        )
        return NotRecorded(f"{self.name} has no answer to this: {what} {advice}")

    def keep(self, exchange: Exchange, api: str) -> None:
        """Append an exchange, whole and at once; where that fails it is told, and nothing else happens."""
        with self._lock:
            if self.wanted.mode != "record":  # asked again in this kernel, it is known
                known = self._exchanges.setdefault(exchange.asked.key, [])
                known.append(exchange)
                self._taken[exchange.asked.key] = len(known)
            try:
                self._append(exchange.line, api)
            except OSError as error:
                self._broken = self._begun
                reason = error.strerror or type(error).__name__
                self._tell(f"{self.name}: an answer was not recorded ({reason}); record it anew.")

    def _append(self, line: str, api: str) -> None:
        path = self.wanted.path
        if not self._begun and self.wanted.mode == "record" and path.exists():
            path.replace(path.with_name(f"{path.name}~"))
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            head = ""
            if os.fstat(handle).st_size == 0:
                told = {_HEAD: VERSION, "api": api}
                head, self._broken = f"{json.dumps(told)}\n", False
            # What was cut by a full disk, or by the end of a kernel, stays a line of its own.
            left = ("\n" * self._broken + f"{head}{line}\n").encode()
            while left:
                left = left[os.write(handle, left) :]
            self._begun, self._broken = True, False
        finally:
            os.close(handle)

    def _read(self) -> None:
        path, mode = self.wanted.path, self.wanted.mode
        try:
            if path.exists() and not path.is_file():
                raise ConfigProblem(f"{self.name} is no file. Nothing was sent.")
            data = path.read_bytes() if mode == "replay" or path.exists() else b""
            if mode != "replay" and not path.parent.is_dir():
                raise ConfigProblem(f"{self.name}: there is no folder {path.parent}. Nothing was sent.")
        except OSError as error:
            advice = " %claude_record records one." if isinstance(error, FileNotFoundError) else ""
            raise ConfigProblem(f"{path}: {error.strerror}.{advice} Nothing was sent.") from error
        lines = data.split(b"\n")
        if data:
            self.api = self._head(lines[0])
        elif mode == "replay":
            raise ConfigProblem(f"{self.name} is empty. %claude_record records a cassette. Nothing was sent.")
        self._broken = bool(lines[-1])
        if mode != "record":
            self._take_in(lines[1:])

    def _head(self, line: bytes) -> str:
        head: object = None
        with contextlib.suppress(ValueError):
            head = json.loads(line)
        version = head.get(_HEAD) if isinstance(head, dict) else None
        if not isinstance(head, dict) or not isinstance(version, int):
            raise ConfigProblem(f"{self.name} is no cassette, and is left as it is. Nothing was sent.")
        if version != VERSION:
            raise ConfigProblem(
                f"{self.name} has the format version {version}, and this claude_magic knows {VERSION}: "
                "update it, or record the cassette anew under another name. Nothing was sent."
            )
        api = head.get("api")
        return api if isinstance(api, str) and _ADDRESS.fullmatch(api) else ""

    def _take_in(self, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, 2):
            if not line.strip():
                continue
            try:
                exchange = Exchange.of(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._tell(f"{self.name}: line {number} is broken (cut while it was written?) and left out.")
                continue
            self._exchanges.setdefault(exchange.asked.key, []).append(exchange)


def today() -> str:
    """The day it is here."""
    return dt.datetime.now().astimezone().date().isoformat()
