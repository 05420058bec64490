"""``deconvviz compare --data``: tables and figure over a data set, stopped and gone on with."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from deconvviz import load_model
from deconvviz.compare import survey
from deconvviz.compare.tables import NUMBERS
from deconvviz.decoders.decoder import save_decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.errors import OutputError

from ..data.support import class_folders
from ..decoders.support import facts_of, quick
from .support import MODEL, complaint, facts, invoke, refused

COMMAND = "compare"
QUICK = ("--methods", "map,decoder", "--layers", "conv2,fc3")
WORDS = ("--data", "photos", "--decoder", "decoder", *MODEL, "--weights", "random", *QUICK)
FILES = ["curves.png", "results.json", "table.csv", "images.csv"]


@pytest.fixture
def home(folder):
    """The current folder: seven validation images, a decoder that was never trained."""
    counts = {"train/a": 2, "train/b": 2, "val/a": 4, "val/b": 3}
    class_folders(folder / "photos", counts, side=32)
    network = load_model("mynets:tiny", "random")
    encoder = Encoder(network, ["fc3"])
    told = facts_of(encoder, "fc3", quick())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_decoder(folder / "decoder/best.safetensors", told, told.network(), {})
    return folder


def lines(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def timeless(path):
    """A table without what another run would measure anew."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines(path)]


def test_tables_figure_and_json_agree(home):
    done = invoke(COMMAND, *WORDS, "--limit", "5", "--batch-size", "2", "--out", "run")
    assert (done.code, done.err) == (0, "")
    printed = done.out.splitlines()
    assert [Path(line) for line in printed[5:]] == [Path("run", name) for name in FILES]
    assert sorted(path.name for path in Path("run").iterdir()) == sorted([".lock", *FILES])
    assert printed[0].split()[:4] == ["layer", "method", "images", "PSNR"]
    rows, content = lines("run/table.csv"), facts(Path("run/results.json"))
    assert [(row["layer"], row["method"], row["n"]) for row in rows] == [
        ("conv2", "map", "5"),
        ("conv2", "decoder", "0"),
        ("fc3", "map", "0"),
        ("fc3", "decoder", "5"),
    ]
    assert rows[1]["missing"] == "no decoder for conv2 (5 of 5)"
    assert printed[2].endswith("no decoder for conv2")
    singles = lines("run/images.csv")
    assert [line["name"] for line in singles[::4]] == [singles[i]["name"] for i in (0, 4, 8, 12, 16)]
    for row, told, line in zip(rows, content["table"], printed[1:5], strict=True):
        own = [s for s in singles if (s["layer"], s["method"]) == (row["layer"], row["method"])]
        assert len(own) == 5
        for name in NUMBERS:
            if row["n"] == "0":
                assert (row[name], told[name]["mean"], own[0][name]) == ("", None, "")
                continue
            mean = sum(float(s[name]) for s in own) / 5
            assert float(row[name]) == pytest.approx(mean, rel=1e-5)
            assert told[name]["mean"] == pytest.approx(mean, rel=1e-5)
            assert told[name]["low"] <= mean <= told[name]["high"]
        assert line.split()[:3] == [row["layer"], row["method"], row["n"]]
    assert (content["images"], content["split"], content["model"]) == (5, "validation", "mynets:tiny")
    with Image.open("run/curves.png") as picture:
        assert "mynets:tiny" in picture.text["Description"]


def test_agrees_with_evaluate(home):
    where = ("--data", "photos", "--images", "4", *MODEL, "--weights", "random")
    (wanted,) = json.loads(invoke("evaluate", "decoder", *where, "--json").out)["errors"]
    done = invoke(COMMAND, *WORDS, "--limit", "4", "--json", "--out", "run")
    content = json.loads(done.out)
    assert content["images"] == 4
    found = content["table"][-1]
    for name, theirs in (("psnr", "psnr"), ("ssim", "ssim"), ("image_error", "image_error")):
        assert found[name]["mean"] == pytest.approx(wanted[theirs], rel=1e-5)
    assert found["feature_error"]["mean"] == pytest.approx(wanted["feature_error_mv16"], rel=1e-4)


def test_optimised_on_so_many_images(home):
    words = ("--methods", "layer,optimised", "--iterations", "2", "--optimised-limit", "3")
    done = invoke(COMMAND, "--data", "photos", *MODEL, "--layer", "conv1", *words, "--out", "run")
    assert (done.code, done.err) == (0, "")
    content = facts(Path("run/results.json"))
    assert (content["images"], content["optimised_images"]) == (7, 3)
    assert [(row["method"], row["n"]) for row in content["table"]] == [("layer", 7), ("optimised", 3)]
    slow = [line["image"] for line in lines("run/images.csv") if line["method"] == "optimised"]
    assert slow == ["0", "3", "6"]


def stopping(monkeypatch, at, error=KeyboardInterrupt):
    """Lets the comparison end so at a piece."""
    whole, seen = survey.compare, []

    def compare(*args, **options):
        seen.append(1)
        if len(seen) == at:
            raise error
        return whole(*args, **options)

    monkeypatch.setattr(survey, "compare", compare)


