"""Small pieces of Markdown that show each kind of formatting, and long texts for streaming."""

from __future__ import annotations

import re

CODE = '''```python
import math


def circle_area(radius: float) -> float:
    """Area of a circle."""
    return math.pi * radius**2


print(f"{circle_area(2.0):.3f}")
```'''

FORMULA = r"""$$
\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}
$$"""

TABLE = """| planet | radius (km) | moons |
|:-------|------------:|------:|
| Earth  | 6371        | 1     |
| Mars   | 3390        | 2     |"""

LIST = """1. Read the data.
2. Plot it:
   - the raw values,
   - the residuals.
3. Fit, and check the fit."""

_BY_WORD = (
    (re.compile(r"\b(code|python|function|script)\b", re.IGNORECASE), CODE),
    (re.compile(r"\b(math|formulas?|equations?|latex|integral)\b", re.IGNORECASE), FORMULA),
    (re.compile(r"\btables?\b", re.IGNORECASE), TABLE),
    (re.compile(r"\b(list|bullets?|steps)\b", re.IGNORECASE), LIST),
)

_ASKING = re.compile(
    r"\b(?:show|write|give|make|draw|print|display|create|produce|generate|compose|add|include|"
    r"answer (?:with|by)|as an?)\b",
    re.IGNORECASE,
)
_NEAR = 80  # characters between the verb and the kind of formatting
_GIVEN = re.compile(
    r"\b(?:this|that|these|those|my|your|its|(?:in|of|from|to|for|with|about) the)(?: [\w-]+)? $",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.?!]\s+|\n\s*\n")
_SMALL_WORDS = """
a an the some any one another more please thanks thank you me in of and or with also
small short simple little example examples sample samples snippet block blocks
"""
_AROUND = frozenset(_SMALL_WORDS.split())

_SENTENCES = """
the signal rises slowly and then settles near its mean while noise of every kind remains small in
each series so that a careful reader sees structure where others see chance because sampling is even
and the model explains most of what was measured yet some points stand apart from their neighbours
and deserve a second look before any claim is made about cause or trend in general although the
first plot suggests one
"""
_VOCABULARY = tuple(_SENTENCES.split())

_SENTENCE = 14  # words
_PARAGRAPH = 70
_SECTION = 280


def matching(prompt: str) -> list[str]:
    """Return a sample of each kind of formatting the prompt asks for: code, formula, table, list.

    It asks where a verb such as "show" stands before the word in the same sentence, and the word is not for
    something the user has ("in this table"); or where it consists of such words alone ("a table, please").
    """
    bare = _is_bare(prompt)
    return [
        sample
        for pattern, sample in _BY_WORD
        if (pattern.search(prompt) if bare else _is_asked(pattern, prompt))
    ]


def _is_asked(kind: re.Pattern[str], prompt: str) -> bool:
    for sentence in _SENTENCE_END.split(prompt):
        for found in kind.finditer(sentence):
            before = sentence[: found.start()]
            if _ASKING.search(before[-_NEAR:]) and not _GIVEN.search(before):
                return True
    return False


def _is_bare(prompt: str) -> bool:
    """Return whether a prompt is nothing but kinds of formatting and small words around them."""
    words = re.findall(r"\w+", prompt.lower())
    return len(words) <= 20 and all(
        word in _AROUND or any(pattern.fullmatch(word) for pattern, _ in _BY_WORD) for word in words
    )


def long_text(words: int) -> str:
    """Return Markdown with that many words in its paragraphs; headings come on top. It is always the same."""
    parts: list[str] = []
    for start in range(0, words, _PARAGRAPH):
        if start % _SECTION == 0:
            parts.append(f"## Part {start // _SECTION + 1}")
        parts.append(_paragraph(start, min(start + _PARAGRAPH, words)))
    return "\n\n".join(parts)


def _paragraph(start: int, end: int) -> str:
    words = []
    for place in range(start, end):
        word = _VOCABULARY[(place * 7 + place // len(_VOCABULARY)) % len(_VOCABULARY)]
        opens = (place - start) % _SENTENCE == 0
        closes = (place - start) % _SENTENCE == _SENTENCE - 1 or place == end - 1
        words.append((word.capitalize() if opens else word) + ("." if closes else ""))
    return " ".join(words)
