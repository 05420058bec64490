"""What happens when a command is cut short: by a defect, by the user, by a full disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from .support import MODEL, complaint, invoke

PROJECT = ("project", "cat.png", "--layer", "conv2", *MODEL)


def raising(error):
    def call(*_args, **_options):
        raise error

    return call


def files():
    """Every file below the current folder and what is in it."""
    return {
        path: path.read_bytes() for path in Path.cwd().rglob("*") if path.is_file() and path.suffix != ".pyc"
    }


@pytest.mark.parametrize("command", ["project", "maps"])
def test_a_defect_of_ours_is_one_line(folder, monkeypatch, command):
    monkeypatch.delenv("DECONVVIZ_DEBUG", raising=False)
    monkeypatch.setattr("deconvviz.deconvnet.record", raising(ZeroDivisionError("first line\nsecond line")))
    said = complaint(invoke(command, *PROJECT[1:]))
    assert said == "unexpected ZeroDivisionError: first line (DECONVVIZ_DEBUG=1 shows where)"


def test_a_defect_without_a_message(folder, monkeypatch):
    monkeypatch.delenv("DECONVVIZ_DEBUG", raising=False)
    monkeypatch.setattr("deconvviz.deconvnet.record", raising(KeyError()))
    assert complaint(invoke(*PROJECT)).startswith("unexpected KeyError")


def test_a_defect_can_be_looked_at(folder, monkeypatch):
    monkeypatch.setenv("DECONVVIZ_DEBUG", "1")
    monkeypatch.setattr("deconvviz.deconvnet.record", raising(ZeroDivisionError("here")))
    with pytest.raises(ZeroDivisionError, match="here"):
        invoke(*PROJECT)


def test_interrupted_by_the_user(folder, monkeypatch):
    monkeypatch.setattr("deconvviz.deconvnet.record", raising(KeyboardInterrupt()))
    done = invoke(*PROJECT)
    assert done.code == 130
    (line,) = done.err.strip().splitlines()
    assert line.startswith("deconvviz: interrupted; what was printed before is complete")
    assert done.out == ""


def test_interrupted_after_the_first_image(folder, monkeypatch):
    (folder / "dog.png").write_bytes((folder / "cat.png").read_bytes())
    from deconvviz.data import images

    def decode(path, original=images.open_photo):
        if Path(path).name == "dog.png":
            raise KeyboardInterrupt
        return original(path)

    monkeypatch.setattr(images, "open_photo", decode)
    done = invoke("project", "cat.png", "dog.png", *PROJECT[2:])
    assert done.code == 130
    assert done.out.split() == ["cat_conv2.png", "cat_conv2.json"]
    assert all(path.is_file() for path in done.paths)


def test_out_of_memory(folder, monkeypatch):
    monkeypatch.setattr("deconvviz.deconvnet.record", raising(MemoryError()))
    assert complaint(invoke(*PROJECT)).startswith("not enough memory")


def full_disk(_self, target, *_args, **_options):
    """Writes a little, and then there is no space left."""
    Path(target).write_bytes(b"half of it")
    raise OSError(errno.ENOSPC, "No space left on device", str(target))


def test_a_full_disk_while_drawing_leaves_the_earlier_figure(folder, monkeypatch):
    invoke(*PROJECT).ok()
    before = files()
    monkeypatch.setattr(Figure, "savefig", full_disk)
    for words in (PROJECT, (*PROJECT, "--unit", "1", "--arrays", "--each")):
        done = invoke(*words)
        said = complaint(done)
        assert said == (
            "cannot write cat_conv2.png: No space left on device; choose another place with --out"
        )
        assert done.out == ""
        assert files() == before


def test_a_full_disk_while_renaming_leaves_the_earlier_figure(folder, monkeypatch):
    invoke(*PROJECT).ok()
    before = files()
    monkeypatch.setattr(Path, "replace", raising(OSError(errno.EDQUOT, "Disk quota exceeded")))
    assert "Disk quota exceeded" in complaint(invoke(*PROJECT, "--unit", "1"))
    assert files() == before


def test_a_full_disk_at_the_arrays_leaves_no_temporary_file(folder, monkeypatch):
    monkeypatch.setattr("numpy.savez", raising(OSError(errno.ENOSPC, "No space left on device")))
    done = invoke(*PROJECT, "--arrays")
    assert complaint(done).startswith("cannot write cat_conv2.npz")
    assert done.out == "cat_conv2.png\n"  # and that one is whole
    with Image.open("cat_conv2.png") as figure:
        figure.load()
    assert {path.name for path in files()} == {"cat.png", "mynets.py", "cat_conv2.png"}


def test_a_full_disk_at_the_parts_leaves_no_temporary_file(folder, monkeypatch):
    def save(picture, target, *words, original=Image.Image.save, **options):
        if "projection" in str(target):
            full_disk(picture, target)
        original(picture, target, *words, **options)

    monkeypatch.setattr(Image.Image, "save", save)
    said = complaint(invoke(*PROJECT, "--each"))
    assert said.startswith("cannot write conv2/unit_")
    written = {path.name for path in files() if path.parent.name == "conv2"}
    assert len(written) == 1
    assert written.pop().endswith("_patch.png")


def test_nobody_reads_the_output(folder, monkeypatch):
    monkeypatch.setattr(
        "deconvviz_cli.session.click.echo", raising(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    )
    done = invoke(*PROJECT)
    assert done.code == 1
    assert done.err == ""


def test_results_are_the_same_the_second_time(folder):
    first = invoke(*PROJECT, "--arrays").ok()
    before = (folder / "cat_conv2.npz").read_bytes()
    again = invoke(*PROJECT, "--arrays").ok()
    assert again == first
    assert (folder / "cat_conv2.npz").read_bytes() == before
