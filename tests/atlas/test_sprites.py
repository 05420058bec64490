"""One picture a unit, and sheets of many."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from deconvviz import tiles
from deconvviz.atlas.overviews import COLUMNS, MOSAIC, UNITS, write_overviews
from deconvviz.atlas.sprites import SMALL, read_sprite, safe_name, sprites_of, write_sprite
from deconvviz.errors import DataError

from .made import SILENT, colour, entries, rendered


def drawn(folder, side, channel=0, problems=None, k=9, **how):
    path = write_sprite(
        folder, "conv1", channel, rendered(entries("conv1", channel, k), side, problems), **how
    )
    return path, read_sprite(path), np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_small_windows_are_kept_pixel_by_pixel(tmp_path):
    path, sprite, pixels = drawn(tmp_path, 7)
    assert path == tmp_path / "sprites" / "conv1" / "0000.png"
    assert pixels.shape == (3 * 7, 6 * 7, 3)
    for rank in range(9):
        left, top, right, bottom = sprite.box(rank, projection=False)
        patch = pixels[top:bottom, left:right]
        assert (patch[:, 1:] == colour(0, rank)).all()
        assert (patch[:, 0] == 255).all()
        left, top, right, bottom = sprite.box(rank, projection=True)
        projection = pixels[top:bottom, left:right]
        assert (projection[:, 0] == 255).all()  # beyond the image
        assert (projection[:3, 1:] == tiles.ZERO).all()
        assert (projection[3:, 3:] == round(128 + 127 / (1 + rank))).all()  # one scale for all


def test_large_windows_are_made_smaller_and_do_not_bleed(tmp_path):
    path, sprite, pixels = drawn(tmp_path, 163, tile=100)
    assert path.suffix == ".jpg"
    assert sprite.tile == (100, 100)
    assert sprite.cell == (104, 104)
    assert sprite.window == (163, 163)
    for rank in range(9):
        left, top, right, bottom = sprite.box(rank, projection=False)
        assert np.abs(pixels[top:bottom, left + 8 : right] - colour(0, rank)).max() < 12
        left, top, right, bottom = sprite.box(rank, projection=True)
        assert np.abs(pixels[top : top + 40, left + 8 : right] - tiles.ZERO).max() <= 3


def test_what_has_a_problem_is_left_empty_and_sets_no_scale(tmp_path):
    _, sprite, pixels = drawn(tmp_path, 7, problems={0: "gone"})
    assert sprite.problems == {0: "gone"}
    assert sprite.scale == 0.5
    for projection in (False, True):
        left, top, right, bottom = sprite.box(0, projection)
        assert (pixels[top:bottom, left:right] == tiles.ZERO).all()
    _, silent, _ = drawn(tmp_path, 7, channel=SILENT)
    assert set(silent.problems) == set(range(9))
    with pytest.raises(DataError, match="nothing to draw"):
        write_sprite(tmp_path, "conv1", 0, [])


@pytest.mark.parametrize("text", ["image is gone: " + "x" * 95, "图" * 110])
def test_long_problems_are_cut_to_what_a_picture_has_room_for(tmp_path, text):
    why = {rank: f"{rank} {text}" for rank in range(700)} | {3: "did not fire"}
    _, sprite, _ = drawn(tmp_path, SMALL + 1, problems=why, k=700, tile=8)
    assert list(sprite.problems) == list(why)
    assert sprite.problems[3] == "did not fire"
    for rank, told in sprite.problems.items():
        assert told == why[rank] or (told.endswith("...") and why[rank].startswith(told[:-3]))
    assert sum(map(len, sprite.problems.values())) > 6_000
    with pytest.raises(DataError, match="no room for the problems of 7000 images"):
        drawn(tmp_path, SMALL + 1, problems=dict.fromkeys(range(7000), "gone"), k=7000, tile=2)


@pytest.mark.parametrize(("k", "columns"), [(1, 1), (4, 2), (5, 3), (16, 4)])
def test_any_number_of_images(tmp_path, k, columns):
    _, sprite, pixels = drawn(tmp_path, 6, k=k)
    assert (sprite.count, sprite.columns) == (k, columns)
    assert pixels.shape == (-(-k // columns) * 6, 2 * columns * 6, 3)


def test_equal_pictures_are_equal_files_and_a_new_one_replaces_the_old(tmp_path):
    for side in (SMALL, SMALL + 1):
        one, other = (drawn(tmp_path / name, side)[0] for name in "ab")
        assert one.read_bytes() == other.read_bytes()
        assert list(one.parent.iterdir()) == [one]
        assert sprites_of(tmp_path / "a", "conv1") == {0: one}


def test_names_of_files_are_safe_and_unique():
    plain = ["conv1", "features.3", "layer1.0.conv2", "block_1-a"]
    assert [safe_name(name) for name in plain] == plain
    odd = [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "Conv1",
        "con",
        "nul.txt",
        ".hidden",
        "a.",
        "猫",
        "犬",
        "a b",
        "A b",
        "x" * 300,
    ]
    odd += ["<b>", "a:b", "conv~1", "a\nb", safe_name("..")]
    names = [safe_name(name) for name in plain + odd]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-~")
        assert 0 < len(name) <= 60
        assert not name.startswith(".")
        assert not name.endswith(".")


@pytest.mark.parametrize("content", [b"", b"\xff\xd8 cut", None])
def test_a_damaged_sprite_is_named(tmp_path, content):
    path = tmp_path / "0001.png"
    if content is None:
        Image.new("RGB", (4, 4)).save(path)  # a picture, but not one of ours
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"0001\.png is damaged"):
        read_sprite(path)


@pytest.mark.parametrize("side", [7, 90])
def test_overviews_show_every_unit_in_its_place(tmp_path, side):
    shown = [0, 1, 5, UNITS - 1, UNITS + 2]
    for channel in shown:
        drawn(tmp_path, side, channel)
    sheets = write_overviews(tmp_path, "conv1")
    assert [path.name for path in sheets] == ["overview-0000.jpg", "overview-0001.jpg"]
    pixels = [np.asarray(Image.open(path)).astype(int) for path in sheets]
    for channel in shown:
        top, left = channel % UNITS // COLUMNS * MOSAIC, channel % COLUMNS * 2 * MOSAIC
        mosaic = pixels[channel // UNITS][top : top + MOSAIC, left : left + MOSAIC]
        for rank in range(9):
            y, x = rank // 3 * 40, rank % 3 * 40
            middle = mosaic[y + 10 : y + 30, x + 10 : x + 30].mean((0, 1))
            assert np.abs(middle - colour(channel, rank)).max() < 6
        projection = pixels[channel // UNITS][top + 5 : top + 15, left + MOSAIC + 12 : left + MOSAIC + 32]
        assert np.abs(projection - tiles.ZERO).max() <= 2
    assert (pixels[0][:MOSAIC, 4 * MOSAIC : 6 * MOSAIC] == tiles.ZERO).all()  # unit 2 is not there


def test_overviews_are_made_anew_only_where_something_changed(tmp_path):
    paths = {channel: drawn(tmp_path, 7, channel)[0] for channel in (0, UNITS)}
    for path in paths.values():
        os.utime(path, (1, 1))
    first, second = write_overviews(tmp_path, "conv1")
    content = first.read_bytes()
    assert write_overviews(tmp_path, "conv1") == []
    drawn(tmp_path, 7, 1)
    assert write_overviews(tmp_path, "conv1") == [first]
    with Image.open(first) as sheet:
        assert json.loads(sheet.info["comment"]) == [0, 1]
    (tmp_path / "sprites" / "conv1" / "0001.png").unlink()
    paths[UNITS].unlink()
    assert write_overviews(tmp_path, "conv1") == [first]
    assert first.read_bytes() == content
    assert not second.exists()
    paths[0].write_bytes(b"cut")
    with pytest.raises(DataError, match="damaged"):
        write_overviews(tmp_path, "conv1")
