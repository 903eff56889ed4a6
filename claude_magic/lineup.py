"""The models that one session knows: the shipped table, and over it what its API has listed.

A list is asked for when ``%claude_models --refresh`` wants it, and when a name turned out to be a model
that was not known; never before a question for a known one. It is kept in the store with its day, one
for each host, and used however old it is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from anthropic import Anthropic

from claude_magic.api import providers
from claude_magic.api.catalogue import Catalogue, fetch, from_text, merged, to_text
from claude_magic.api.client import look_up
from claude_magic.api.models import Model
from claude_magic.api.patience import Patience, retried
from claude_magic.api.retiring import farewell
from claude_magic.conversation.store import Store
from claude_magic.errors import ApiProblem


def today() -> date:
    """The day it is here."""
    return datetime.now().astimezone().date()


class Lineup:
    """The models of one API.

    Parameters
    ----------
    store : Store
        Where its list is kept.
    place : str
        Where requests go, as ``host`` or ``host:port``.
    now : callable
        What day it is.
    provider : providers.Provider
        Whose model ids are meant.
    """

    def __init__(
        self,
        store: Store,
        place: str,
        now: Callable[[], date] = today,
        provider: providers.Provider = providers.ANTHROPIC,
    ) -> None:
        self._store = store
        self.place = place
        """Where requests go."""
        self._now = now
        self._provider = provider
        # A host keeps one list, whatever its port: local servers take another one each time.
        self._note = f"models {place.rpartition(':')[0] or place}"
        self.catalogue = from_text(store.setting("", self._note), place)

    @property
    def names(self) -> tuple[str, ...]:
        """What ``-m`` takes: the lines' short names where they are understood, then the ids."""
        active = [model for model in self.catalogue.models if model.lifecycle != "retired"]
        short = () if self._provider.ids else dict.fromkeys(model.line for model in active if model.line)
        return (*short, *(model.id for model in active))

    def find(self, name: str) -> Model | None:
        """The model of an id or of a line's short name, None where nothing here knows it."""
        return providers.own_model(self._provider, name, self.catalogue.models) or self.catalogue.find(name)

    def asked(self, name: str) -> Model | None:
        """The model that a question is put to; as `find`.

        Raises
        ------
        ConfigProblem
            For a short name, where the provider has model ids of its own.
        """
        providers.refuse_short(self._provider, name)
        return self.find(name)

    def refresh(self, client: Anthropic, patience: Patience) -> Catalogue:
        """List the API's models anew and keep the list.

        Raises
        ------
        ApiProblem
            When the API does not answer; what was known stays.
        """
        listed = retried(lambda: fetch(client, self.place, self._now()), patience, time.sleep)
        self.catalogue = merged(listed.listed, self.place, listed.asked, self.catalogue.names)
        self._keep()
        return self.catalogue

    def look_up(self, name: str, client: Anthropic, patience: Patience) -> Model:
        """The model of a name that nothing here knows; the table being old, the list is refreshed too.

        Raises
        ------
        ConfigProblem
            When the API does not know it either.
        ApiProblem
            When the API cannot be asked.
        """
        found = retried(lambda: look_up(name, client, self.catalogue), patience, time.sleep)
        with contextlib.suppress(ApiProblem):  # an API without a list: what it said of this one is enough
            self.refresh(client, Patience(retries=0))
        self.catalogue = replace(self.catalogue, host=self.place)
        self.catalogue = self.catalogue.with_name(name, found)
        self._keep()
        model = self.catalogue.find(name)
        assert model is not None  # noqa: S101 - it was put there
        return model

    def farewell(self, model: Model) -> str:
        """What to tell who uses a model that is on its way out; ``""`` for one that is not."""
        return farewell(model, self._now())

    def _keep(self) -> None:
        if self.place:
            self._store.set_setting("", self._note, to_text(self.catalogue))
