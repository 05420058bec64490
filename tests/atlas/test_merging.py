"""Atlases of parts joined are the atlas of the whole, byte for byte; what does not go together is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch

from deconvviz.atlas.atlas import open_atlas
from deconvviz.atlas.images import list_images
from deconvviz.atlas.merging import merge_atlases
from deconvviz.errors import DataError, OutputError

from .nets import chain, coarse, write_pictures
from .scans import listed, scanned, tables

COARSE = {"layers": ("0", "2"), "topk": 4}  # ties are everywhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures divided by chance among three places, and atlases of each and of all together."""
    folder = tmp_path_factory.mktemp("parts")
    write_pictures(folder / "all", 45)
    for number, path in enumerate(sorted((folder / "all").rglob("*.png"))):
        part = folder / f"part{number * 7 % 5 % 3}" / path.parent.name
        part.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, part)
    places = [folder / f"part{k}" for k in range(3)]
    scanned(folder / "union", coarse(), list_images(places), **COARSE)
    for k, place in enumerate(places):
        scanned(folder / str(k), coarse(), listed(place), **COARSE)
    return folder


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_parts_joined_are_the_whole(folder, tmp_path, order):
    paths = merge_atlases([folder / str(k) for k in order], tmp_path / "all")
    assert [path.parent for path in paths] == [tmp_path / "all"] * 4
    assert tables(tmp_path / "all") == tables(folder / "union")
    merged, union = (
        json.loads((f / "manifest.json").read_text(encoding="utf-8"))
        for f in (tmp_path / "all", folder / "union")
    )
    assert merged["merged_from"] == [str(folder / str(k)) for k in order]
    for name in ("scanned", "skipped", "list_key", "layers", "parameters_sha256", "topk"):
        assert merged[name] == union[name], name
    assert sorted(merged["images"]) == sorted(union["images"])


def test_joined_atlases_can_be_joined(folder, tmp_path):
    merge_atlases([folder / "2", folder / "0"], tmp_path / "two")
    merge_atlases([folder / "1", tmp_path / "two"], tmp_path / "all")
    assert tables(tmp_path / "all") == tables(folder / "union")
    assert len(open_atlas(tmp_path / "all").entries("2", 0)) == 4


def test_an_image_that_is_in_both(folder, tmp_path):
    with pytest.raises(DataError, match=r"'.*\.png' is in .*0 and in .*union; an image may be in one only"):
        merge_atlases([folder / "0", folder / "union"], tmp_path / "all")
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(
    ("differs", "says"),
    [
        ({"topk": 3}, "--topk 4, not 3"),
        ({"per_image": 2}, "--per-image 1, not 2"),
        ({"layers": ("2",)}, "--layer 0, 2, not 2"),
    ],
)
def test_other_settings(folder, tmp_path, differs, says):
    scanned(tmp_path / "other", coarse(), listed(folder / "part1"), **{**COARSE, **differs})
    with pytest.raises(DataError, match=f"do not go together: {says}$"):
        merge_atlases([folder / "0", tmp_path / "other"], tmp_path / "all")


def test_other_weights(folder, tmp_path):
    other = coarse()
    with torch.no_grad():
        other.module[0].weight[0, 0, 0, 0] += 1
    scanned(tmp_path / "other", other, listed(folder / "part1"), **COARSE)
    with pytest.raises(DataError, match=r"do not go together: --weights with other values \(made up, "):
        merge_atlases([folder / "0", tmp_path / "other"], tmp_path / "all")
    renamed = dataclasses.replace(coarse(), name="another")
    scanned(tmp_path / "another", renamed, listed(folder / "part1"), **COARSE)
    with pytest.raises(DataError, match=r"do not go together: --model net, not another$"):
        merge_atlases([folder / "0", tmp_path / "another"], tmp_path / "all")


def test_tables_of_something_else_stay(folder, tmp_path):
    (tmp_path / "units.parquet").write_text("mine")
    with pytest.raises(DataError, match=r"units\.parquet is no part of an atlas: move it away"):
        merge_atlases([folder / "0", folder / "1"], tmp_path)
    assert (tmp_path / "units.parquet").read_text() == "mine"


def test_another_working_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    for number, working in ((0, "/here"), (1, "/there")):
        scanned(tmp_path / str(number), coarse(), list_images([f"part{number}"]), working=working, **COARSE)
    with pytest.raises(
        DataError, match=r"was scanned in /here, .* in /there, .* relative to that; .* --root"
    ):
        merge_atlases([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    # whole paths lead to the images from anywhere
    scanned(tmp_path / "whole", coarse(), listed(folder / "part2"), working="/there", **COARSE)
    assert merge_atlases([folder / "0", tmp_path / "whole"], tmp_path / "all")


def test_unfinished_damaged_and_missing(folder, tmp_path):
    for name in ("unfinished", "damaged"):
        shutil.copytree(folder / "1", tmp_path / name)
    (tmp_path / "unfinished" / "manifest.json").unlink()
    (tmp_path / "unfinished" / "scan.npz").rename(tmp_path / "unfinished" / "scan-001-000.npz")
    with pytest.raises(DataError, match="holds an unfinished scan: 'deconvviz atlas scan --resume"):
        merge_atlases([folder / "0", tmp_path / "unfinished"], tmp_path / "all")
    units = (folder / "2" / "units.parquet").read_bytes()  # of another scan
    for file in ("images.parquet", "units.parquet", "scan.npz", "manifest.json"):
        whole = (tmp_path / "damaged" / file).read_bytes()
        (tmp_path / "damaged" / file).write_bytes(whole[:-30])
        with pytest.raises(DataError, match="damaged"):
            merge_atlases([folder / "0", tmp_path / "damaged"], tmp_path / "all")
        (tmp_path / "damaged" / file).write_bytes(whole)
    (tmp_path / "damaged" / "units.parquet").write_bytes(units)
    with pytest.raises(DataError, match=r"damaged atlas \(units\.parquet is not of this scan\)"):
        merge_atlases([folder / "0", tmp_path / "damaged"], tmp_path / "all")
    (tmp_path / "damaged" / "units.parquet").unlink()
    with pytest.raises(DataError, match=r"damaged atlas \(.*units\.parquet\)"):
        merge_atlases([folder / "0", tmp_path / "damaged"], tmp_path / "all")
    with pytest.raises(DataError, match="nowhere is no atlas"):
        merge_atlases([folder / "0", tmp_path / "nowhere"], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_the_place_of_the_new_one(folder, tmp_path):
    both = [folder / "0", folder / "1"]
    with pytest.raises(DataError, match="is one of the atlases to be joined"):
        merge_atlases(both, folder / "1")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write into"):
        merge_atlases(both, tmp_path / "file")
    merge_atlases(both, tmp_path / "all")
    before = tables(tmp_path / "all")
    with pytest.raises(DataError, match="holds an atlas already: throw it away with --overwrite"):
        merge_atlases([folder / "0", folder / "2"], tmp_path / "all")
    assert tables(tmp_path / "all") == before
    merge_atlases([folder / "0", folder / "2"], tmp_path / "all", overwrite=True)
    assert tables(tmp_path / "all") != before


def test_vectors_and_layers_in_double_precision(folder, tmp_path):
    parts = [listed(folder / f"part{k}") for k in (0, 2)]
    for k, part in enumerate(parts):
        scanned(tmp_path / str(k), chain(), part)
    scanned(tmp_path / "union", chain(), list_images([folder / "part0", folder / "part2"]))
    merge_atlases([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    assert tables(tmp_path / "all") == tables(tmp_path / "union")
