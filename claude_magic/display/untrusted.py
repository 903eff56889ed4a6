"""What makes untrusted text harmless to look at: visible characters, plain targets, recognised formulas.

The rules that the HTML (:mod:`claude_magic.display.markdown`) and the Markdown
(:mod:`claude_magic.display.neutral`) of an answer must share, so that both show the same. It knows
neither parser nor front end, and nothing of where the text comes from.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["Formula", "Target", "alone", "formula_at", "is_plain_address", "names", "target", "visible"]

_HIDDEN = re.compile(
    "\r\n?"
    "|[\ud800-\udbff][\udc00-\udfff]"  # a pair that came in two halves is one character
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Show every control, direction-changing and zero-width character as a visible one.

    Line feeds and tabs stay, as do the joiners that emoji and many scripts need. A line end of two
    characters becomes one; the halves of a surrogate pair are joined, a lone half is replaced.

    Parameters
    ----------
    text : str
        Text of any origin.

    Returns
    -------
    str
        The text, the same object where there was nothing to show.
    """
    return _HIDDEN.sub(_shown, text) if _HIDDEN.search(text) else text


def _shown(match: re.Match[str]) -> str:
    found = match.group()
    if found == "\r\n":
        return "\n"
    if len(found) == 2:
        return found.encode("utf-16", "surrogatepass").decode("utf-16")
    code = ord(found)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"⟨U+{code:04X}⟩"


def alone(character: str) -> str:
    """Write a character so that it shows, but is half of nothing, neither in the source nor in the page.

    Notebooks look for formulas once more in the page's text, where an escaped dollar is a dollar; there an
    element is a border.
    """
    return f"<span>&#{ord(character)};</span>"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads.

    Parameters
    ----------
    url : str
        The address in characters that mean nothing to Markdown, HTML or TeX.
    host : str
        What a reader must see of it: the host without ``www.``, or the mail address.
    """

    url: str
    host: str


_URL = re.compile(r"(?i)(https?)://([^/?#]*)(.*)", re.DOTALL)
_MAIL = re.compile(r"(?i)mailto:([\w.+%-]+@[\w.-]+)(\?.*)?", re.ASCII)
_HOST = re.compile(r"(?:[a-z0-9_-]+\.?)+|\[[0-9a-f:.]+\]", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LONGEST_URL = 8_000
_AUTHORITY = re.compile(r"\[[0-9A-Fa-f:.]+\](?::\d+)?|[^\s/?#<>|`()\[\]]{1,300}")
_NOT_OF_ADDRESS = "!*,.:_~"


def target(destination: str) -> Target | None:
    """Read a link's destination as a browser would, and write it in harmless characters.

    Parameters
    ----------
    destination : str
        As written in Markdown: with backslash escapes, entities, any characters.

    Returns
    -------
    Target or None
        None for anything but a complete ``http``, ``https`` or ``mailto`` address.
    """
    if len(destination) > _LONGEST_URL:
        return None
    plain = (
        html.unescape(_ESCAPED.sub(r"\1", destination))
        if "&" in destination or "\\" in destination
        else destination
    )
    if mail := _MAIL.fullmatch(plain):
        return Target("mailto:" + mail[1] + _quoted(mail[2] or ""), mail[1])
    match = _URL.fullmatch(plain)
    if match is None:
        return None
    scheme, authority, rest = match.groups()
    user, at, place = authority.rpartition("@")
    host = _host(place)
    if host is None:
        return None
    url = f"{scheme.lower()}://{_quoted(user)}{at}{host}{_quoted(rest)}"
    return Target(url, host.removeprefix("www."))


def _host(place: str) -> str | None:
    name, colon, port = place.rpartition(":")
    if not (colon and port.isascii() and port.isdigit()):
        name, port = place.removesuffix(":"), ""
    if not name.isascii():
        try:  # as browsers look it up: a look-alike name shows as what it is
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if len(name) > 255 or not _HOST.fullmatch(name):
        return None
    return name.lower() + (f":{port}" if port else "")


def is_plain_address(text: str, at: int) -> bool:
    """Tell whether a bare address has a host here, behind its ``://``, that all readers see alike."""
    written = _AUTHORITY.match(text, at)
    place = written.group().rpartition("@")[2].rstrip(_NOT_OF_ADDRESS) if written else ""
    return place.isascii() and _host(place) is not None


def _quoted(part: str) -> str:
    # What is left unquoted can neither end a destination nor begin math, an entity or a placeholder.
    quoted = quote(
        _STRAY_PERCENT.sub("%25", part), safe="-._~/?#:@!&*+,;=%", encoding="utf-8", errors="replace"
    )
    if "&" in quoted:
        quoted = re.sub(r"&(?=#?\w+;)", "%26", quoted)
    return quoted.replace("@@", "%40%40")


