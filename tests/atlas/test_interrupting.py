"""A scan that is stopped anywhere and gone on with, by however many processes, ends with the same bytes."""

from __future__ import annotations

import contextlib
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from deconvviz.atlas import running
from deconvviz.atlas.atlas import open_atlas
from deconvviz.atlas.checkpoint import load_scan
from deconvviz.atlas.shares import newest, partial_path, partials, without
from deconvviz.atlas.state import Scan
from deconvviz.errors import DataError, LayerError, OutputError
from deconvviz.locking import locked
from deconvviz.models.building import preset

from .nets import SIDE, chain, network, seeded, write_pictures
from .scans import Killed, listed, scanned, tables

resource = pytest.importorskip("resource", reason="only Unix limits the size of files")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return listed(write_pictures(tmp_path_factory.mktemp("pictures"), 60))


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    scanned(folder, chain(), images)
    return tables(folder)


def killing(after, error=Killed):
    """A progress that ends its process once so many images went by."""

    def progress(read, left_out):
        if read + left_out >= after:
            raise error

    return progress


def test_killed_at_ten_random_moments(images, whole, tmp_path):
    draw = random.Random(0)
    seen = []
    for number in range(10):
        with contextlib.suppress(Killed):
            scanned(
                tmp_path, chain(), images, draw.choice([1, 2, 4]), resume=number > 0,
                every=draw.choice([0, 1e9]), progress=killing(draw.randrange(1, 9)),
            )  # fmt: skip
        assert not (tmp_path / "manifest.json").exists()
        seen.append(sum(load_scan(p).done.sum() for p in partials(tmp_path)[newest(tmp_path)]))
    assert seen == sorted(seen)
    assert 0 < seen[-1] < 15
    scanned(tmp_path, chain(), images, 2, resume=True)
    assert tables(tmp_path) == whole
    assert {p.name for p in tmp_path.iterdir()} == {*whole, "manifest.json", "scan.npz", ".lock"}


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_are_one(images, whole, tmp_path, processes):
    first, *others = scanned(tmp_path, chain(), images, processes)
    assert others == [None] * (processes - 1)
    assert len(first.paths) == 4
    assert tables(tmp_path) == whole


@pytest.mark.parametrize("file", ["units.parquet", "statistics.parquet", "images.parquet", "manifest.json"])
def test_killed_while_the_tables_are_written(images, whole, tmp_path, monkeypatch, file):
    write, replaced = running.write_atlas, running.write_atlas.__globals__["replacing"]

    @contextlib.contextmanager
    def dying(path):
        if path.name == file:
            raise Killed
        with replaced(path) as temporary:
            yield temporary

    def json_dying(path, _content):
        raise Killed(path)

    with monkeypatch.context() as patch:
        names = write.__globals__
        patch.setitem(names, "replacing", dying)
        if file == "manifest.json":
            patch.setitem(names, "write_json", json_dying)
        with pytest.raises(Killed):
            scanned(tmp_path, chain(), images)
    assert not (tmp_path / "manifest.json").exists()
    scanned(tmp_path, chain(), images, resume=True)
    assert tables(tmp_path) == whole


