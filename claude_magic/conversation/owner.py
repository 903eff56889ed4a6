"""Which process streams a turn, and whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

SILENCE = 120.0
"""Seconds without a sign of life after which a process that cannot be looked at counts as dead.

Wrongly so is harmless: what the living one writes in the end wins.
"""


def this_process() -> str:
    """Name this process, told apart from any other with the same number: place, number, start.

    The place is the host, its boot and the namespace of process numbers: a restarted container has the
    same name and, quite likely, the same numbers.
    """
    boot = _first_line(Path("/proc/sys/kernel/random/boot_id"))
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    pid = os.getpid()
    return "\t".join((socket.gethostname(), boot, namespace, str(pid), _started(pid)))


def is_alive(owner: str, silence: float) -> bool:
    """Whether the process that an earlier :func:`this_process` named is still there.

    Parameters
    ----------
    owner : str
        What it called itself.
    silence : float
        Seconds since its last sign of life, by clocks that may have jumped.
    """
    place, _, process = owner.rpartition("\t")
    place, _, pid = place.rpartition("\t")
    quiet = abs(silence) > SILENCE
    here = this_process().rsplit("\t", 2)[0]
    # Windows has no harmless way to knock: os.kill(pid, 0) sends Ctrl-C there.
    if place != here or not pid.isdecimal() or os.name != "posix":
        return not quiet
    if process:
        return _started(int(pid)) == process
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return not quiet
    # Somebody has the number; without a start time only a sign of life tells who.
    return int(pid) == os.getpid() or not quiet


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot; ``""`` for none and where nothing tells."""
    line = _first_line(Path(f"/proc/{pid}/stat"))
    # Its name, in brackets, may hold anything. A zombie has ended, though its line still stands.
    fields = line.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ""
