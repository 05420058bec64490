"""Images are found wherever they lie, by one name each, with their classes, and are read by that name."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deconvviz.atlas.images import list_images
from deconvviz.errors import DataError, ImageError

from ..data.support import class_folders, miniature, write_picture, zipped


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Places are named from the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def png(seed: int = 0) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def tarred(path: Path, members: dict[str, bytes], kind: str = "w") -> Path:
    with tarfile.open(path, kind) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def listed(*places: str | Path, root: Path | None = None) -> list[tuple[str, str]]:
    images = list_images([Path(place) for place in places], root)
    return list(zip(images.names, images.labels, strict=True))


def test_class_folders_with_and_without_splits():
    class_folders(Path("set/train"), {"cat": 2, "dog's": 1})
    class_folders(Path("set/val"), {"cat": 1})
    write_picture(Path("set/alone.png"))
    write_picture(Path("set/.hidden/no.png"))
    write_picture(Path("set/train/cat/images/deep.JPEG"))
    Path("set/train/cat/notes.txt").write_text("no picture")
    assert listed("set") == [
        ("set/alone.png", ""),
        ("set/train/cat/00.png", "cat"),
        ("set/train/cat/01.png", "cat"),
        ("set/train/cat/images/deep.JPEG", "cat"),
        ("set/train/dog's/00.png", "dog's"),
        ("set/val/cat/00.png", "cat"),
    ]
    assert listed("set/train/cat")[0] == ("set/train/cat/00.png", "")  # nothing between place and picture


@pytest.mark.parametrize("mark", ["units.parquet", "scan-001-000.npz"])
def test_an_atlas_among_the_images_is_passed_over(mark):
    for name in ("photos/dog/a.png", "photos/ATLAS/sprites/conv1/0000.png", "photos/atlases/b.png"):
        write_picture(Path(name))
    Path("photos/ATLAS", mark).write_bytes(b"")
    assert list_images(["photos"]).names == ["photos/atlases/b.png", "photos/dog/a.png"]
    with pytest.raises(DataError, match="has no pictures"):
        list_images(["photos/ATLAS"])


def test_an_image_reached_twice_counts_once_and_keeps_its_class():
    class_folders(Path("set"), {"cat": 2, "dog": 1})
    Path("list.txt").write_text("set/dog/00.png\nset/cat/../cat/00.png\n")
    everything = listed("set")
    assert listed("set", "set/", "./set/cat", "list.txt", "set/dog/00.png") == everything
    assert listed("set/dog/00.png", "set") == everything
    assert [name for name, _ in listed(".")] == [name for name, _ in everything]


def test_lists_of_paths(here):
    class_folders(Path("pictures/val"), {"cat": 2})
    Path("lists").mkdir()
    lines = ["# two of them", "", "../pictures/val/cat/01.png  ", str(here / "pictures/val/cat/00.png")]
    Path("lists/some.txt").write_text("\ufeff" + "\n".join([*lines, "gone.png"]), encoding="utf-8")
    images = list_images([Path("lists/some.txt")])
    names = [(here / "pictures/val/cat/00.png").as_posix(), "lists/gone.png", "pictures/val/cat/01.png"]
    assert images.names == sorted(names)
    assert images.labels[images.find("pictures/val/cat/01.png")] == "cat"
    assert images.picture(images.find(names[0])).size == (12, 12)
    with pytest.raises(ImageError, match=r"lists/gone\.png does not exist"):
        images.read(images.find("lists/gone.png"))


def test_a_list_in_another_root_reads_from_there(here, monkeypatch):
    class_folders(here / "far/set", {"cat": 1})
    (here / "far/list.txt").write_text("set/cat/00.png")
    (here / "else").mkdir()
    monkeypatch.chdir(here / "else")
    for place in ("set", "list.txt"):
        images = list_images([Path(place)], here / "far")
        assert list(images.names) == ["set/cat/00.png"]
        assert images.picture(0).size == (12, 12)
    assert len(listed(here / "far/set", root=here / "else")) == 1  # whole paths stay what they are


def test_tar_shards_with_classes_of_their_own():
    first = {"0001.png": png(1), "0001.cls": b"tabby cat\n", "./0002.a.png": png(2), "0002.json": b"{}"}
    deep = {"dogs/rex.png": png(3), "__MACOSX/dogs/rex.png": b"", "very" * 40 + "/x.PNG": png(4)}
    tarred(Path("a-000.tar"), first)
    tarred(Path("a-001.tar"), deep)
    images = list_images([Path("a-000.tar"), Path("a-001.tar")])
    assert list(zip(images.names, images.labels, strict=True)) == [
        ("a-000.tar/0001.png", "tabby cat"),
        ("a-000.tar/0002.a.png", ""),
        ("a-001.tar/dogs/rex.png", "dogs"),
        (f"a-001.tar/{'very' * 40}/x.PNG", "very" * 40),
    ]
    with ThreadPoolExecutor(4) as pool:  # random access, from several threads at once
        order = [i % 4 for i in range(40)][::-1]
        assert list(pool.map(images.read, order)) == [png(i + 1) for i in order]
    assert listed("a-001.tar/dogs") == [("a-001.tar/dogs/rex.png", "")]
    assert listed("a-001.tar/dogs/rex.png") == [("a-001.tar/dogs/rex.png", "")]
    assert list_images([Path("a-001.tar/dogs")]).read(0) == png(3)


def test_a_shard_that_changed_is_noticed():
    tarred(Path("a.tar"), {"1.png": png(1), "2.png": png(2)})
    images = list_images([Path("a.tar")])
    content = Path("a.tar").read_bytes()
    Path("a.tar").write_bytes(b"x" * len(content))
    with pytest.raises(ImageError, match="changed since"):
        images.read(1)
    Path("a.tar").write_bytes(content[:1600])
    with pytest.raises(ImageError, match="cut short"):
        images.read(1)
    Path("a.tar").unlink()
    with pytest.raises(ImageError, match=r"a\.tar/2\.png does not exist"):
        images.read(1)


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png"])
def test_members_that_leave_their_archive_are_refused(name):
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr(name, png())
    for archive in (tarred(Path("a.tar"), {"fine.png": png(), name: png()}), Path("a.zip")):
        with pytest.raises(DataError, match="a path that leaves its folder"):
            listed(archive)


def test_tiny_imagenet_names_its_classes(here):
    miniature(here)
    zipped(here / "tiny-imagenet-200", here / "tiny.zip", "tiny-imagenet-200")
    for root in ("tiny-imagenet-200", "tiny.zip/tiny-imagenet-200", "tiny.zip"):
        inner = "tiny-imagenet-200/" if root == "tiny.zip" else ""
        found = dict(listed(root))
        assert found[f"{root}/{inner}train/n02123045/images/n02123045_0.JPEG"] == "tabby"
        assert found[f"{root}/{inner}val/images/val_0.JPEG"] == "goldfish"
        assert found[f"{root}/{inner}test/images/test_0.JPEG"] == ""
    for place in ("tiny-imagenet-200/val", "tiny.zip/tiny-imagenet-200/val"):
        assert [label for _, label in listed(place)] == ["goldfish", "tabby", "orange"] * 2
        assert [label for _, label in listed(f"{place}/images")] == ["goldfish", "tabby", "orange"] * 2
    assert listed("tiny-imagenet-200/train/n02123045")[0][1] == "tabby"
    images = list_images([Path("tiny.zip/tiny-imagenet-200/val")])
    assert images.picture(3).size == (64, 64)
    assert images.read(3) == (here / "tiny-imagenet-200/val/images/val_3.JPEG").read_bytes()
    shutil.rmtree(here / "tiny-imagenet-200/train")  # too little left to train on, enough to tell names
    assert {label for _, label in listed("tiny-imagenet-200/val")} == {"goldfish", "tabby", "orange"}


def test_pictures_are_shown_as_everywhere_else(here):
    write_picture(Path("a.png"), channels=1)
    Image.new("L", (3000, 10)).save("long.png")
    Path("bad.png").write_bytes(b"not one")
    images = list_images([Path(name) for name in ("a.png", "long.png", "bad.png")])
    assert images.picture(images.find("a.png")).mode == "RGB"
    assert images.picture(images.find("long.png")).size == (200, 10)  # its middle
    with pytest.raises(ImageError, match=r"bad\.png is not a picture"):
        images.picture(images.find("bad.png"))
    with pytest.raises(
        ImageError, match=r"no image 'lang\.png' in a\.png, long\.png, bad\.png; did you mean"
    ):
        images.find("lang.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_are_not_waited_for(here):
    Path("a").mkdir()
    os.mkfifo("a/pipe.png")
    Path("list.txt").write_text("a/pipe.png\n")
    write_picture(Path("later.png"))
    single = list_images([Path("later.png")])
    Path("later.png").unlink()
    os.mkfifo("later.png")
    for images in (list_images([Path("a")]), list_images([Path("list.txt")]), single):
        with pytest.raises(ImageError, match=r"\.png cannot be read: it is a pipe or a device, not a file$"):
            images.picture(0)


def test_the_key_tells_lists_apart():
    class_folders(Path("one"), {"cat": 2})
    key = list_images([Path("one")]).key
    assert key == list_images([Path("one"), Path("one/cat")]).key
    assert key != list_images([Path("one/cat")]).key  # other classes
    Path("one/cat/00.png").unlink()
    assert key != list_images([Path("one")]).key


def test_names_are_text_whatever_is_in_them():
    names = ["<script>alert(1)</script>.png", "quote\"'s.png", "猫 photo.png", "new\nline.png"]
    for name in names:
        write_picture(Path("odd") / name.replace("/", "∕"))
    assert [name for name, _ in listed("odd")] == sorted(f"odd/{name.replace('/', '∕')}" for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_a_name_that_is_no_text_is_refused():
    write_picture(Path("odd/fine.png"))
    shutil.copy("odd/fine.png", os.fsdecode(b"odd/\xff.png"))
    with pytest.raises(DataError, match=r"'odd/\\udcff\.png' is no Unicode text; rename"):
        listed("odd")


def test_bad_places(here):
    Path("empty").mkdir()
    tarred(Path("none.tar"), {"a.txt": b"hello"})
    tarred(Path("packed.tar.gz"), {"a.png": png()}, "w:gz")
    Path("really.tar").write_bytes(gzip.compress(b"something"))
    Path("cut.tar").write_bytes(
        tarred(Path("whole.tar"), {"a.png": png(), "b.png": png()}).read_bytes()[:900]
    )
    Path("bad.zip").write_bytes(b"PK no zip")
    Path("table.csv").write_text("a,b")
    Path("bad.txt").write_bytes(b"\xff\xfe\x00")
    Path("nothing.txt").write_text("# nothing\n")
    Path("shards").mkdir()
    tarred(Path("shards/0.tar"), {"a.png": png()})
    for place, message in {
        "empty": "empty has no pictures",
        "none.tar": "none.tar has no pictures",
        "nothing.txt": "nothing.txt names no pictures",
        "shards": r"shards has no pictures, but archives \(0\.tar\): name those",
        "gone": "gone does not exist",
        "shard-*.tar": r"does not exist \(no file fits the pattern\)",
        "none.tar/a/b": "none.tar/a/b has no pictures",
        "packed.tar.gz": "is compressed, .* decompress it first",
        "really.tar": "damaged or no plain tar archive",
        "cut.tar": "damaged or no plain tar archive",
        "bad.zip": "damaged or not a zip",
        "table.csv": "neither a folder, a tar shard, a zip, a picture nor a text file",
        "table.csv/a.png": "does not exist",
        "bad.txt": "no text file of paths",
    }.items():
        with pytest.raises(DataError, match=message) as caught:
            listed(place)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(DataError, match="no images are named"):
        listed()
