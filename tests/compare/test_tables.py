"""Tables: the means of the right cells, in order, with what is missing told and left empty."""

from __future__ import annotations

import csv
import json
import math
import random
import statistics

import numpy as np
import pytest

from deconvviz.compare.intervals import mean_intervals
from deconvviz.compare.tables import NUMBERS, Cell, cells_of, in_order, table
from deconvviz.compare.writing import plain, write_cells, write_table

from . import stand_ins as made

LAYERS, METHODS = ("b", "a"), ("strongest", "decoder", "optimised")


def cell(image, layer, method):
    number = made.number(image, layer, method)
    silent = method == "decoder" and layer == "a"
    few = method == "strongest" and layer == "b" and image % 3 == 0
    errors = {name: number + place for place, name in enumerate(NUMBERS)}
    missing = "no decoder for a" if silent else "no positive activation" if few else ""
    return Cell(
        image,
        f'<b>,"{image}"\n',
        layer,
        method,
        {} if missing else errors,
        math.nan if missing else image / 10,
        (7, 1, 2) if method == "strongest" and not missing else (),
        number,
        missing,
        "train one" if silent else "",
    )


@pytest.fixture
def cells():
    found = [
        cell(image, layer, method)
        for image in range(12)
        for layer in LAYERS
        for method in METHODS
        if method != "optimised" or image in (0, 4, 11)
    ]
    first, *rest = found
    random.Random(1).shuffle(rest)
    return [first, *rest]


def test_rows_hold_the_means_of_their_cells(cells):
    rows = table(cells, resamples=200, seed=3)
    assert [(row.layer, row.method) for row in rows] == [(la, m) for la in LAYERS for m in METHODS]
    assert [row.count for row in rows] == [8, 12, 3, 12, 0, 3]
    assert [row.asked for row in rows] == [12, 12, 3, 12, 12, 3]
    for row in rows:
        own = [c for c in cells if (c.layer, c.method) == (row.layer, row.method) and not c.missing]
        for name in NUMBERS:
            mean = row.errors[name]
            assert mean.count == row.count == len(own)
            if own:
                assert mean.mean == pytest.approx(statistics.fmean(c.errors[name] for c in own))
                assert mean.low < mean.mean < mean.high
            else:
                assert all(map(math.isnan, (mean.mean, mean.low, mean.high)))
        if own:
            assert row.seconds == statistics.median(c.seconds for c in own)


def test_an_interval_is_that_of_the_column_in_the_order_of_the_images(cells):
    row = table(cells, resamples=200, seed=3)[1]
    own = sorted((c for c in cells if (c.layer, c.method) == ("b", "decoder")), key=lambda c: c.image)
    found = mean_intervals(np.array([[c.errors["ssim"]] for c in own]), resamples=200, seed=3)
    assert (row.errors["ssim"].low, row.errors["ssim"].high) == (found.low[0], found.high[0])


def test_why_something_is_missing(cells):
    rows = {(row.layer, row.method): row for row in table(cells, resamples=20)}
    assert rows["a", "decoder"].missing == {"no decoder for a": 12}
    assert rows["a", "decoder"].advice == "train one"
    assert rows["b", "strongest"].missing == {"no positive activation": 4}
    assert rows["b", "decoder"].missing == {}


def test_what_does_not_exist_is_empty(cells, tmp_path):
    rows = table(cells, resamples=20)
    with write_table(tmp_path / "table.csv", rows).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [*lines[0]][:6] == ["layer", "method", "n", "psnr", "psnr_low", "psnr_high"]
    empty = lines[4]
    assert (empty["n"], empty["missing"]) == ("0", "no decoder for a (12 of 12)")
    assert {empty[name] for name in (*NUMBERS, "ssim_low", "ssim_high", "seconds")} == {""}
    assert float(lines[0]["image_error_fitted"]) == pytest.approx(
        rows[0].errors["image_error_fitted"].mean, rel=1e-5
    )
    content = json.loads(json.dumps([plain(row) for row in rows], allow_nan=False))
    assert content[4]["psnr"] == {"mean": None, "low": None, "high": None, "count": 0}
    assert content[0]["psnr"]["mean"] == rows[0].errors["psnr"].mean


def test_single_errors_can_be_read_back(cells, tmp_path):
    with write_cells(tmp_path / "images.csv", cells).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(cells)
    for line, one in zip(lines, in_order(cells), strict=True):
        assert (int(line["image"]), line["name"]) == (one.image, one.name)
        assert (line["layer"], line["method"], line["missing"]) == (one.layer, one.method, one.missing)
        assert line["channel"] == ("7" if one.unit else "")
        for name in NUMBERS:
            wanted = "" if one.missing else f"{one.errors[name]:.6g}"
            assert line[name] == wanted
    assert [int(line["image"]) for line in lines] == sorted(one.image for one in cells)
    assert [line["method"] for line in lines[:6]] == list(METHODS) * 2


def test_one_image_has_means_without_intervals():
    (row,) = table([cell(1, "b", "decoder")], resamples=20)
    assert row.errors["psnr"].mean == made.number(1, "b", "decoder")
    assert math.isnan(row.errors["psnr"].low)


def test_cells_are_the_numbers_of_answers():
    compare = made.comparer()
    images = made.torch.ones(2, 3, 4, 4)
    found = compare(
        None,
        images,
        ("a",),
        ("strongest", "map"),
        names=("x", "y"),
        pair_distance=2.0,
        pictures=False,
        watch=lambda *_: None,
    )
    cells = cells_of(found, (4, 9))
    assert [(c.image, c.name, c.method) for c in cells][1:3] == [(4, "x", "map"), (9, "y", "strongest")]
    answer = found[1].answers["a", "strongest"]
    assert cells[2].errors == answer.errors
    assert (cells[2].unit, cells[2].activation, cells[2].seconds) == ((3, 1, 2), answer.activation, 0.5)
