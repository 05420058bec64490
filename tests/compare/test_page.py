"""The page of a comparison: its files, and what a browser makes of them."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from deconvviz.compare.methods import METHODS
from deconvviz.compare.page import write_page
from deconvviz.errors import DataError
from deconvviz.tiles import photo_tile

from ..atlas.browser import Visit, chromium
from .answered import PATCH, SIDE, compared

ODD = 'a "quoted" <script>alert(1)</script> & 猫.jpg'
LAYERS = ("conv1", "a/../<b>odd</b>")
ADVICE = "deconvviz train-decoder --layer 'a' <i>"


def comparisons():
    missing = ((LAYERS[1], "decoder"),)
    yield compared(ODD, LAYERS, seed=3, missing=missing, advice=ADVICE)
    yield compared("cat.jpg", LAYERS, seed=40, missing=missing, advice=ADVICE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("a page #1 %20")
    write_page(place, comparisons(), model="<i>tiny</i>", facts=["deconvviz compare '<b>'"])
    return place


@pytest.fixture(scope="module")
def visit(folder):
    with chromium() as browser:
        one = Visit(browser, folder)
        one.page.goto(one.address)
        yield one


def test_pictures_are_those_of_the_answers(folder):
    first = next(comparisons())
    with Image.open(folder / "pictures" / "1_conv1_optimised.png") as picture:
        times = picture.width // first.original.shape[-1]
        tile = photo_tile(first.answers["conv1", "optimised"].picture.numpy())
        np.testing.assert_array_equal(np.asarray(picture), tile.repeat(times, 0).repeat(times, 1))
    with Image.open(folder / "pictures" / "1_conv1_strongest_part.png") as part:
        assert part.width / part.height == PATCH[3] / PATCH[2]
    assert not {path.name for path in (folder / "pictures").iterdir() if set(path.name) & set("<>/&\"' ")}


def test_a_large_projections_grey_is_still_zero(tmp_path):
    one = compared(layers=("conv1",), methods=("strongest",), side=160)
    write_page(tmp_path, [one], model="tiny")
    with Image.open(tmp_path / "pictures" / "1_conv1_strongest.jpg") as picture:
        found = np.asarray(picture)
    assert found.shape == (160, 160, 3)
    assert (found[40:, 40:] == 128).all()  # far from the patch


def test_an_older_page_is_replaced_and_another_is_not(tmp_path):
    write_page(tmp_path, comparisons(), model="tiny")
    (tmp_path / "pictures" / "mine.png").write_bytes(b"")
    write_page(tmp_path, [next(comparisons())], model="tiny")
    left = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert "mine.png" in left
    assert "1_image.png" in left
    assert not {name for name in left if name.startswith("2_")}
    (tmp_path / "page" / "compare.css").unlink()
    with pytest.raises(DataError, match="no page of a comparison"):
        write_page(tmp_path, comparisons(), model="tiny")


def test_everything_is_there_and_nothing_is_asked_of_a_network(visit, folder):
    page = visit.page
    assert page.title() == "2 images compared · <i>tiny</i>"
    assert page.locator("section[id^=image] h2").all_inner_texts() == [f"{ODD} ↑", "cat.jpg ↑"]
    page.eval_on_selector_all("img", "all => all.forEach(one => { one.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    links = page.eval_on_selector_all("a", "all => all.map(a => decodeURI(a.getAttribute('href')))")
    for link in links:
        assert page.locator(link).count() == 1 if link.startswith("#") else (folder / link).is_file()
    assert len({*links}) > 2 * (1 + 2 * 7 - 1)  # every picture opens
    assert page.locator("script, i, b, main a[href^=http]").count() == 0
    inside = folder.as_uri() + "/"
    assert [url for url in visit.requests if not url.startswith(inside)] == []
    assert visit.complaints == []


def test_numbers_stand_under_their_pictures(visit):
    for number, one in enumerate(comparisons(), 1):
        rows = visit.page.locator(f"#image-{number} .pictures > tbody > tr")
        for i, layer in enumerate(one.layers):
            cells = rows.nth(i).locator(":scope > td")
            assert rows.nth(i).locator("th > .above").inner_text() == layer
            for j, method in enumerate(one.methods):
                answer = one.answers[layer, method]
                if answer.missing:
                    assert cells.nth(j).inner_text().split("\n\n") == [answer.missing, ADVICE]
                    continue
                first = cells.nth(j).locator(".numbers tbody tr >> nth=0").inner_text().split()
                assert first == [f"{answer.errors['psnr']:.1f}", f"{answer.errors['psnr_fitted']:.1f}"]


def test_the_table_of_means_is_their_mean(visit):
    several = [*comparisons()]
    cells = [(layer, m) for layer in LAYERS for m in METHODS if not several[0].answers[layer, m].missing]
    rows = visit.page.locator("#means tbody tr")
    assert rows.count() == len(cells)
    for i, cell in enumerate(cells):
        found = rows.nth(i).locator("td").all_inner_texts()
        answers = [one.answers[cell] for one in several]
        assert found[0] == f"{fmean(a.errors['psnr'] for a in answers):.1f}"
        assert found[9] == f"{fmean(a.errors['feature_error_fitted'] for a in answers):.2f}"
        assert found[-1] == "2"


def test_what_methods_are_given_and_claim_is_told(visit):
    told = visit.page.inner_text("#reading")
    for method in METHODS.values():
        assert method.given in told
        assert method.claims in told
    assert "no reconstruction" in told


def test_a_frame_marks_where_the_one_activation_is(visit):
    frames = visit.page.locator("#image-1 th rect")
    assert frames.count() == 1  # the second layer's signal is everywhere
    found = [frames.first.get_attribute(name) for name in ("y", "x", "height", "width")]
    assert found == [str(number) for number in PATCH]
    image, frame = (visit.page.locator(f"#image-1 th {one}").first.bounding_box() for one in ("img", "rect"))
    assert abs(frame["y"] - image["y"] - PATCH[0] / SIDE * image["height"]) < 2
    assert "Frame:" in visit.page.inner_text("#reading")


def test_narrow_screens_scroll_the_table_and_dark_is_dark(visit):
    page = visit.page
    colour = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) != light
    page.set_viewport_size({"width": 380, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = page.locator(".wide").first
    assert wide.evaluate("one => one.scrollWidth > one.clientWidth")


def test_a_comparison_without_any_picture_has_a_page(tmp_path):
    nothing = compared(missing=tuple(compared().answers), why="interrupted", advice="")
    write_page(tmp_path, [replace(nothing, name="x")], model="tiny")
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count("interrupted") == 14
