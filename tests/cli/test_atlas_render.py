"""``deconvviz atlas render``: sprites and page, what it keeps, what it finds out, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from deconvviz.atlas.sprites import read_sprite, sprites_of

from .support import complaint, invoke, save_weights, write_photo

LAYERS = {"conv1": 12, "conv2": 6, "fc3": 20}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve pictures and an atlas of them."""
    folder = tmp_path_factory.mktemp("scanned")
    shutil.copy(Path(__file__).with_name("mynets.py"), folder)
    for number in range(12):
        path = folder / "photos" / ("cats", "it's <b>ü")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, number, 36)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        wanted = [word for layer in LAYERS for word in ("--layer", layer)]
        options = ("--model", "mynets:tiny", "--weights", "random", "--seed", "5", "--topk", "3", "--quiet")
        assert invoke("atlas", "scan", "photos", *wanted, *options, "--out", "ATLAS").code == 0
    return folder


@pytest.fixture
def atlas(scanned: Path, folder: Path) -> Path:
    """The same in a folder of the test's own, which is the current one."""
    shutil.copytree(scanned, folder, dirs_exist_ok=True)
    manifest = folder / "ATLAS" / "manifest.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**facts, "working_folder": str(folder)}), encoding="utf-8")
    return Path("ATLAS")


def render(*words: str | Path):
    return invoke("atlas", "render", "ATLAS", *words, "--quiet")


def drawn(layer: str) -> dict[int, int]:
    """When each sprite of a layer was written."""
    return {channel: path.stat().st_mtime_ns for channel, path in sprites_of(Path("ATLAS"), layer).items()}


def test_alone_it_draws_every_unit_with_the_network_of_the_scan(atlas):
    done = render().ok()
    assert done.out == "ATLAS/index.html\n"
    for layer, units in LAYERS.items():
        sprites = sprites_of(atlas, layer)
        assert sorted(sprites) == list(range(units))
        assert {read_sprite(path).count for path in sprites.values()} == {3}


def test_chosen_units_and_what_was_drawn_before_is_kept(atlas):
    render("--layer", "conv2", "--units", "0-1,4", "--tile", "16").ok()
    before = drawn("conv2")
    assert sorted(before) == [0, 1, 4]
    assert not drawn("conv1")
    render("--layer", "conv2", "--tile", "16").ok()
    assert sorted(drawn("conv2")) == list(range(6))
    assert {channel: drawn("conv2")[channel] for channel in before} == before
    assert "conv2 was rendered with tile 16" in complaint(render("--layer", "conv2"))
    assert "conv2 was rendered with rule deconvnet" in complaint(
        render("--layer", "conv2", "--tile", "16", "--rule", "guided")
    )
    few = ("--layer", "conv2", "--units", "0-1", "--rule", "guided", "--overwrite")
    before = drawn("conv2")
    said = complaint(render(*few))
    assert said.startswith(
        "conv2 has 4 other pictures, by the deconvnet rule, with tile 16, which would go: "
    )
    assert drawn("conv2") == before
    render("--layer", "conv2", "--rule", "guided", "--overwrite").ok()
    render(*few).ok()
    assert sorted(drawn("conv2")) == list(range(6))


def test_the_rule_and_the_scale_change_what_is_drawn(atlas):
    pictures = set()
    for words in ((), ("--rule", "gradient"), ("--rule", "guided"), ("--scale", "each")):
        render("--layer", "conv2", "--units", "2", "--overwrite", *words).ok()
        pictures.add(sprites_of(atlas, "conv2")[2].read_bytes())
    assert len(pictures) == 4


def test_progress_and_a_second_render_that_has_nothing_to_do(atlas):
    first = invoke("atlas", "render", "ATLAS", "--layer", "conv2")
    assert first.code == 0
    assert "18/18" in first.err
    before = drawn("conv2")
    again = invoke("atlas", "render", "ATLAS", "--layer", "conv2")
    assert again.code == 0
    assert again.err.splitlines()[1:] == [  # after the one on random weights
        "note: all 6 units are rendered already, and were not checked again: --overwrite draws them anew"
    ]
    render("--layer", "conv2").ok()
    assert drawn("conv2") == before


def test_a_rule_that_is_refused_is_not_kept(folder):
    options = ("--model", "mynets:smooth", "--topk", "1", "--quiet", "--out", "ATLAS")
    invoke("atlas", "scan", "cat.png", "--layer", "3", *options).ok()
    assert "GELU" in complaint(render())
    render("--rule", "gradient").ok()


