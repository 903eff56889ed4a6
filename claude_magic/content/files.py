"""Files and web addresses as content blocks."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from claude_magic.content.magic_bytes import kind_of_suffix
from claude_magic.content.names import shown
from claude_magic.content.objects import describe
from claude_magic.content.payload import bytes_blocks
from claude_magic.content.texts import text_attachment
from claude_magic.errors import UsageProblem, did_you_mean, names_in
from claude_magic.file_names import expanded
from claude_magic.values import Attaching, Block

MOST_BYTES = 500_000_000
"""A larger file is not read."""


class Url(str):
    """An address whose content the API fetches itself; the kernel never does."""

    __slots__ = ()


def url_block(url: Url) -> Block:
    """An image or a PDF that the API fetches from the web.

    Raises
    ------
    UsageProblem
        For another scheme, a private or local host, or a kind that cannot be told from the path.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise UsageProblem(f"{shown(url)} is no plain http or https address. Nothing was sent.")
    if _is_local(parts.hostname):
        raise UsageProblem(
            f"{shown(url)}: the API cannot reach a host of your own network, and is not told of it. "
            "Attach the file instead. Nothing was sent."
        )
    kind = kind_of_suffix(parts.path)
    source = {"type": "url", "url": str(url)}
    if kind == "pdf":
        block: dict[str, Any] = {"type": "document", "source": source}
    elif kind in ("png", "jpeg", "gif", "webp"):
        block = {"type": "image", "source": source}
    else:
        raise UsageProblem(
            f"{shown(url)}: only pictures (png, jpg, gif, webp) and PDFs are fetched by the API, told by the "
            "end of the path. Download other files and attach them. Nothing was sent."
        )
    encoded = json.dumps(block, separators=(",", ":")).encode()
    return Block(block["type"], encoded, name=str(url), note="fetched by the API")


def _is_local(host: str) -> bool:
    """Whether a host is one of this machine or network, however its address is written."""
    name = host.rstrip(".").lower()
    if "." not in name and ":" not in name and not name.isdigit() and not name.startswith("0x"):
        return True
    if name.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa")):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(name))  # 127.1, 0x7f000001, 2130706433
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def file_blocks(path: str, name: str, how: Attaching, part: str = "") -> tuple[Block, ...]:
    """The content blocks of a file.

    Parameters
    ----------
    path : str
        A regular file; anything else is refused, so that nothing hangs.
    name : str
        What the user calls it; ``""`` for the file's own name.
    part : str
        Pages or frames, as in ``"3-7"``.

    Raises
    ------
    UsageProblem
        When it cannot be read or sent. Nothing was sent.
    """
    data = read(path)
    name = name or Path(path).name
    if Path(path).suffix.lower() == ".ipynb":
        return (text_attachment(describe(_notebook(data, name), name), name, how),)
    return bytes_blocks(data, name, how, part)


def read(path: str) -> bytes:
    """Read a regular file whole.

    Raises
    ------
    UsageProblem
        For a missing file (with the nearest names), a directory, a device or pipe, or one too large.
    """
    label = shown(path)
    try:
        # Opening a pipe would wait for its other end; what was opened is asked what it is.
        handle = os.open(expanded(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise UsageProblem(f"{label}: {error.strerror}.{_near(path)} Nothing was sent.") from error
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise UsageProblem(f"{label} is a folder; name its files, as in {label}/*.png. Nothing was sent.")
        if not stat.S_ISREG(kind):
            raise UsageProblem(f"{label} is no regular file. Nothing was sent.")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageProblem(f"{label}: {error.strerror}. Nothing was sent.") from error
    finally:
        os.close(handle)
    if len(data) > MOST_BYTES:
        raise UsageProblem(f"{label} is larger than {MOST_BYTES // 1_000_000} MB. Nothing was sent.")
    return data


def _near(path: str) -> str:
    """The nearest names in the folder where a file was not found."""
    return did_you_mean(Path(path).name, names_in(expanded(path).parent))


def _notebook(data: bytes, name: str) -> Any:
    # Its schema checker alone takes over a second to import.
    import nbformat  # noqa: PLC0415

    try:
        return nbformat.reads(data.decode("utf-8"), as_version=4)
    except Exception as error:
        raise UsageProblem(f"{shown(name)} is no valid notebook. Nothing was sent.") from error