def names(label: str, place: Target) -> bool:
    """Tell whether a link's text is its own address, so that nothing more needs to be shown."""
    plain = label.strip().replace("\\_", "_").removesuffix("/")
    address = place.url.removeprefix("mailto:").removesuffix("/")
    return plain in {address, address.partition("://")[2]}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula in a text.

    Parameters
    ----------
    tex : str
        What stands between the delimiters; with them where the delimiters are TeX's own environment.
    display : bool
        Whether it stands on a line of its own.
    end : int
        Where the text goes on.
    """

    tex: str
    display: bool
    end: int


_LINE = r"\n(?![ \t>]*(?:\n|\Z))"  # a line end that does not end the paragraph
_BODY = rf"[^\n\\`]|\\[^\n()\[\]]|{_LINE}"
_DOLLARS = rf"[^$\n\\`]|\\[^\n]|{_LINE}"
_FORMULA = re.compile(
    rf"""
    (?<![\\$])\$\$(?!\$)(?P<double>(?:{_DOLLARS}|\$(?!\$)){{1,4000}}+)\$\$(?!\$)
  | (?<![\\$\w])\$(?![\s$])(?P<single>(?:{_DOLLARS}){{1,2000}}+)(?<!\s)\$(?![\d$])
  | (?<!\\)\\\((?P<round>(?:{_BODY}|\\[\[\]]){{1,2000}}+)\\\)
  | (?<!\\)\\\[(?P<square>(?:{_BODY}|\\[()]){{1,4000}}+)\\\](?!\()
    """,
    re.VERBOSE,
)
_ENVIRONMENT = re.compile(r"\\begin\{([A-Za-z]{1,20}\*?)\}")
_LONGEST_ENVIRONMENT = 3_000
_BLANK_LINE = re.compile(r"\n[ \t>]*(?:\n|\Z)")
_TEX = re.compile(r"[\\^_={}+]|^\w$")
_PRICE = re.compile(r"\d[\d.,]*[A-Za-z]{0,2}\s+[\w(]")
_ADDRESS = re.compile(r"://|www\.|mailto:|xmpp:", re.IGNORECASE)
_REACHING = re.compile(
    r"\\(?:href|url|includegraphics|class|cssId|style|data|html[A-Z]\w*|mmlToken|require|csname|(?:math|text)tip)"
    r"(?![A-Za-z])|url\s*\("
)
"""TeX that would make a link whose target does not show, style the page, load, or spell such a command."""
_QUOTE_MARK = re.compile(r"\n[ \t]*(?:>[ \t]?)+")


def formula_at(text: str, at: int) -> Formula | None:
    r"""Read the formula that begins here, in ``$``, ``$$``, ``\(``, ``\[`` or ``\begin{…}``.

    Parameters
    ----------
    text : str
        The text.
    at : int
        Where a dollar or a backslash stands.

    Returns
    -------
    Formula or None
        None if this is no formula: prices, shell variables, escaped brackets, and anything that has an
        address or a command for links and styles in it, or does not end within its paragraph.
    """
    if text.startswith("\\begin{", at):
        return _environment_at(text, at)
    match = _FORMULA.match(text, at)
    if match is None:
        return None
    kind = match.lastgroup or ""
    tex = match[kind]
    following = text[match.end() : match.end() + 1]
    if (
        not tex.strip()
        or (kind == "single" and following.isalpha() and not _TEX.search(tex))
        or (kind == "single" and _PRICE.match(tex) and not _TEX.search(tex))
        or (kind == "square" and "\n" not in tex and not _TEX.search(tex))
        or _reaches_out(tex)
    ):
        return None
    return Formula(_QUOTE_MARK.sub("\n", tex), kind in {"double", "square"}, match.end())


def _reaches_out(tex: str) -> bool:
    return bool(_ADDRESS.search(tex) or _REACHING.search(tex))


def _environment_at(text: str, at: int) -> Formula | None:
    begin = _ENVIRONMENT.match(text, at)
    if begin is None or text[at - 1 : at] == "\\":
        return None
    closer = f"\\end{{{begin[1]}}}"
    end = text.find(closer, begin.end(), begin.end() + _LONGEST_ENVIRONMENT) + len(closer)
    if end < len(closer) or _BLANK_LINE.search(text, at, end) or "`" in text[at:end] or "$" in text[at:end]:
        return None
    tex = text[at:end]
    return None if _reaches_out(tex) else Formula(_QUOTE_MARK.sub("\n", tex), True, end)
