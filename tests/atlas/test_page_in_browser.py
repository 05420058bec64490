"""The page in a browser: every unit is there, and search, orders, keys and back do what they say."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from deconvviz.atlas.page import write_page

from .browser import CANVASES, Visit, chromium, mean_colour
from .made import (
    FEW,
    GONE,
    IMAGES,
    ODD,
    SCORES,
    SILENT,
    UNITS,
    colour,
    draw_all,
    entries,
    made_atlas,
    statistics,
)

ODD_ADDRESS = "#" + quote(ODD, safe="~()*!.'")


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("the atlas #1 %20")
    atlas = made_atlas(place)
    draw_all(atlas)
    write_page(atlas)
    return place


@pytest.fixture(scope="module")
def one(browser, folder) -> Visit:
    return Visit(browser, folder)


@pytest.fixture
def visit(one, folder) -> Iterator[Visit]:
    """Whatever a test does, no request leaves the folder, and nothing is complained of."""
    one.requests.clear()
    one.complaints.clear()
    yield one
    assert one.complaints == []
    inside = folder.as_uri() + "/"
    assert [url for url in one.requests if not url.startswith(inside) and url != "about:blank"] == []


def names(layer, units):
    start = "#conv1" if layer == "conv1" else ODD_ADDRESS if layer == ODD else f"#{layer}"
    return [f"{start}/{unit}" for unit in units]


def text(visit, selector):
    return visit.page.inner_text(selector)


def test_every_unit_of_every_layer_is_there(visit):
    visit.go()
    links = visit.page.locator("#layers a")
    assert links.count() == len(UNITS)
    for i, (layer, count) in enumerate(UNITS.items()):
        links.nth(i).click()
        visit.arrived("#conv1" if i == 0 else ODD_ADDRESS if i == 1 else "#fc6")
        assert text(visit, "h1") == layer
        assert visit.all_tiles() == names(layer, range(count))
    assert "not rendered yet" in text(visit, ".tile")
    assert "deconvviz atlas render ATLAS --layer fc6" in text(visit, ".note")


def test_a_unit_opens_with_what_is_known_of_it(visit):
    visit.go(ODD_ADDRESS)
    visit.page.click(".tile >> nth=5")
    visit.arrived(f"{ODD_ADDRESS}/5")
    assert text(visit, "h1") == f"{ODD} 5"
    assert visit.page.locator("figure li").count() == 18
    tiles = visit.page.locator("figure li .nothing")
    assert tiles.all_inner_texts() == [GONE.split(":")[0]] * 2
    assert tiles.first.evaluate("tile => tile.scrollHeight <= tile.clientHeight")
    assert GONE in text(visit, "table")
    rows = visit.page.locator("tbody tr")
    for rank, entry in enumerate(entries(ODD, 5)):
        cells = [" ".join(cell.split()) for cell in rows.nth(rank).locator("th, td").all_inner_texts()]
        assert cells[0] == str(rank + 1)
        assert cells[1].startswith(f"{entry.activation:.1f}")
        assert cells[2] == entry.label
        why = [GONE] if rank == 1 else []
        assert cells[3] == " ".join([*entry.image.split(), *why])
        assert cells[4] == f"row {entry.row}, column {entry.column}"
    bars = visit.page.locator(".histogram rect title").all_text_contents()
    assert [bar for bar in bars if not bar.endswith(" 0 images")] == [
        "silent (0): 20 images",
        "2.83 to 3.36: 60 images",
        "38.1 to 45.3: 20 images",
    ]
    assert "80 % of images" in text(visit, ".numbers")
    visit.page.go_back()
    visit.arrived(ODD_ADDRESS)


def test_patches_and_projections_stand_in_their_places(visit):
    for layer in (ODD_ADDRESS, "#conv1"):
        visit.go(f"{layer}/7")
        visit.page.wait_for_selector("figure >> nth=1 >> canvas[data-drawn] >> nth=8")
        figures = visit.page.locator(".figures")
        shot = np.asarray(Image.open(io.BytesIO(figures.screenshot())).convert("RGB")).astype(int)
        boxes = figures.evaluate(CANVASES)
        assert len(boxes) == 18
        for i, box in enumerate(boxes):
            projection, rank = divmod(i, 9)
            upper, lower = (mean_colour(shot, box, 0.65, y) for y in (0.15, 0.65))
            lit = round(128 + 127 / (1 + rank))
            assert np.abs(upper - (128 if projection else colour(7, rank))).max() < 5
            assert np.abs(lower - (lit if projection else colour(7, rank))).max() < 5
    visit.page.hover("figure >> nth=0 >> li >> nth=4")
    partners = visit.page.locator(".partner")
    assert partners.count() == 3  # patch, projection, row
    assert {partners.nth(i).get_attribute("data-rank") for i in range(3)} == {"4"}


def test_orders_put_silent_units_last_and_the_filter_hides_them(visit):
    visit.go("#conv1")
    known = [statistics("conv1", channel) for channel in range(UNITS["conv1"])]
    for order, measure in {
        "strength": lambda s: -s.strongest,
        "selectivity": lambda s: -s.purity,
        "sparsity": lambda s: s.active,
    }.items():
        visit.page.check(f"input[value={order}]", force=True)
        wanted = sorted(known, key=lambda s: (s.fired == 0, measure(s), s.channel))
        assert visit.tiles() == names("conv1", [s.channel for s in wanted])
    assert "never fired" in text(visit, ".silent")
    visit.page.check("#hide")
    assert visit.tiles() == names("conv1", [s.channel for s in wanted if s.channel != SILENT])
    first, second, third = (s.channel for s in wanted[:3])
    visit.page.click(f'.tile[href="#conv1/{second}"]')
    visit.arrived(f"#conv1/{second}")
    neighbours = visit.page.eval_on_selector_all(
        ".steps a", "links => links.map(l => l.getAttribute('href'))"
    )
    assert neighbours == names("conv1", [first, third])
    visit.page.reload()
    visit.arrived(f"#conv1/{second}")
    visit.press("Escape")
    visit.arrived("#conv1")
    assert visit.page.is_checked("input[value=sparsity]")
    assert visit.tiles() == names("conv1", [s.channel for s in wanted if s.channel != SILENT])
    visit.turn(f"#conv1/{SILENT}")
    assert "never fired" in text(visit, ".note")
    assert visit.page.locator("figure li", has_text="did not fire").count() == 18
    assert visit.page.locator(".classes").count() == 0
    visit.turn(f"#conv1/{FEW}")
    assert visit.page.locator("figure li", has_text="did not fire").count() == 2
    counts = visit.page.eval_on_selector_all(".classes .value", "all => all.map(one => one.innerText)")
    assert sum(map(int, counts)) == 8
    assert "did not fire" in text(visit, "tbody tr >> nth=8")


def test_search_finds_units_classes_and_images(visit):
    visit.go()
    assert visit.found("conv1 12")[0] == "#conv1/12"
    assert visit.found("12")[:2] == ["#conv1/12", f"{ODD_ADDRESS}/12"]
    everything = [e for layer, count in UNITS.items() for c in range(count) for e in entries(layer, c)]
    for name, label in IMAGES:
        for query in (name, label) if name.startswith("<") else (name,):
            visit.turn("#?" + quote(query.upper(), safe="~()*!.'"))
            firing = sum(e.activation > 0 for e in everything if name == e.image or query == e.label)
            assert text(visit, ".facts") == f"{firing} units"
    assert visit.page.locator(".tile .line", has_text="1 of 9 __proto__").count() > 0
    assert visit.found("no such thing") == []
    assert "“no such thing”" in text(visit, ".note")
    assert visit.found("fc") == []
    assert text(visit, ".facts") == "1 layer"
    assert text(visit, ".note") == "Layers: fc6"
    visit.page.click(".note a")
    visit.arrived("#fc6")


def test_scores_that_are_never_positive_are_shown(visit, browser, tmp_path):
    atlas = made_atlas(tmp_path, {SCORES: 3})
    draw_all(atlas)
    write_page(atlas)
    here = Visit(browser, tmp_path)
    here.go()
    assert here.page.locator(".silent, #hide").count() == 0
    assert here.page.locator(".tile .line").all_inner_texts() == ["1 of 9 cat"] * 3
    assert here.found("scores 1") == [f"#{SCORES}/1"]
    assert here.found("cat 2") == [f"#{SCORES}/{unit}" for unit in range(3)]
    here.turn(f"#{SCORES}/1")
    assert here.page.locator("figure li canvas").count() == 18
    assert "fires in no image" in " ".join(text(here, ".numbers").split())
    assert "fire" not in text(here, "table")
    assert here.complaints == []
    here.page.close()


def test_paper_has_no_half_empty_rows(visit):
    visit.go("#conv1")
    visit.page.emulate_media(media="print")
    tops = visit.page.evaluate(
        """() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r))).then(() => {
        dispatchEvent(new Event("beforeprint"));
        return [...document.querySelectorAll(".tile")].map(tile => tile.getBoundingClientRect().top); })"""
    )
    visit.page.emulate_media(media="screen")
    visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert sorted(tops) == tops
    assert [tops.count(top) for top in dict.fromkeys(tops)] == [4] * 9
    assert visit.all_tiles() == names("conv1", range(UNITS["conv1"]))


def test_names_are_text_and_nothing_else(visit):
    visit.go(ODD_ADDRESS + "/3")
    visit.found("<script>")
    visit.go(ODD_ADDRESS)
    assert (
        visit.page.evaluate("document.querySelectorAll('main b b, main i, main img, main script').length")
        == 0
    )
    assert visit.page.title() == f"{ODD} · <i>tiny</i>"
    assert text(visit, "#model") == "<i>tiny</i>"
    assert "1 left out" in text(visit, "#facts")
    assert 'deconvviz atlas scan "<photos>"' in text(visit, "#facts")


def test_the_keyboard_goes_everywhere(visit):
    visit.go("#conv1")
    columns = visit.page.evaluate("Atlas.grid.columns")
    visit.press("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "Enter")
    visit.arrived(f"#conv1/{columns}")
    visit.press("ArrowRight")
    visit.arrived(f"#conv1/{columns + 1}")
    visit.press("Escape")
    visit.arrived("#conv1")
    assert visit.page.evaluate("history.state.trail") == []  # back, past all the units seen
    assert visit.page.evaluate("document.activeElement.getAttribute('href')") == f"#conv1/{columns + 1}"
    visit.press("]")
    visit.arrived(ODD_ADDRESS)
    visit.press("/")
    visit.page.keyboard.type("cat 2")
    visit.arrived("#?cat%202")
    visit.press("Enter")
    address = visit.page.evaluate("document.activeElement.getAttribute('href')")
    visit.press("Enter")
    visit.arrived(address)
    visit.press("Escape")
    visit.arrived("#?cat%202")
    visit.press("Escape")
    visit.arrived(ODD_ADDRESS)
    visit.press("?")
    assert visit.page.is_visible("dialog")
    visit.press("Escape")
    assert not visit.page.is_visible("dialog")


def test_addresses_of_nothing_say_so(visit):
    visit.go()
    for address in ("#conv9", "#conv1/36", "#conv1/-1", "#conv1/x", "#%E0%A4%A", "#conv1/1/2"):
        visit.turn(address)
        assert text(visit, "h1") == "Not in this atlas"


def test_dark_and_light_and_a_phone(visit, browser, folder):
    visit.go("#conv1/1")
    colours = []
    for _ in range(3):
        colours.append(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        visit.page.click("#theme")
    light = "rgb(246, 245, 243)"
    assert colours[0] == light
    assert colours[1] != light
    assert colours[2] == light
    phone = Visit(browser, folder, viewport={"width": 360, "height": 700}, color_scheme="dark")
    phone.go()
    for address in ("#conv1", "#conv1/1", ODD_ADDRESS):
        phone.turn(address)
        assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
        assert phone.page.evaluate("getComputedStyle(document.body).backgroundColor") == colours[1]
    assert phone.complaints == []
    phone.page.close()
