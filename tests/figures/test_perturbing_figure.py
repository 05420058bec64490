"""Bands of pictures, and animations that run there and back."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from deconvviz.errors import OutputError
from deconvviz.figures import Band, Cell, perturbing_figure
from deconvviz.figures.animating import save_animation

from .support import artists, images, texts


def tile(level: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def band(count: int, notes: int = 2, **more: str) -> Band:
    cells = [Cell(f"cell {i}", tile(i), [f"line {i} {k}" for k in range(notes)]) for i in range(count)]
    return Band(more.pop("title", "decoded"), cells, **more)


@pytest.mark.parametrize(
    ("count", "lines"),
    [(1, [1]), (6, [6]), (7, [7]), (8, [4, 4]), (9, [5, 4]), (12, [6, 6]), (15, [5, 5, 5])],
)
def test_long_bands_stand_in_even_lines(count, lines):
    figure = perturbing_figure([band(count)], title="changed")
    places = [tuple(image.get_extent()) for image in artists(figure)]
    rows = sorted({round(bottom, 3) for _, _, bottom, _ in places}, reverse=True)
    assert [sum(round(place[2], 3) == row for place in places) for row in rows] == lines
    assert all(np.array_equal(image, tile(i)) for i, image in enumerate(images(figure)))
    width, height = figure.get_size_inches()
    assert all(0 <= left < right <= width and 0 <= low < high <= height for left, right, low, high in places)


def test_everything_is_said_and_nothing_lies_on_anything_else():
    bands = [
        band(7, told="how it is to be read " * 14),
        band(9, notes=3, title="optimised"),
        band(2, notes=0),
    ]
    figure = perturbing_figure(bands, title="changed", notes=["what dB is " * 20, "more"], caption="net")
    said = texts(figure)
    assert {"changed", "decoded", "optimised", "net", "more", "cell 8", "line 8 2"} <= set(said)
    assert sum("how it is to be read" in line for line in said) > 1  # wrapped
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for axes in figure.axes for text in axes.texts]
    for i, one in enumerate(boxes):
        assert figure.bbox.x0 <= one.x0
        assert one.x1 <= figure.bbox.x1
        for other in boxes[i + 1 :]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            up = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 1 or up <= 1
    pictures = [image.get_window_extent(renderer) for image in artists(figure)]
    assert not any(
        min(b.x1, p.x1) - max(b.x0, p.x0) > 1 and min(b.y1, p.y1) - max(b.y0, p.y0) > 1
        for b in boxes
        for p in pictures
    )


def test_an_empty_place_says_why_and_long_names_are_cut():
    cells = [Cell("a very long name of a photograph.jpeg", tile(1)), Cell("rest", None, ["nothing", "there"])]
    figure = perturbing_figure([Band("optimised", cells)], title="$t$ <script>")
    assert len(images(figure)) == 1
    assert {"nothing", "there", "$t$ <script>"} <= set(texts(figure))
    assert any(text.endswith("…") for text in texts(figure))


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_runs_there_and_back_for_ever(tmp_path, suffix):
    frames = [tile(level, 32) for level in (10, 90, 170, 250)]
    path = save_animation(frames, tmp_path / f"a{suffix}", {"Software": "me"}, milliseconds=80, pause=400)
    with Image.open(path) as opened:
        assert opened.info["loop"] == 0
        levels, times = [], []
        for i in range(opened.n_frames):
            opened.seek(i)
            opened.load()
            levels.append(int(np.asarray(opened.convert("RGB"))[16, 16, 0]))
            times.append(opened.info["duration"])
        text = opened.getexif().get(0x010E) if suffix == ".webp" else opened.info["comment"].decode()
    assert levels == pytest.approx([10, 90, 170, 250, 170, 90], abs=4)
    assert all(abs(one - other) < 90 for one, other in pairwise([*levels, levels[0]]))
    assert times == [400, 80, 80, 400, 80, 80]
    assert json.loads(text) == {"Software": "me"}


def test_what_an_animation_cannot_be(tmp_path):
    with pytest.raises(OutputError, match=r"written as \.gif or \.webp"):
        save_animation([tile(1), tile(2)], tmp_path / "a.mp4")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save_animation([tile(1), tile(2)], tmp_path / "file" / "a.gif")
