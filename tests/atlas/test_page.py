"""The folder of the page: what its scripts say, and that it can be written again at any time."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from deconvviz.atlas.kept import begin_layer
from deconvviz.atlas.page import write_page
from deconvviz.atlas.page_data import script
from deconvviz.atlas.sprites import safe_name
from deconvviz.errors import DataError, OutputError

from .made import FEW, GONE, IMAGES, SCORES, SILENT, UNITS, draw_all, entries, made_atlas

CALL = re.compile(r'Atlas\.receive\("(\w+)", (.*)\);\n', re.DOTALL)


def content(path):
    """What a data file hands to the page."""
    return json.loads(CALL.fullmatch(path.read_text(encoding="ascii"))[2])


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_data_say_what_the_tables_say(tmp_path):
    atlas = made_atlas(tmp_path)
    draw_all(atlas)
    assert write_page(atlas) == tmp_path / "index.html"
    index, images = content(tmp_path / "data/index.js"), content(tmp_path / "data/images.js")
    assert [(layer["name"], layer["units"]) for layer in index["layers"]] == list(UNITS.items())
    assert [layer["rendered"] for layer in index["layers"]] == [36, 40, 0]
    assert [layer["silent"] for layer in index["layers"]] == [1, 1, 1]
    assert [layer["field"] for layer in index["layers"]] == [[7, 7], [60, 60], [7, 7]]
    assert sorted(images["names"]) == sorted(name for name, _ in IMAGES)
    for layer, count in UNITS.items():
        table = content(tmp_path / "data" / f"layer_{safe_name(layer)}.js")
        for channel in range(count):
            unit = entries(layer, channel)
            names = [images["names"][i] for i in table["image"][channel]]
            assert names == [entry.image for entry in unit]
            labels = [images["classes"][images["labels"][i]] for i in table["image"][channel]]
            assert labels == [entry.label for entry in unit]
            assert table["activation"][channel] == [entry.activation for entry in unit]
            assert table["place"][channel] == [[entry.row, entry.column] for entry in unit]
            first, *counts = table["histogram"][channel]
            assert sum(counts) == 100
            assert first + len(counts) <= len(index["edges"]) + 1
        problems = {(channel, rank): why for channel, rank, why in table["problems"]}
        if layer == "fc6":
            assert set(table["shape"]) == {-1}
            assert not problems
        else:
            assert problems[5, 1] == GONE
            assert {channel for channel, _ in problems} == {5, FEW, SILENT}


def test_a_unit_that_is_never_positive_is_not_silent_where_nothing_rectifies(tmp_path):
    write_page(made_atlas(tmp_path, {SCORES: 3}))
    index, images = content(tmp_path / "data/index.js"), content(tmp_path / "data/images.js")
    assert index["layers"][0]["silent"] == 0
    table = content(tmp_path / "data" / f"layer_{safe_name(SCORES)}.js")
    assert [images["classes"][label] for label in table["label"]] == ["cat"] * 3
    assert table["purity"] == [pytest.approx(1 / 9, rel=1e-5)] * 3


def test_no_text_can_end_a_script():
    nasty = "".join(name for name, _ in IMAGES)
    written = script("images", {"names": [nasty], "value": float("nan"), "more": [float("-inf")]})
    assert written.isascii()
    assert "<" not in written
    assert written.count("\n") == 1
    assert json.loads(CALL.fullmatch(written)[2]) == {"names": [nasty], "value": None, "more": [None]}


def test_equal_input_gives_equal_files_also_when_written_again(tmp_path):
    units = {"conv1": 3}
    for name in "ab":
        atlas = made_atlas(tmp_path / name, units)
        write_page(atlas)  # nothing is rendered yet
        assert content(tmp_path / name / "data/index.js")["layers"][0]["rendered"] == 0
        draw_all(atlas)
        write_page(atlas)
        before = tree(tmp_path / name)
        write_page(atlas)
        assert tree(tmp_path / name) == before
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_pictures_of_another_scan_are_not_shown(tmp_path):
    atlas = made_atlas(tmp_path, {"conv1": 3})
    (tmp_path / "units.parquet").write_bytes(b"one scan")
    begin_layer(atlas, "conv1", {"rule": "guided", "scale": "each"})
    draw_all(atlas)
    write_page(atlas)
    (layer,) = content(tmp_path / "data/index.js")["layers"]
    assert (layer["rendered"], layer["rule"], layer["scale"]) == (3, "guided", "each")
    (tmp_path / "units.parquet").write_bytes(b"another")
    write_page(atlas)
    (layer,) = content(tmp_path / "data/index.js")["layers"]
    assert (layer["rendered"], layer["rule"]) == (0, None)
    assert not list(tmp_path.rglob("overview-*"))


def test_the_page_asks_for_nothing_but_its_own_files():
    assets = files("deconvviz_assets") / "atlas"
    page = (assets / "index.html").read_text(encoding="utf-8")
    asked = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert {path for path in asked if path.startswith("page/")} == {
        f"page/{part.name}" for part in assets.iterdir() if part.name != "index.html"
    }
    assert [path for path in asked if not path.startswith("page/")] == ["data/index.js"]
    for part in assets.iterdir():
        text = part.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//www" not in text
        assert not re.search(r"https?:|innerHTML|insertAdjacentHTML|eval\(|@import", text), part.name


def test_a_page_of_something_else_stays(tmp_path):
    atlas = made_atlas(tmp_path, {"conv1": 1})
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(DataError, match=r"index\.html is no page of an atlas: move it away"):
        write_page(atlas)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_page(made_atlas(tmp_path, {"conv1": 1}))
