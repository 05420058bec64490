"""``deconvviz atlas merge``: two scans are one, and what does not go together is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import complaint, invoke, write_photo

MODEL = ("--model", "mynets:tiny", "--device", "cpu", "--quiet", "--workers", "1", "--topk", "3")
TABLES = ["units.parquet", "statistics.parquet", "images.parquet"]


@pytest.fixture
def atlases(folder):
    """Scans of two folders and of both together."""
    for number in range(12):
        path = folder / ("a", "b")[number % 3 == 1] / "cats" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, number, 36)
    for places in (("a",), ("b",), ("a", "b")):
        invoke("atlas", "scan", *MODEL, *places, "--out", "scan_" + "".join(places)).ok()
    return folder


def test_two_are_one(atlases):
    done = invoke("atlas", "merge", "scan_b", "scan_a", "--out", "both")
    assert done.code == 0
    assert done.err == "note: 'deconvviz atlas render both' makes the pictures and the page anew\n"
    assert done.out.splitlines() == [f"both/{name}" for name in (*TABLES, "manifest.json")]
    for name in TABLES:
        assert Path("both", name).read_bytes() == Path("scan_ab", name).read_bytes()
    invoke("atlas", "merge", "scan_b", "scan_a", "--out", "both", "--quiet", "--overwrite").ok()


def test_what_does_not_go_together(atlases):
    invoke("atlas", "scan", *MODEL, "b", "--layer", "conv1", "--out", "other").ok()
    for words, says in (
        (("scan_a", "scan_ab"), "'a/cats/00.png' is in scan_a and in scan_ab; an image may be in one only"),
        (("scan_a", "other"), "scan_a and other do not go together: --layer conv1, conv2, not conv1"),
        (("scan_a", "nothing"), "nothing is no atlas"),
        (("scan_a", "scan_b", "./scan_a/"), "scan_a is named twice"),
        (
            ("scan_a", "scan_b", "--out", "scan_ab"),
            "scan_ab holds an atlas already: throw it away with --over",
        ),
    ):
        answer = invoke("atlas", "merge", "--out", "both", "--quiet", *words)
        assert answer.out == ""
        assert says in complaint(answer)
    assert not Path("both").exists()


@pytest.mark.parametrize("words", [(), ("scan_a",)])
def test_wrong_usage(folder, words):
    said = complaint(invoke("atlas", "merge", *words, "--out", "both"), 2)
    assert said.endswith("(see 'deconvviz atlas merge --help')")