def test_ctrl_c_leaves_the_page_of_what_is_there(atlas, monkeypatch):
    from deconvviz.atlas import sprites

    write = sprites.write_sprite

    def pressing(folder, layer, channel, *words, **more):
        if channel == 2:
            raise KeyboardInterrupt
        return write(folder, layer, channel, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(sprites, "write_sprite", pressing)
        answer = render("--layer", "conv2")
    assert answer.code == 130
    assert answer.err.strip().startswith("deconvviz: interrupted")
    assert len(answer.err.strip().splitlines()) == 1
    assert answer.out == "ATLAS/index.html\n"
    assert sorted(drawn("conv2")) == [0, 1]
    render("--layer", "conv2").ok()
    assert sorted(drawn("conv2")) == list(range(6))


def test_missing_and_changed_images_are_named_and_tried_again(atlas):
    photos = sorted(Path("photos").rglob("*.png"))
    away = photos[0].rename("away.png")
    for photo in photos[1:5]:
        write_photo(photo, 99, 36)
    answer = render("--layer", "conv1", "--layer", "fc3")
    assert answer.code == 1
    assert answer.out == "ATLAS/index.html\n"
    *named, more, last = answer.err.splitlines()
    assert len(named) == 5
    assert any(line.endswith(", photos/cats/00.png: image is gone") for line in named)
    assert any("where the atlas has" in line for line in named)
    different = int(re.search(r"(\d+) of 96", last)[1])
    assert more == f"deconvviz: and {different - 4} more: each is marked on its unit's page"
    assert "of 96 activations no longer match, 1 image is gone; the rest is done" in last
    assert all(len(drawn(layer)) == LAYERS[layer] for layer in ("conv1", "fc3"))
    away.rename(photos[0])
    for photo in photos[1:5]:
        write_photo(photo, int(photo.stem), 36)
    render("--layer", "conv1", "--layer", "fc3").ok()


def test_a_damaged_image_is_told_from_one_that_is_gone(atlas):
    victim, other = sorted(Path("photos").rglob("*.png"))[:2]
    victim.write_bytes(b"nothing")
    other.unlink()
    answer = invoke("atlas", "render", "ATLAS", "--layer", "fc3")
    assert answer.code == 1
    said = [line for line in re.split(r"[\r\n]+", answer.err) if "deconvviz: " in line]
    assert all(line.startswith("deconvviz: ") for line in said)  # none behind the progress bar
    assert any(
        line.endswith(f", {victim}: image cannot be read: not a picture that can be read (JPEG, PNG, ...)")
        for line in said
    )
    assert said[-1] == "deconvviz: 1 image is gone, 1 image cannot be read; the rest is done"


def test_images_that_moved_are_found_from_another_root(atlas):
    Path("elsewhere").mkdir()
    Path("photos").rename("elsewhere/photos")
    assert "--root" in complaint(render("--layer", "conv2"))
    render("--layer", "conv2", "--root", "elsewhere").ok()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--units", "0-6"), 1, "no unit 6 in conv2: the atlas has 6, 0 to 5"),
        (("--units", "99999999999"), 1, "no unit 99999999999 in conv2"),
        (("--units", "4-2"), 2, "from the smaller number to the larger"),
        (("--units", "two"), 2, "0-15,40"),
        (("--layer", "conv9"), 1, "no layer 'conv9'; did you mean 'conv"),
        (("--weights", "random", "--seed", "6"), 1, "are others"),
        (("--weights", "other.pt"), 1, "are others"),
        (("--model", "alexnet"), 1, "ATLAS is of mynets:tiny, not of alexnet: leave --model out"),
        (("--input-size", "40"), 1, "32 pixels a side"),
        (("--tile", "2"), 2, "--tile"),
    ],
)
def test_refused_in_one_line_and_nothing_written(atlas, words, code, says):
    save_weights(Path("other.pt"))
    assert says in complaint(render("--layer", "conv2", *words), code)
    assert not (atlas / "sprites").exists()
    assert not (atlas / "index.html").exists()


def test_what_is_no_atlas(folder):
    assert "no atlas" in complaint(invoke("atlas", "render", "photos", "--quiet"))
    Path("photos").mkdir()
    Path("photos/scan-0001-0000.npz").touch()
    assert complaint(invoke("atlas", "render", "photos", "--quiet")) == (
        "photos holds an unfinished scan: 'deconvviz atlas scan --resume --out photos' goes on with it"
    )


@pytest.mark.parametrize("command", ["render", "figure"])
def test_help_tells_of_the_scan(command):
    text = " ".join(invoke("atlas", command, "--help").out.split())
    assert "[default: the scan's; another is refused]" in text
    assert "else AlexNet" not in text
    assert "splits" not in text
