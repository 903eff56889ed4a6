"""A local Messages API on loopback, with a demo model behind it: notebooks and tests run without a key.

The server lives in a process of its own and shares no code with the rest of the package, so that it can find
the client's mistakes. Importing this package loads the standard library only.
"""

from __future__ import annotations

from .pledge import Pledge
from .process import LocalApi, LocalApiFailed, start

__all__ = ["LocalApi", "LocalApiFailed", "Pledge", "start"]
