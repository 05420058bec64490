"""``deconvviz atlas scan``: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deconvviz.atlas.atlas import open_atlas
from deconvviz.locking import locked

from .support import complaint, invoke, write_photo

MODEL = ("--model", "mynets:tiny", "--device", "cpu", "--topk", "3", "--batch-size", "4", "--workers", "1")
TABLES = ["units.parquet", "statistics.parquet", "images.parquet"]
WRITTEN = [f"ATLAS/{name}" for name in (*TABLES, "manifest.json")]


@pytest.fixture
def pictures(folder):
    """Twelve pictures of two classes."""
    for number in range(12):
        path = folder / "photos" / ("cats", "dogs")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, number, 36)
    return folder / "photos"


def scan(*words, out="ATLAS", model=MODEL):
    return invoke("atlas", "scan", *model, "--out", out, *words)


def refused(*words, code=1, out="ATLAS", model=MODEL):
    """The line about a scan that wrote nothing."""
    files = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and "__pycache__" not in str(p)}
    answer = scan(*words, "--quiet", out=out, model=model)
    assert answer.out == ""
    after = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file() and "__pycache__" not in str(p)}
    assert {p: b for p, b in after.items() if p.name != ".lock"} == {
        p: b for p, b in files.items() if p.name != ".lock"
    }
    return complaint(answer, code)


def tables(folder="ATLAS"):
    return [Path(folder, name).read_bytes() for name in TABLES]


def manifest(folder="ATLAS"):
    return json.loads(Path(folder, "manifest.json").read_text(encoding="utf-8"))


def test_all_convolutions_and_the_paths_of_the_tables(pictures):
    done = scan("photos", "--quiet").ok()
    assert done.out.splitlines() == WRITTEN
    atlas = open_atlas("ATLAS")
    assert atlas.layers == ("conv1", "conv2")
    entry = atlas.entries("conv2", 5)[0]
    assert entry.image.startswith(f"photos/{entry.label}/")
    said = manifest()
    assert said["command"].startswith("deconvviz atlas scan --model mynets:tiny")
    assert said["model"] == "mynets:tiny"
    assert said["images"] == ["photos"]
    assert said["working_folder"] == str(pictures.parent)
    assert (said["scanned"], said["skipped"], said["seed"]) == (12, 0, 0)


def test_progress_and_quiet(pictures):
    done = scan("photos", "--layer", "conv1")
    assert done.code == 0
    assert "scan: 100%" in done.err
    assert "12/12" in done.err
    assert "img/s" in done.err
    assert "note:" not in done.err


def test_images_that_cannot_be_read(pictures):
    for number in range(8):
        (pictures / "cats" / f"bad{number}.jpg").write_bytes(b"\xff\xd8 nothing")
    done = scan("photos", "--layer", "conv1")
    assert done.code == 0
    notes = done.err.splitlines()
    (at,) = [i for i, line in enumerate(notes) if line.startswith("note:")]
    assert notes[at] == "note: 8 of 20 images could not be read and are left out:"
    assert notes[at + 1] == "    photos/cats/bad0.jpg is not a picture that can be read (JPEG, PNG, ...)"
    assert notes[at + 6 :] == ["    and 3 more: images.parquet, column 'problem'"]
    listing = pq.read_table("ATLAS/images.parquet").to_pylist()
    assert sum(row["problem"] is not None for row in listing) == 8
    assert (manifest()["scanned"], manifest()["skipped"]) == (12, 8)
    found = open_atlas("ATLAS")
    assert {s.images for s in found.statistics("conv1")} == {12}
    assert not any("bad" in e.image for c in range(12) for e in found.entries("conv1", c))


def test_fewer_readable_images_than_kept(pictures):
    for path in sorted(pictures.rglob("*.png"))[2:]:
        path.write_bytes(b"")
    assert scan("photos", "--layer", "conv1", "--quiet").code == 0
    assert [e.rank for e in open_atlas("ATLAS").entries("conv1", 0)] == [0, 1]


def test_no_image_can_be_read(pictures):
    for path in pictures.rglob("*.png"):
        path.write_bytes(b"no picture")
    said = refused("photos", "--layer", "conv1")
    assert said.startswith("none of the 12 images can be read; the first: photos/cats/00.png is not a pict")
    write_photo(pictures / "cats" / "00.png")
    assert scan("photos", "--layer", "conv1", "--quiet", "--topk", "1").code == 0


def test_what_is_wrong_is_said_before_any_work(pictures):
    Path("empty").mkdir()
    for words, says in (
        (("empty",), "empty has no pictures"),
        (("nowhere",), "nowhere does not exist"),
        (("photos", "--layer", "conv3"), "no layer 'conv3'; did you mean 'conv"),
        (("photos", "--topk", "13"), "--topk 13: there are only 12 images; ask for fewer"),
        (("photos", "--weights", "nothing.pth"), "nothing.pth"),
        (("photos", "--resume"), "ATLAS holds no scan to go on with; leave --resume away"),
    ):
        assert says in refused(*words)
    assert not Path("ATLAS").exists()
    assert "say which with --layer, by module paths such as 1, 3;" in refused(
        "photos", model=("--model", "mynets:small", "--device", "cpu")
    )
    assert refused("cat.png", "./photos/", out="photos") == (
        "photos is one of the IMAGES to be scanned; name another --out"
    )
    assert "is one of the IMAGES" in refused("photos", "--root", str(pictures.parent), out=str(pictures))
    assert "cat.png: File exists" in refused("photos", out="cat.png")
    assert "Not a directory" in refused("photos", out="cat.png/ATLAS")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name images: folders, tar shards, zips, pictures or lists of them"),
        (("photos", "--resume", "--overwrite"), "give one of them"),
        (("photos", "--topk", "0"), "--topk"),
        (("photos", "--precision", "half"), "--precision"),
        (("photos", "--checkpoint-every", "-1"), "--checkpoint-every"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz atlas scan --help')")


def test_an_atlas_is_resumed_or_overwritten_only_when_asked(pictures):
    scan("photos", "--layer", "conv1", "--quiet").ok()
    assert "ATLAS holds an atlas already: throw it away with --overwrite" in refused("photos")
    done = scan("photos", "--layer", "conv1", "--resume")
    assert (done.code, done.out) == (0, "")
    assert done.err == "note: ATLAS is finished: nothing to go on with\n"
    assert refused("photos", "--resume", "--topk", "4").startswith(
        "ATLAS was scanned with other settings: --topk 3, not 4; resume with the same"
    )
    (pictures / "dogs" / "01.png").unlink()
    assert "another list of images (12, not 11)" in refused("photos", "--resume")
    before = tables()
    scan("photos", "--layer", "conv1", "--quiet", "--overwrite").ok()
    assert tables() != before


def interrupted(monkeypatch, after=3):
    """Ctrl-C after so many batches of a scan."""
    from deconvviz.atlas import scanning

    with_pass, seen = scanning.with_pass, []

    def pressing(*words):
        seen.append(1)
        if len(seen) > after:
            raise KeyboardInterrupt
        return with_pass(*words)

    with monkeypatch.context() as patch:
        patch.setattr(scanning, "with_pass", pressing)
        answer = scan("photos", "--layer", "conv2", "--layer", "conv1", "--batch-size", "2", "--quiet")
    assert complaint(answer, 130) == ("interrupted; what was found is kept in ATLAS: go on with --resume")


def test_ctrl_c_and_going_on(pictures, monkeypatch, tmp_path):
    scan("photos", "--layer", "conv2", "--layer", "conv1", "--quiet", "--batch-size", "2", out="whole").ok()
    interrupted(monkeypatch)
    assert not Path("ATLAS/manifest.json").exists()
    assert "holds an unfinished scan already: go on with --resume" in refused("photos")
    # all that the first call said is known; it may go on from another folder
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy("mynets.py", elsewhere)
    monkeypatch.chdir(elsewhere)
    done = invoke("atlas", "scan", "--resume", "--out", "../ATLAS", "--device", "cpu", "--workers", "2")
    assert done.code == 0, done.err
    assert done.err.startswith("note: going on after 6 images")
    assert done.out.splitlines() == [f"../{path}" for path in WRITTEN]
    assert tables("../ATLAS") == tables("../whole")
    assert manifest("../ATLAS")["working_folder"] == str(tmp_path)
    assert manifest("../ATLAS")["layers"] == manifest("../whole")["layers"]


def test_images_from_another_folder(pictures, monkeypatch, tmp_path):
    scan("photos", "--layer", "conv1", "--quiet").ok()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy("mynets.py", elsewhere)
    monkeypatch.chdir(elsewhere)
    scan("photos", "--root", "..", "--layer", "conv1", "--quiet").ok()
    assert tables() == tables("../ATLAS")
    assert manifest()["working_folder"] == str(tmp_path)


def test_two_scans_into_one_folder(pictures):
    with locked(Path("ATLAS"), "scan"):
        assert refused("photos").startswith("another scan is writing into ATLAS: wait until it ends, or name")


def test_places_images_and_batch_size_do_not_matter_for_convolutions(pictures):
    scan("photos", "--quiet").ok()
    scan("photos/dogs", "photos/cats/", "--quiet", "--batch-size", "5", "--workers", "2", out="other").ok()
    one, two = (pq.read_table(f"{f}/units.parquet").to_pylist() for f in ("ATLAS", "other"))
    assert [{**row, "label": ""} for row in one] == [{**row, "label": ""} for row in two]


def test_names_are_text(pictures):
    for name in ("<script>alert(1)</script>", 'it\'s "quoted"', "猫 ü"):
        write_photo(pictures / "cats" / f"{name.replace('/', '-')}.png", 99)
    scan("photos", "--layer", "conv1", "--quiet").ok()
    names = pq.read_table("ATLAS/images.parquet")["image"].to_pylist()
    assert "photos/cats/<script>alert(1)<-script>.png" in names
    assert 'photos/cats/it\'s "quoted".png' in names
