"""The kernel of an ipykernel older than 7.4, without a fault of it that is no matter of these tests.

From 7.0 to 7.3 the kernel sends its replies past the stream that reads requests from the same socket; a
request that comes at that moment is sometimes not read, and its cell waits for ever (ipykernel's pull
request 1529). Here replies go through the stream, as from 7.4 on.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ipykernel.kernelapp import IPKernelApp, launch_new_instance


def through_the_stream(_: object, message: Any) -> None:
    """Send a reply, in the thread of the shell channel."""
    IPKernelApp.instance().kernel.shell_stream.send_multipart(message)


if __name__ == "__main__":
    with contextlib.suppress(ImportError):  # 6.31 has no subshells, and not the fault
        from ipykernel.subshell_manager import SubshellManager

        SubshellManager._send_on_shell_channel = through_the_stream  # type: ignore[assignment,method-assign]
    launch_new_instance()
