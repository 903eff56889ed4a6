"""The bar of a map, where somebody watches: rows, and what they use."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from claude_magic.display.status import money
from claude_magic.display.table import Table


class NoBar:
    """Shows nothing."""

    def show(self, done: int, total: int, **facts: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""

    def leave(self, table: Table) -> None:
        """Show what stays."""
        display(table)


class Bar(NoBar):
    """A bar of tqdm, in a page or in a terminal; it goes when the map has ended.

    What a page does to it never harms what is asked.

    Parameters
    ----------
    widget : bool
        Whether a page shows it: what stays in its place in the saved notebook needs no widget.
    """

    def __init__(self, *, widget: bool) -> None:
        self._widget = widget
        self._bar: Any = None
        self._handle: Any = None
        self._broken = False

    def show(self, done: int, total: int, **facts: str) -> None:
        """Show so many rows of all, and further facts behind them."""
        self._try(lambda: self._show(done, total, facts))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._try(self._bar.close)
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)

    def leave(self, table: Table) -> None:
        """Show what stays: in the bar's place, where a page shows that."""
        if self._handle is None:
            display(table)
        else:
            self._handle.update(table)

    def _show(self, done: int, total: int, facts: dict[str, str]) -> None:
        if self._bar is None:
            self._bar = self._made(total)
        self._bar.set_postfix(facts, refresh=False)
        if done != self._bar.n:
            self._bar.update(done - self._bar.n)
        else:
            self._bar.refresh()

    def _made(self, total: int) -> Any:
        if not self._widget:
            from tqdm.std import tqdm  # noqa: PLC0415 - for who watches a map only

            return tqdm(total=total, unit="row", leave=False, dynamic_ncols=True)
        from tqdm.notebook import tqdm as in_a_page  # noqa: PLC0415

        bar = in_a_page(total=total, unit="row", leave=False, display=False)
        self._handle = display(bar.container, display_id=True)
        return bar

    def _try(self, call: Any) -> None:
        if self._broken:
            return
        try:
            call()
        except Exception:  # noqa: BLE001 - a page that cannot show it is no reason to stop
            self._broken = True


def facts(tokens: int, cost: float | None, failed: int, width: int, held: float) -> dict[str, str]:
    """What stands behind the bar."""
    told = {"tokens": f"{tokens:,}"}
    if cost:
        told["cost"] = money(cost)
    if failed:
        told["failed"] = f"{failed:,}"
    told["at once"] = str(width)
    if held >= 1:
        told["waits"] = f"{held:.0f} s"
    return told


def bar_of(kind: str) -> NoBar:
    """The bar for a kind of view: one for a page, one for a terminal, none where nobody watches."""
    return Bar(widget=kind == "widget") if kind in ("widget", "text") else NoBar()
