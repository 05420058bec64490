"""Arrays computed once: found again, made anew when they must be, never half."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from deconvviz.data.cache import Wanted, cache_folder, kept, kept_together
from deconvviz.errors import DataError, ImageError

ROWS = 200


class Maker:
    """Rows of three times their number, and which have been asked for."""

    def __init__(self, bad=(), plus=0):
        self.bad, self.plus, self.made = bad, plus, []

    def __call__(self, first, last):
        for row in range(first, last):
            self.made.append(row)
            if row in self.bad:
                yield ImageError(f"row {row} is bad")
            else:
                yield np.full((2, 3), 3 * row + self.plus)


def keep(maker, identity="a", fingerprint="1", rows=ROWS, **options):
    words = {"label": "numbers", "progress": False, **options}
    return kept(Wanted("numbers", identity, fingerprint, (rows, 2, 3), np.int32), maker, **words)


def expected(bad=(), plus=0):
    rows = np.array([0 if row in bad else 3 * row + plus for row in range(ROWS)], np.int32)
    return np.broadcast_to(rows[:, None, None], (ROWS, 2, 3))


def entries(cache):
    return sorted(path.name for path in cache.iterdir())


def test_the_second_call_makes_nothing(cache):
    first, again = Maker(), Maker()
    made = keep(first)
    found = keep(again)
    assert sorted(first.made) == list(range(ROWS))
    assert again.made == []
    np.testing.assert_array_equal(made.array, expected())
    np.testing.assert_array_equal(found.array, expected())
    assert found.folder == made.folder
    assert entries(cache) == [made.folder.name]
    assert not found.array.flags.writeable


def test_another_fingerprint_makes_it_anew_in_the_same_folder(cache):
    old = keep(Maker())
    new = keep(Maker(plus=1), fingerprint="2")
    assert new.folder == old.folder
    np.testing.assert_array_equal(new.array, expected(plus=1))
    np.testing.assert_array_equal(old.array, expected())  # whoever still reads the old one may go on
    assert entries(cache) == [new.folder.name]


@pytest.mark.parametrize("change", [{"identity": "b"}, {"rows": ROWS - 1}])
def test_another_identity_has_another_folder(cache, change):
    keep(Maker())
    maker = Maker()
    keep(maker, **change)
    assert maker.made
    assert len(entries(cache)) == 2


@pytest.mark.parametrize("damage", ["no meta", "half a meta", "other meta", "no array", "short array"])
def test_an_interrupted_entry_is_made_anew(cache, damage):
    folder = keep(Maker()).folder
    meta, array = folder / "meta.json", folder / "array"
    if damage == "no meta":
        meta.unlink()
    elif damage == "half a meta":
        meta.write_bytes(meta.read_bytes()[:-20])
    elif damage == "other meta":
        meta.write_text(json.dumps(["what is this"]))
    elif damage == "no array":
        array.unlink()
    else:
        array.write_bytes(array.read_bytes()[:-1])
    maker = Maker()
    np.testing.assert_array_equal(keep(maker).array, expected())
    assert len(maker.made) == ROWS


def test_failed_rows_are_recorded_and_zero(cache):
    bad = (0, 63, 64, 199)
    for maker in (Maker(bad), Maker()):
        found = keep(maker)
        assert found.failed == {row: f"row {row} is bad" for row in bad}
        np.testing.assert_array_equal(found.array, expected(bad))


def test_many_threads_make_the_same(cache):
    bad = tuple(range(3, ROWS, 17))
    one = keep(Maker(bad), identity="one", threads=1)
    four = keep(Maker(bad), identity="four", threads=4)
    np.testing.assert_array_equal(one.array, four.array)
    assert one.failed == four.failed


def test_failed_rows_are_told_in_their_order(cache):
    class Slow(Maker):
        def __call__(self, first, last):
            if first == 0:
                done.wait(10)
            yield from super().__call__(first, last)
            if last == ROWS:
                done.set()

    done = threading.Event()
    found = keep(Slow(bad=(1, 190)), threads=4)
    assert list(found.failed) == [1, 190]


class FullDisk(io.BytesIO):
    """A file on a disk without space."""

    def write(self, _content):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_earlier_array(cache, monkeypatch):
    old = keep(Maker())
    original = Path.open

    def opened(path, *words, **options):
        return FullDisk() if path.name == "array" else original(path, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(DataError) as caught:
            keep(Maker(), fingerprint="2")
    message = str(caught.value)
    assert message.startswith(f"cannot keep numbers in {cache}: No space left on device")
    assert "DECONVVIZ_CACHE" in message
    np.testing.assert_array_equal(old.array, expected())
    assert entries(cache) == [old.folder.name]
    maker = Maker()
    np.testing.assert_array_equal(keep(maker).array, expected())
    assert maker.made == []


def test_a_cache_that_cannot_be_a_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DECONVVIZ_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="DECONVVIZ_CACHE"):
        keep(Maker())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interruption_leaves_nothing_behind(cache, error):
    def produce(first, last):
        if first >= 64:
            raise error
        yield from Maker()(first, last)

    with pytest.raises(error):
        keep(produce)
    assert entries(cache) == []


def test_another_process_was_quicker(cache, monkeypatch):
    original = Path.rename

    def rename(path, target):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", original)
            keep(Maker())
        return original(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    found = keep(Maker())
    np.testing.assert_array_equal(found.array, expected())
    assert entries(cache) == [found.folder.name]


def test_two_processes_at_once(cache, tmp_path):
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        import numpy as np
        from deconvviz.data.cache import Wanted, kept

        mine, other = map(Path, sys.argv[1:])

        def produce(first, last):
            mine.touch()
            while not other.exists():
                time.sleep(0.001)
            for row in range(first, last):
                yield np.full((100, 100), row, np.uint8)

        found = kept(
            Wanted("a", "b", "c", (200, 100, 100), np.uint8), produce, label="rows", progress=False
        )
        assert (found.array[:, 0, 0] == np.arange(200)).all()
        assert (found.array == found.array[:, :1, :1]).all()
    """)
    places = [str(tmp_path / "one"), str(tmp_path / "two")]
    running = [
        subprocess.Popen([sys.executable, "-c", script, *order], stderr=subprocess.PIPE, text=True)
        for order in (places, places[::-1])
    ]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert len(entries(cache)) == 1


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert str(cache_folder()) != str(tmp_path)
    monkeypatch.setenv("DECONVVIZ_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("DECONVVIZ_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/deconvviz")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "deconvviz"


def test_arrays_with_the_same_rows_are_made_together(cache):
    def wanted(name):
        return Wanted(name, name, "1", (ROWS, 2), np.int32)

    asked = []

    def produce(missing, first, last):
        asked.append(tuple(missing))
        for row in range(first, last):
            yield ImageError("bad") if row == 7 else [np.full(2, row * 10**number) for number in missing]

    words = {"label": "numbers", "progress": False}
    one = kept_together([wanted("a")], produce, **words)[0]
    both = kept_together([wanted("a"), wanted("b")], produce, **words)
    assert set(asked) == {(0,), (1,)}  # what is there is not made again
    rows = np.arange(ROWS)[:, None].repeat(2, 1)
    rows[7] = 0
    np.testing.assert_array_equal(one.array, rows)
    np.testing.assert_array_equal(both[0].array, rows)
    np.testing.assert_array_equal(both[1].array, 10 * rows)
    assert both[1].failed == {7: "bad"}
    asked.clear()
    together = kept_together([wanted("c"), wanted("d")], produce, **words)
    assert set(asked) == {(0, 1)}
    np.testing.assert_array_equal(together[1].array, 10 * rows)
