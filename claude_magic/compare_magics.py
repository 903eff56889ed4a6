"""The magic of comparisons: several models over the same prompts, and taking one of several answers."""

from __future__ import annotations

from IPython.core.magic import line_magic, magics_class

from claude_magic import flags
from claude_magic.errors import UsageProblem, at_the_door
from claude_magic.session_magics import SessionMagics


@magics_class
class CompareMagics(SessionMagics):
    """Several models over the same prompts: ``%claude_compare``."""

    @line_magic
    @flags.documented(flags.COMPARE)
    @at_the_door
    def claude_compare(self, line: str) -> None:
        """Put the same prompts to two models, or more, and tell how their answers differ.

        ::

            %claude_compare -m claude-sonnet-4-5 -m sonnet      this conversation's own prompts
            %claude_compare -m haiku -m sonnet --over prompts --limit 20
            %claude_compare -m haiku -m sonnet --over df --column question --into answers

            %%claude -m haiku -m sonnet -m opus
            One prompt to three models, side by side.

            %claude_compare --pick 2      takes the second answer into the conversation; --pick haiku too

        The check before a model retires. The prompts are a list of texts or a frame's column, sent as they
        stand; else those of this conversation with their attachments, each alone, or --with-history. A few
        are asked at once; Stop keeps what is done. The table tells tokens, cost and length of each answer,
        and its verdict next to the first model's: same (the same words), close (80 % of the words or more
        are alike, as difflib counts), different, or what kept one of the two from ending by itself: refused,
        failed, cut, not asked. Whose answer is better it does not tell. Below stand the totals, and the
        words of the few answers that differ most.

        All answers are kept in the store and counted in %claude_usage; none enters the conversation, but by
        --pick, which asks nothing and is free. The limits of money hold for all of them together.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse(line, flags.COMPARE, "%claude_compare")
        if parsed.rest:
            raise UsageProblem(
                f"%claude_compare takes flags only, not {parsed.rest!r}. %claude_compare? tells them. "
                "Nothing was sent."
            )
        if parsed.has("pick") and len(parsed.values) > 1:
            raise UsageProblem("--pick stands alone, after %%claude -m … -m …. Nothing was changed.")
        session = self._open()
        with session.asking.question():
            session.compare(parsed, self._settings)
