"""Pieces of a run: all images once, the slow ones apart; and what tells two runs from each other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from deconvviz.compare import survey as module
from deconvviz.compare.chunks import SurveySettings, chunks_of, differences
from deconvviz.compare.identity import identity, pair_distance
from deconvviz.compare.survey import survey
from deconvviz.compare.tables import table
from deconvviz.metrics import evenly_spaced

from . import stand_ins as made

SETTINGS = SurveySettings(("a", "b"), ("map", "layer", "optimised"), 7, batch_size=6)


@pytest.mark.parametrize("count", [1, 6, 7, 40])
def test_every_cell_once(count):
    chunks = chunks_of(SETTINGS, count)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    cells = [(i, la, m) for c in chunks for i in c.images for la in c.layers for m in c.methods]
    assert len(cells) == len({*cells}) == sum(chunk.cells for chunk in chunks)
    slow = {cell for cell in cells if cell[2] == "optimised"}
    assert slow == {(i, la, "optimised") for i in evenly_spaced(count, 7).tolist() for la in "ab"}
    assert {*cells} - slow == {(i, la, m) for i in range(count) for la in "ab" for m in ("map", "layer")}
    kinds = [chunk.optimises for chunk in chunks]
    assert kinds == sorted(kinds)
    assert max(len(chunk.images) for chunk in chunks) <= 6


def test_only_one_kind():
    assert all(chunk.optimises for chunk in chunks_of(replace(SETTINGS, methods=("optimised",)), 9))
    assert not any(chunk.optimises for chunk in chunks_of(replace(SETTINGS, optimised_limit=0), 9))


def test_a_cause_is_named_and_not_what_follows_from_it():
    images = made.labelled(6)
    before = identity(made.network(), images, made.SETTINGS, ())
    assert differences(before, before) == ""
    layers = identity(made.network(), images, replace(made.SETTINGS, layers=("a",)), ())
    assert differences(before, layers) == "--layers a, b, not a"
    fewer = identity(made.network(), made.labelled(5), replace(made.SETTINGS, seed=3), ())
    assert differences(before, fewer) == "--limit 6, not 5; --seed 0, not 3"
    retrained = {**before, "decoders": {"a": "1"}}
    assert differences(retrained, {**before, "decoders": {"a": "2"}}) == "--decoder with other weights"
    assert differences(retrained, before) == "--decoder a, not none"


def test_one_image_has_no_other_to_be_compared_with(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "compare", made.comparer())
    network, images = made.network(), made.labelled(1)
    assert math.isnan(pair_distance(network, images))
    found = []
    settings = replace(made.SETTINGS, methods=("strongest",))
    survey(tmp_path, network, images, settings, write=lambda one: found.append(one) or [])
    row = table(found[0].cells)[0]
    assert row.count == 1
    assert math.isnan(row.errors["psnr"].low)
