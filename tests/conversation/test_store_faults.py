"""The store on bad days: killed kernels, full disks, junk, strangers' files, forks. Nothing kept is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_magic.conversation import database, health, owner, schema, writing
from claude_magic.conversation.history import Conversation
from claude_magic.conversation.store import Store
from claude_magic.values import Answer, OtherPart
from tests.conversation.made import a_conversation, a_turn, pending

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "claude_magic" / "conversations.db"


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[Store]:
    store = Store.open(path)
    try:
        yield store
    finally:
        store.close()


def filled(path: Path, count: int = 5) -> Conversation:
    """A store with one conversation in it."""
    talk = a_conversation(count)
    with opened(path) as store:
        assert store.create(talk, "nb")
        assert store.problem == ""
    return talk


def beside(path: Path, what: str) -> list[Path]:
    """Files that were put beside the store, side files not counted."""
    found = path.parent.glob(f"{path.name}-{what}-*")
    return sorted(one for one in found if not one.name.endswith(database.SIDE_FILES))


def works(store: Store) -> Conversation:
    """A conversation written and read, to see that the store serves."""
    talk = a_conversation(2)
    assert store.create(talk, "nb")
    after = talk.put(a_turn("more"), "append")
    assert store.write(talk, after)
    assert store.load(talk.id) == after
    return after


def connection_of(store: Store) -> Any:
    return store._access._opened.connection


def kernel(path: Path, talk: Conversation, name: str, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.conversation.dying", str(path), talk.id, name]
    command += [str(turns), str(database._MOUNTS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


# Death


@pytest.mark.parametrize(("rounds", "sides", "mounts"), [(50, "ab", "/proc/mounts"), (100, "a", "/unknown")])
def test_two_hundred_kills_lose_nothing_that_was_promised(
    path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int, sides: str, mounts: str
) -> None:
    """Kernels write into one conversation, with either journal, and are killed at any moment."""
    monkeypatch.setattr(database, "_MOUNTS", Path(mounts))
    moments = random.Random(20261121)
    done: set[str] = set()
    lines: dict[str, int] = {}
    everything: set[str] = set()
    recovered = 0
    for kill in range(rounds):
        if kill % 3 == 0:
            talk = filled(path, 0)
        kernels = [kernel(path, talk, f"k{kill}{side}", 100_000) for side in sides]
        first = [process.stdout.readline() for process in kernels if process.stdout]  # all are at work
        for process in kernels:
            time.sleep(moments.random() * 0.02)
            process.kill()
        for process, begun in zip(kernels, first, strict=True):
            note((begun + process.communicate()[0]).split("\n")[:-1], done, lines)
        with opened(path) as store:
            assert store.problem == ""
            recovered += recover(store, talk, done, lines)
            kept = {version.turn.id: version.turn for version in store.versions(talk.id)}
            everything |= set(kept)
            # A kernel may have ended a turn and died before it could tell.
            assert {kept[id_].stage for id_ in lines} <= {"complete"}
            lines.clear()
    with opened(path) as store:
        assert connection_of(store).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert done <= everything
    assert len(done) > rounds
    assert recovered > rounds / 4
    assert beside(path, "corrupt") == []


def note(told: list[str], done: set[str], lines: dict[str, int]) -> None:
    """Take down what a kernel promised before it died."""
    for line in told:
        match line.split():
            case ["done", id_]:
                done.add(id_)
                lines.pop(id_, None)
            case ["line", id_, count]:
                lines[id_] = int(count)


def recover(store: Store, talk: Conversation, done: set[str], lines: dict[str, int]) -> int:
    """End what dead kernels left, as the next kernel does; nothing promised is missing."""
    left = store.unfinished(talk.id)
    for turn, journaled in left:
        assert turn.stage in ("pending", "streaming")
        assert turn.prompt
        assert len(journaled) >= lines.pop(turn.id, 0)
        assert [line.split()[:2] for line in journaled] == [[turn.id, str(n)] for n in range(len(journaled))]
        now = store.load(talk.id)
        ended = a_turn(turn.prompt, id=turn.id, cell=turn.cell_id, stage="cut", blocks=turn.blocks)
        assert store.write(now, now.put(ended, "append"))
        done.add(turn.id)
    assert store.unfinished(talk.id) == []
    return len(left)


def test_two_kernels_a_hundred_turns_each(path: Path) -> None:
    talk = filled(path, 0)
    pair = [kernel(path, talk, name, 100) for name in "ab"]
    told = [process.communicate(timeout=100)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    done = {line.split()[1] for out in told for line in out.splitlines() if line.startswith("done")}
    with opened(path) as store:
        versions = store.versions(talk.id)
        assert len(done) == 200
        assert {version.turn.id for version in versions} == done
        assert len({version.position for version in versions if version.live}) == len(
            store.load(talk.id).turns
        )


def test_an_interrupt_while_writing_leaves_the_old_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = filled(path, 3)
    after = talk.put(a_turn("one", cell="c0"), "replace").put(a_turn("two"), "append")
    calls = 0

    def interrupted(*args: Any, **more: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(*args, **more)

    real = writing.save_turn
    with opened(path) as store:
        monkeypatch.setattr("claude_magic.conversation.store.save_turn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.write(talk, after)
        monkeypatch.undo()
        assert store.load(talk.id) == talk
        later = after.put(a_turn("three"), "append")
        assert store.write(after, later), "what is owed goes with the next write"
        assert store.load(talk.id) == later


def test_turns_of_a_living_kernel_are_left_alone(path: Path) -> None:
    talk = filled(path)
    code = (
        "import sys, pathlib; from claude_magic.conversation.store import Store;"
        "from tests.conversation.made import pending; s = Store.open(pathlib.Path(sys.argv[1]));"
        "t = pending(); s.begin(sys.argv[2], t); s.journal(t.id, ['a', 'b']); print(t.id, flush=True);"
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path), talk.id],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    id_ = other.stdout.readline().strip()
    with opened(path) as store:
        assert store.unfinished(talk.id) == []
        other.kill()
        other.communicate()
        assert [(turn.id, turn.stage, lines) for turn, lines in store.unfinished(talk.id)] == [
            (id_, "streaming", ["a", "b"])
        ]
        with opened(path) as third:
            assert third.unfinished(talk.id) == [], "they are taken over once"


def test_an_owner_is_told_from_another_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    me = owner.this_process()
    place, _, started = me.rpartition("\t")
    assert owner.is_alive(me, 10_000)
    if started:
        assert not owner.is_alive(f"{place}\t{int(started) + 1}", 0)
    elsewhere = "\t".join(("otherhost", "boot", "pid:[1]", str(os.getpid()), started))
    assert owner.is_alive(elsewhere, 1)
    assert not owner.is_alive(elsewhere, owner.SILENCE + 1)
    assert not owner.is_alive(elsewhere, -owner.SILENCE - 1), "a clock that jumped"
    assert not owner.is_alive("junk", owner.SILENCE + 1)
    # Where /proc tells nothing: the number, and signs of life.
    monkeypatch.setattr(owner, "_first_line", lambda _: "")
    here = owner.this_process()
    assert owner.is_alive(here, 10_000)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not owner.is_alive(here.replace(f"\t{os.getpid()}\t", f"\t{child.pid}\t"), 0)


def test_a_living_kernel_has_the_last_word(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken for dead by another host, it ends its turn all the same."""
    talk = filled(path, 1)
    turn = pending("slow", cell="c1")
    with opened(path) as store, opened(path) as other:
        store.begin(talk.id, turn)
        monkeypatch.setattr("claude_magic.conversation.journal.is_alive", lambda *_: False)
        assert [one.id for one, _ in other.unfinished(talk.id)] == [turn.id]
        cut = a_turn("slow", "half", id=turn.id, cell="c1", stage="cut")
        assert other.write(talk, talk.put(cut))
        whole = talk.put(a_turn("slow", "whole", id=turn.id, cell="c1"))
        assert store.write(talk, whole)
        assert other.load(talk.id) == whole
        assert len(other.versions(talk.id)) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("exit_", [os._exit, sys.exit])
