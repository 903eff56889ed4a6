"""``claude-magic doctor``: what keeps claude_magic from working here, one line each, with the way out.

Nothing is changed, and nothing leaves this machine but for ``--online``. Each check stands alone: where a
package is missing or broken, the others still tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from claude_magic.doctor import kernels, packages
from claude_magic.doctor.finding import Finding, fail, note, ok
from claude_magic.errors import ClaudeMagicError
from claude_magic.settings import Settings

__all__ = ["Finding", "findings", "summary"]

Check = Callable[[], Iterator[Finding]]


def findings(*, online: bool) -> Iterator[Finding]:
    """All that is found, in the order of what rests on what.

    Parameters
    ----------
    online : bool
        Whether the API is asked for its models, which costs nothing.
    """
    checks: dict[str, Check] = {
        "Python": packages.python,
        "packages": packages.required,
        "imports": packages.imports,
        "Jupyter": packages.optional,
        "widget display": packages.widgets,
        "kernel": kernels.kernel,
        "API": lambda: _api(online=online),
        "store": _store,
        "local API": _local_api,
    }
    for about, check in checks.items():
        yield from _guarded(about, check)


def summary(found: list[Finding]) -> str:
    """The report's last line."""
    failed = [one.about for one in found if one.grade == "fail"]
    if not failed:
        return "Nothing that matters is wrong."
    return f"{len(failed)} of {len(found)} failed: {', '.join(dict.fromkeys(failed))}."


def _guarded(about: str, check: Check) -> Iterator[Finding]:
    """A check's findings; what breaks it is a finding too."""
    try:
        yield from check()
    except ImportError as error:  # told, with the way out, under "imports"
        yield note(
            about, f"not looked at: {(error.name or 'a package').partition('.')[0]} cannot be imported"
        )
    except ClaudeMagicError as problem:
        yield fail(about, packages.plain(str(problem)))
    except Exception as error:  # noqa: BLE001 - a doctor does not fall ill
        yield fail(about, f"could not be looked at ({type(error).__name__})")


def _api(*, online: bool) -> Iterator[Finding]:
    from claude_magic.doctor.reach import api  # noqa: PLC0415 - it imports the SDK, which may be missing

    yield from api(Settings(), online=online)


def _local_api() -> Iterator[Finding]:
    from claude_magic.doctor.reach import local_api  # noqa: PLC0415 - as above

    yield from local_api()


def _store() -> Iterator[Finding]:
    from claude_magic.conversation.health import examine  # noqa: PLC0415 - as above
    from claude_magic.intake import store_path  # noqa: PLC0415

    path = store_path(Settings().store)
    if path is None:
        yield note("store", "in memory: conversations end with the kernel", "unset CLAUDE_MAGIC_STORE")
        return
    health = examine(path)
    if health.problem:
        made = fail if health.serious else note
        yield made("store", f"{path}: {health.problem}", health.advice)
    elif health.mode:
        yield ok("store", f"{path}: {health.size / 1e6:.1f} MB, mode {health.mode}, whole")
    else:
        yield ok("store", f"{path}: begins with the first question")