def test_ctrl_c_keeps_what_was_found(images, whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        scanned(tmp_path, chain(), images, progress=killing(20, KeyboardInterrupt), every=1e9)
    left = []
    scanned(tmp_path, chain(), images, resume=True, begins=lambda done, share: left.extend([done, share]))
    assert left == [20, 40]
    assert tables(tmp_path) == whole


def test_files_of_an_older_generation_never_count(images, whole, tmp_path):
    with contextlib.suppress(Killed):
        scanned(tmp_path, chain(), images, every=0, progress=killing(30))
    stale = tmp_path / "kept"
    shutil.copy(tmp_path / "scan-001-000.npz", stale)
    with contextlib.suppress(Killed):
        scanned(tmp_path, chain(), images, resume=True, every=0, progress=killing(10))
    shutil.copy(stale, tmp_path / "scan-001-001.npz")  # by a process that outlived the first
    for half_written in (".scan-002-000.abc_de12.npz", ".units.x1x1x1x1.parquet", ".manifest.yyyyyyyy.json"):
        shutil.copy(stale, tmp_path / half_written)
    scanned(tmp_path, chain(), images, resume=True)
    assert tables(tmp_path) == whole
    assert {p.name for p in tmp_path.iterdir()} == {*whole, "manifest.json", "scan.npz", ".lock", "kept"}


@pytest.mark.parametrize("generation", [1, 3])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_process_that_outlived_an_earlier_scan_never_counts(images, whole, tmp_path, processes, generation):
    with contextlib.suppress(Killed):
        scanned(tmp_path, chain(), images, every=0, progress=killing(30))
    stale = tmp_path / "kept"
    shutil.copy(tmp_path / "scan-001-000.npz", stale)

    def outliving(*_):  # it writes when the next scan has begun
        shutil.copy(stale, partial_path(tmp_path, generation, processes))

    with contextlib.suppress(Killed):
        scanned(
            tmp_path, chain(), images, processes, overwrite=True, every=0, begins=outliving,
            progress=killing(10),
        )  # fmt: skip
    assert newest(tmp_path) == 1
    scanned(tmp_path, chain(), images, processes, resume=True, begins=outliving)
    assert tables(tmp_path) == whole
    assert {p.name for p in tmp_path.iterdir()} == {*whole, "manifest.json", "scan.npz", ".lock", "kept"}


def test_what_one_process_leaves_to_another():
    counted = without(Scan(np.array([True, False]), problems={1: "it is damaged"}, uncertain={"conv1": 3}))
    assert counted.done.tolist() == [True, False]
    assert counted.problems == counted.uncertain == {}


def test_no_room_for_a_checkpoint(images, whole, tmp_path):
    size = (scanned(tmp_path / "one", chain(), images), (tmp_path / "one" / "scan.npz").stat().st_size)[1]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (size // 2, 2 * size):  # too little for the checkpoint, then enough
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with contextlib.ExitStack() as stack:
                if limit < size:
                    stack.enter_context(
                        pytest.raises(
                            OutputError, match=r"cannot write .*kept: make room and go on with --resume"
                        )
                    )
                scanned(tmp_path / "two", chain(), images, every=0, resume=(tmp_path / "two").exists())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert tables(tmp_path / "two") == whole


def test_two_scans_at_once(images, tmp_path):
    with (
        locked(tmp_path / "atlas", "scan"),
        pytest.raises(DataError, match=r"another scan is writing into .*atlas"),
    ):
        scanned(tmp_path / "atlas", chain(), images)
    assert scanned(tmp_path / "atlas", chain(), images)[0].paths


def test_an_atlas_is_not_written_over(images, tmp_path):
    with pytest.raises(DataError, match="holds no scan to go on with; leave --resume away"):
        scanned(tmp_path / "atlas", chain(), images, resume=True)
    assert not (tmp_path / "atlas").exists()
    with contextlib.suppress(Killed):
        scanned(tmp_path / "atlas", chain(), images, progress=killing(1))
    with pytest.raises(DataError, match="holds an unfinished scan already: go on with --resume, throw"):
        scanned(tmp_path / "atlas", chain(), images)
    scanned(tmp_path / "atlas", chain(), images, overwrite=True)
    before = {p: p.read_bytes() for p in (tmp_path / "atlas").iterdir()}
    with pytest.raises(DataError, match="holds an atlas already: throw it away with --overwrite, or name"):
        scanned(tmp_path / "atlas", chain(), images)
    assert scanned(tmp_path / "atlas", chain(), images, resume=True)[0].paths == ()
    assert {p: p.read_bytes() for p in (tmp_path / "atlas").iterdir()} == before
    scanned(tmp_path / "atlas", chain(), images, overwrite=True, topk=2)
    assert {p: p.read_bytes() for p in (tmp_path / "atlas").iterdir()} != before


@pytest.mark.parametrize("finished", [True, False])
def test_going_on_with_other_settings(images, tmp_path, finished):
    with contextlib.suppress(Killed):
        scanned(tmp_path, chain(), images, progress=(lambda *_: None) if finished else killing(20), every=0)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    other = network(seeded(lambda: chain().module), dict(chain().paper_names))
    with torch.no_grad():
        other.module[0].bias[0] += 1
    darker = replace(chain(), preset=preset(True, SIDE, resize_size=SIDE, mean=(0.5, 0.5, 0.25)))
    for net, how, says in (
        (chain(), {"topk": 4}, "--topk 3, not 4"),
        (chain(), {"batch_size": 5, "per_image": 2}, "--per-image 1, not 2; --batch-size 4, not 5"),
        (chain(), {"layers": ("conv1",)}, "--layer conv1, conv2, fc4, not conv1"),
        (other, {}, r"--weights with other values \(made up, not made up\)"),
        (
            darker,
            {},
            r"images prepared otherwise \(resize .*, not resize .*, mean 0.5 0.5 0.25, .*\)",
        ),
    ):
        with pytest.raises(DataError, match=f"was scanned with other settings: {says}; resume with"):
            scanned(tmp_path, net, images, resume=True, **how)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_layer_that_is_named_twice(images, tmp_path):
    scanned(tmp_path, chain(), images, layers=("fc4", "conv1", "fc4"))
    assert open_atlas(tmp_path).layers == ("conv1", "fc4")
    (again,) = scanned(tmp_path, chain(), images, layers=("conv1", "conv1", "fc4"), resume=True)
    assert again.paths == ()
    with pytest.raises(LayerError, match="no layer to scan: name at least one"):
        scanned(tmp_path / "none", chain(), images, layers=())
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_what_went_wrong_first_is_told(images, tmp_path, damage):
    def going_wrong(*_):
        if damage == "gone":
            shutil.rmtree(tmp_path / "atlas")
        else:
            (tmp_path / "atlas" / "scan-001-000.npz").write_bytes(b"nothing")
        raise LayerError("the first to go wrong")

    with pytest.raises(LayerError, match="the first to go wrong"):
        scanned(tmp_path / "atlas", chain(), images, begins=lambda *_: None, progress=going_wrong)