def test_a_forked_child_does_not_write_the_parents_store(path: Path, exit_: Callable[[int], Any]) -> None:
    talk = filled(path)
    with opened(path) as store:
        child = os.fork()
        if child == 0:
            good = store.write(talk, talk.put(a_turn("of the child"))) and "forked" in store.problem
            good = good and store.begin(talk.id, pending()) and len(store.search("child")) == 1
            store.close()
            if exit_ is os._exit:
                os._exit(0 if good else 1)
            # As an interpreter that ends does: the inherited connection goes away, too.
            store._access._inherited = None
            os._exit(0 if good else 1)
        after = talk
        for number in range(20):
            before, after = after, after.put(a_turn(f"of the parent {number}"))
            assert store.write(before, after)
        assert os.waitpid(child, 0)[1] == 0
        assert store.load(talk.id) == after
        assert store.problem == ""
    with opened(path) as store:
        assert store.load(talk.id) == after


def test_a_forked_child_is_not_held_up_by_the_parents_lock(path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    with opened(path) as store:
        store._access._lock.acquire()
        child = os.fork()
        if child == 0:
            done: list[bool] = []
            thread = threading.Thread(target=lambda: done.append(works(store).id != ""), daemon=True)
            thread.start()
            thread.join(20)
            os._exit(0 if done else 1)
        store._access._lock.release()
        assert os.waitpid(child, 0)[1] == 0


# Disks


def test_a_full_disk_costs_nothing_but_a_line(path: Path) -> None:
    talk = filled(path, 1)
    with opened(path) as store:
        # What "disk is full" is to SQLite, wherever it comes from.
        pages = connection_of(store).execute("PRAGMA page_count").fetchone()[0]
        connection_of(store).execute(f"PRAGMA max_page_count = {pages}")
        after = talk
        asked = pending("big", id="f" * 32, cell="big")
        assert not store.begin(talk.id, a_turn("x" * 100_000, stage="pending", id="f" * 32))
        assert "full" in store.problem
        assert not store.journal(asked.id, ["one"])
        for number in range(3):
            before, after = after, after.put(a_turn(f"{number} " + "x" * 100_000), "append")
            assert not store.write(before, after)
        assert store.news().count("full") == 1, "said once"
        assert store.news() == ""
        assert store.load(talk.id) == talk, "what was there is untouched"
        assert store.refreshed(after) is after
        connection_of(store).execute("PRAGMA max_page_count = 1073741823")
        before, after = after, after.put(a_turn("room again"), "append")
        assert store.write(before, after)
        assert store.problem == ""
        assert store.journal(asked.id, ["two"]), "and the journal catches up"
        assert store.load(talk.id) == after
        rows = connection_of(store).execute("SELECT lines FROM journal").fetchall()
        assert [json.loads(row[0]) for row in rows] == [["one", "two"]]


def test_a_disk_that_fails_now_and_then_loses_nothing(path: Path) -> None:
    """Every statement may fail, at every place of a write; the next write owes nothing."""
    chance = random.Random(5)
    talk = filled(path, 1)
    with opened(path) as store:
        real = store._access._opened

        class Failing:
            """A connection on a disk that fails."""

            rate = 0.02

            def __getattr__(self, name: str) -> Any:
                return getattr(real.connection, name)

            def _fail(self) -> None:
                if chance.random() < self.rate:
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                    raise error

            def execute(self, statement: str, *values: Any) -> Any:
                if statement != "ROLLBACK":
                    self._fail()
                return real.connection.execute(statement, *values)

            def executemany(self, statement: str, values: Any) -> Any:
                self._fail()
                return real.connection.executemany(statement, values)

        disk: Any = Failing()
        store._access._opened = database.Opened(disk, real.file)
        failed = 0
        after = talk
        for number in range(200):
            before, after = after, after.put(a_turn(str(number), cell=f"c{number % 5}"), "replace")
            failed += not store.write(before, after)
        assert 10 < failed < 200
        disk.rate = 0.0
        assert store.write(after, after)
        assert store.load(talk.id) == after
        assert len(store.versions(talk.id)) == 201


def test_without_a_home_it_works_in_memory_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with opened(tmp_path / "file" / "below" / "store.db") as store:
        assert "cannot be kept on disk" in store.problem
        assert store.problem.count("\n") == 0
        works(store)
        works(store)
        assert store.news() == store.problem
        assert store.news() == ""


def test_when_the_home_comes_back_the_conversation_is_written_whole(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("in the way")
    with opened(blocked / "store.db") as store:
        talk = a_conversation(3)
        store.create(talk, "nb")
        blocked.unlink()
        store._access._tried = -1e9  # long ago
        after = talk.put(a_turn("now"))
        assert store.write(talk, after)
        assert store.problem == ""
    with opened(blocked / "store.db") as store:
        assert store.load(talk.id) == after
        assert [one.id for one in store.conversations("nb")] == [talk.id]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_may_not_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user without rights, also where the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        talk = filled(folder / "kept" / "store.db")
        for place in (folder / "kept", folder):
            place.chmod(0o755)
        (folder / "kept" / "store.db").chmod(0o644)
        for suffix in ("-gate", *database.SIDE_FILES):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{folder}/kept/store.db{suffix}").chmod(0o644)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        else:
            (folder / "kept").chmod(0o555)
            (folder / "kept" / "store.db").chmod(0o444)
            folder.chmod(0o555)
        try:
            for target in (folder / "new" / "store.db", folder / "kept" / "store.db"):
                with opened(target) as store:
                    talk2 = a_conversation(1)
                    store.create(talk2, "nb")
                    assert store.problem
                    assert store.problem.count("\n") == 0
                    store.journal("x", ["y"])
        finally:
            if root:
                os.seteuid(0)
            for place in (folder, folder / "kept"):
                place.chmod(0o700)
            (folder / "kept" / "store.db").chmod(0o600)
        with opened(folder / "kept" / "store.db") as store:
            assert store.load(talk.id) == talk


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_folder_and_files_are_the_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "share" / "jupyter" / "claude_magic" / "store.db"
    old = os.umask(0)
    try:
        with opened(path) as store:
            works(store)
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
            assert modes[path.name] == 0o600
            assert set(modes.values()) == {0o600}
            folders = (path.parent, path.parent.parent, path.parent.parent.parent)
            assert {stat.S_IMODE(one.stat().st_mode) for one in folders} == {0o700}
        path.chmod(0o666)
        with opened(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(old)


def test_a_locked_store_is_waited_for_then_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = filled(path)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with opened(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        after = talk.put(a_turn("meanwhile"))
        assert not store.write(talk, after)
        assert "locked" in store.problem
        holder.execute("ROLLBACK")
        holder.close()
        assert store.write(after, after)
        assert store.problem == ""
        assert store.load(talk.id) == after


def test_a_locked_store_is_not_called_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BUSY_SECONDS", 0.01)
    filled(path)
    assert health.examine(path).problem == ""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        found = health.examine(path)
        assert (found.problem, found.advice) == ("it cannot be read now (database is locked)", "try again")
        assert found.serious
    path.write_bytes(b"SQLite format 3\x00" + os.urandom(5000))
    found = health.examine(path)
    assert found.problem.startswith("it is damaged (")
    assert found.advice.startswith("move it away")


def test_a_store_that_was_deleted_is_begun_anew_with_what_is_known(path: Path) -> None:
    talk = filled(path)
    with opened(path) as store:
        assert store.load(talk.id) == talk
        store.bind(talk.id, "nb")
        shutil.rmtree(path.parent)
        after = talk.put(a_turn("still here"))
        assert store.write(talk, after)
        assert store.load(talk.id) == after
    with opened(path) as store:
        assert store.load(talk.id) == after
        assert [one.id for one in store.conversations("nb")] == [talk.id]


# Files of another kind


JUNK = {
    "junk": b"\x00\x01\xfe" * 5000,
    "text": b"dear diary\n" * 400,
    "brackets": b"[" * 250_000,
    "header only": b"SQLite format 3\0",
    "header and zeros": b"SQLite format 3\0" + b"\0" * 4080,
    "json": b'{"turns": []}',
    "one byte": b"x",
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_is_moved_aside_and_kept(path: Path, name: str) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(JUNK[name])
    with opened(path) as store:
        assert "kept as" in store.problem
        works(store)
    (kept,) = beside(path, "corrupt")
    assert kept.read_bytes() == JUNK[name]
    with opened(path) as store:
        assert store.problem == ""


def test_an_empty_file_is_simply_begun(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch()
    with opened(path) as store:
        assert store.problem == ""
        works(store)


def test_a_database_of_something_else_is_moved_aside(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE recipes (cake)")
    foreign.commit()
    foreign.close()
    with opened(path) as store:
        works(store)
    (kept,) = beside(path, "corrupt")
    foreign = sqlite3.connect(kept)
    assert foreign.execute("SELECT COUNT(*) FROM recipes").fetchone() == (0,)
    foreign.close()


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop"])
def test_what_is_no_file_is_left_alone(path: Path, kind: str) -> None:
    path.parent.mkdir(mode=0o700)
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs here")
    else:
        os.mkfifo(path)
    with opened(path) as store:
        assert store.problem
        works(store)
    assert path.is_symlink() or path.exists()


def test_a_store_cut_at_any_byte_is_opened_and_kept(path: Path, tmp_path: Path) -> None:
    """Cut at 150 places, with and without its log: no crash, no deleted original."""
    talk = filled(path, 20)
    with opened(path) as store:
        store.write(talk, talk.put(a_turn("in the log")))
        log = Path(f"{path}-wal").read_bytes() if Path(f"{path}-wal").exists() else b""
        size = path.stat().st_size
        whole = path.read_bytes()
    places = random.Random(7)
    cuts = [1, 15, 16, 99, 100, 4095, 4096, 4097, size - 1]
    cuts += [places.randrange(1, size) for _ in range(150 - len(cuts))]
    for number, cut in enumerate(cuts):
        folder = tmp_path / str(number)
        folder.mkdir()
        short = folder / "store.db"
        short.write_bytes(whole[:cut])
        if number % 2 and log:
            Path(f"{short}-wal").write_bytes(log)
        with opened(short) as store:
            for version in store.versions(talk.id):
                assert version.turn.prompt
            store.load(talk.id)
            works(store)
            store.search("question")
        for kept in beside(short, "corrupt"):
            assert kept.stat().st_size >= min(cut, 1)
        with opened(short) as store:
            works(store)


@pytest.mark.parametrize("side", ["-wal", "-journal"])
def test_a_file_emptied_under_its_log_is_not_taken_for_a_new_one(path: Path, side: str) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch()
    Path(f"{path}{side}").write_bytes(b"the last that is left")
    with opened(path) as store:
        works(store)
    (kept,) = beside(path, "corrupt")
    assert Path(f"{kept}{side}").read_bytes() == b"the last that is left"


def test_damage_found_late_is_moved_aside_and_the_conversation_written_whole(path: Path) -> None:
    talk = filled(path, 200)
    whole = bytearray(path.read_bytes())
    for page in range(3, len(whole) // 4096):
        whole[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(whole)
    with opened(path) as store:
        store.load(talk.id)
        after = talk.put(a_turn("goes on"))
        assert store.write(talk, after)
        assert store.load(talk.id) == after
        assert "kept as" in store.news()
    (kept,) = beside(path, "corrupt")
    assert kept.stat().st_size == len(whole)


def test_two_kernels_find_the_damage_and_one_new_store_comes_of_it(path: Path) -> None:
    talk = filled(path, 50)
    with opened(path) as one, opened(path) as two:
        assert two.load(talk.id) == talk
        connection_of(one).execute("PRAGMA writable_schema = ON")
        connection_of(one).execute("UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'turns'")
        connection_of(one).execute("PRAGMA writable_schema = RESET")
        mine, theirs = talk.put(a_turn("mine")), talk.put(a_turn("theirs"))
        assert one.write(talk, mine)
        assert two.write(talk, theirs)
        assert one.load(talk.id) == two.load(talk.id)
        assert {turn.prompt for turn in one.load(talk.id).turns} >= {"mine", "theirs"}
    assert len(beside(path, "corrupt")) == 1


def test_one_turn_that_cannot_be_read_costs_only_itself(path: Path) -> None:
    talk = filled(path, 3)
    with opened(path) as store:
        for column, junk in (("answer", "{"), ("answer", "[" * 100_000), ("stage", "odd"), ("answer", "[]")):
            connection_of(store).execute(
                f"UPDATE turns SET {column} = ? WHERE id = ?", (junk, talk.turns[1].id)
            )
            assert [turn.prompt for turn in store.load(talk.id).turns] == ["question 0", "question 2"]
            assert "1 turns" in store.problem
        connection_of(store).execute("UPDATE turn_blocks SET data = 12345")
        assert store.load(talk.id).turns == ()


def test_a_turn_that_cannot_be_written_costs_only_itself(path: Path) -> None:
    talk = filled(path, 1)
    odd = a_turn("odd", answer=Answer(parts=(OtherPart("new", {"set": {1, 2}}),)))
    with opened(path) as store:
        after = talk.put(odd).put(a_turn("good"))
        assert not store.write(talk, after)
        assert "cannot be kept" in store.problem
        assert [turn.prompt for turn in store.load(talk.id).turns] == ["question 0", "good"]
        more = after.put(a_turn("better"))
        assert store.write(after, more)
        assert [turn.prompt for turn in store.load(talk.id).turns] == ["question 0", "good", "better"]


# Schemas


def m_next(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE turns ADD COLUMN mood TEXT NOT NULL DEFAULT 'good'")


def test_an_older_schema_is_migrated_and_the_original_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = filled(path)
    older = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, m_next))
    with opened(path) as store:
        assert store.problem == ""
        assert store.load(talk.id) == talk
        assert schema.version_of(connection_of(store)) == older + 1
    (kept,) = beside(path, f"version-{older}")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 or os.name != "posix"
    original = sqlite3.connect(kept)
    assert schema.version_of(original) == older
    assert original.execute("SELECT COUNT(*) FROM turns").fetchone() == (5,)
    original.close()
    with opened(path) as store:
        works(store)
    assert len(beside(path, "version")) == 1


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = filled(path)

    def m_bad(connection: sqlite3.Connection) -> None:
        m_next(connection)
        if connection.execute("SELECT 1 FROM turns").fetchone():
            raise sqlite3.OperationalError("no")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, m_bad))
        with opened(path) as store:
            assert store.problem
            works(store)
    with opened(path) as store:
        assert store.problem == ""
        assert store.load(talk.id) == talk


def test_a_newer_schema_is_read_and_never_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, m_next))
        talk = filled(path)
    before = path.read_bytes()
    with opened(path) as store:
        assert "newer" in store.problem
        assert store.load(talk.id) == talk
        assert not store.write(talk, talk.put(a_turn("x")))
        assert not store.begin(talk.id, pending())
        assert not store.delete(talk.id)
        assert store.unfinished(talk.id) == []
        assert [found.turn.prompt for found in store.search("question 3")] == ["question 3"]
        assert store.news().count("newer") == 1
        assert "newer" in store.problem
    assert path.read_bytes() == before


# Clocks, file systems


def test_order_does_not_come_from_the_clock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(2_000_000_000, 0, -1_000_000))
    monkeypatch.setattr(time, "time", lambda: next(ticks))
    talk = filled(path, 0)
    with opened(path) as store:
        after = talk
        for number in range(10):
            asked = pending(str(number))
            store.begin(talk.id, asked)
            store.journal(asked.id, ["a"])
            store.journal(asked.id, ["b"])
            before, after = after, after.put(a_turn(str(number), id=asked.id, began=-float(number)))
            store.write(before, after)
        assert store.load(talk.id) == after


@pytest.mark.parametrize(
    ("mounts", "local"),
    [
        ("/dev/sda / ext4 rw 0 0", True),
        ("/dev/sda / ext4 rw 0 0\nnas:/home {home} nfs4 rw 0 0", False),
        ("nas:/ / nfs rw 0 0\ntmpfs {home} tmpfs rw 0 0", True),
        ("/dev/sda / ext4 rw 0 0\ntmpfs {home} tmpfs rw 0 0\nme@host: {home} fuse.sshfs rw 0 0", False),
        ("/dev/sda / ext4 rw 0 0\nnas:/x {home}er nfs4 rw 0 0", True),
        ("", False),
        ("odd", False),
    ],
)
def test_the_log_is_used_on_local_file_systems_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, local: bool
) -> None:
    home = tmp_path / "ho me"
    home.mkdir()
    told = tmp_path / "mounts"
    told.write_text(mounts.replace("{home}", str(home).replace(" ", "\\040")))
    monkeypatch.setattr(database, "_MOUNTS", told)
    with opened(home / "store.db") as store:
        mode = connection_of(store).execute("PRAGMA journal_mode").fetchone()[0]
        assert mode == ("wal" if local else "delete")
        works(store)


def test_a_store_moved_to_a_network_home_gives_its_log_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = filled(path)
    monkeypatch.setattr(database, "_is_local", lambda _: False)
    with opened(path) as store:
        assert connection_of(store).execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        assert store.load(talk.id) == talk