def test_ctrl_c_keeps_what_is_done_and_resume_goes_on_from_any_folder(home, monkeypatch):
    piece = ("--batch-size", "2")
    invoke(COMMAND, *WORDS, *piece, "--out", "whole")
    with monkeypatch.context() as patch:
        stopping(patch, 3)
        done = invoke(COMMAND, *WORDS, *piece, "--out", "run")
    said = "interrupted; what is done is kept in run: go on with --resume"
    assert complaint(done, 130) == said
    assert complaint(invoke(COMMAND, *WORDS, *piece, "--out", "run")).startswith(
        "run holds an unfinished comparison already: go on with --resume, "
    )
    Path("elsewhere").mkdir()
    Path("mynets.py").rename("elsewhere/mynets.py")
    monkeypatch.chdir("elsewhere")
    done = invoke(COMMAND, "--resume", "--out", "../run", "--device", "cpu")
    assert done.code == 0, done.err
    assert "note: comparing: going on after 16 pictures" in done.err
    for name in ("table.csv", "images.csv"):
        assert timeless(f"../run/{name}") == timeless(f"../whole/{name}")
    again = invoke(COMMAND, "--resume", "--out", "../run", "--device", "cpu")
    assert "note: ../run is finished: nothing to go on with" in again.err
    assert again.out == done.out


def test_a_full_disk_keeps_what_is_done(home, monkeypatch):
    with monkeypatch.context() as patch:
        stopping(patch, 2, OutputError("cannot write x: disk full; choose another place with --out"))
        done = invoke(COMMAND, *WORDS, "--batch-size", "3", "--out", "run")
    assert complaint(done) == (
        "cannot write x: disk full; what is done is kept: make room and go on with --resume"
    )
    assert Path("run/part-00000.json").is_file()
    assert invoke(COMMAND, "--resume", "--out", "run", "--quiet").code == 0


def test_what_was_begun_otherwise_is_refused(home, monkeypatch):
    invoke(COMMAND, *WORDS, "--limit", "4", "--out", "run")
    again = ("--resume", "--out", "run", *MODEL)
    for words, says in (
        (("--limit", "5"), "--limit 4, not 5"),
        (("--methods", "layer"), "--methods map, decoder, not layer"),
        (("--split", "training", "--data", "photos"), "--data or --split: other images"),
    ):
        said = refused(*again, *words, command=COMMAND)
        assert said.startswith(f"run was begun with other settings: {says}; resume with the same")
    said = refused(*WORDS, "--out", "run", command=COMMAND)
    assert said.startswith("run holds a comparison already: throw it away with --overwrite")
    assert invoke(COMMAND, *WORDS, "--limit", "3", "--out", "run", "--overwrite").code == 0
    assert facts(Path("run/results.json"))["images"] == 3


def test_without_decoders_and_with_fewer_images_than_wished(home):
    words = ("--methods", "decoder,gradient", "--layers", "fc3", "--limit", "5000")
    done = invoke(COMMAND, "--data", "photos", *MODEL, *words, "--json", "--out", "run")
    decoder, gradient = sorted(json.loads(done.out)["table"], key=lambda row: row["method"])
    assert decoder["missing"] == {"no decoder for fc3": 7}
    assert decoder["advice"].startswith("deconvviz train-decoder --layer fc3")
    assert gradient["n"] == 7


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--data", "photoz"), "no data set 'photoz'; "),
        (("--data", "photos", "--layers", "conv9"), "no layer 'conv9'; "),
        (("--data", "photos", "--methods", "decodr"), "no method 'decodr' to compare; did you mean"),
        (("--data", "photos", "--split", "test"), "photos has no test images besides"),
        (("--resume", "--out", "none"), "none holds no comparison to go on with"),
        (("--data", "photos", "--out", "cat.png"), "cannot write into cat.png: File exists"),
        (("--data", "photos", "--decoder", "none"), "none does not exist; --decoder takes a run"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(home, words, says):
    assert refused(*words, *MODEL, command=COMMAND).startswith(says)


def test_wrong_usage(home):
    both = ("--data", "photos", "--resume", "--overwrite")
    assert "--resume goes on with a run" in refused(*both, command=COMMAND, code=2)
    figure = ("--data", "photos", "--out", "a.png")
    assert "a comparison over a data set wants a folder" in refused(*figure, command=COMMAND, code=2)
    assert "'--limit'" in refused("--data", "photos", "--limit", "1", command=COMMAND, code=2)


@pytest.mark.slow
def test_two_processes_come_to_the_same(home):
    words = (*WORDS, "--batch-size", "2")
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*started, "-m", "deconvviz_cli", COMMAND, *words, "--out", "two"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.splitlines()[5:]] == FILES
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as torchrun does: sums of several threads differ in the last bits
    try:
        invoke(COMMAND, *words, "--out", "one")
    finally:
        torch.set_num_threads(before)
    for name in ("table.csv", "images.csv"):
        assert timeless(f"two/{name}") == timeless(f"one/{name}")
