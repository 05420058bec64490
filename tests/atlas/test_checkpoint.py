"""What is saved of a scan comes back as it was, and a failing disk leaves the older file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from deconvviz.atlas.checkpoint import load_scan, read_facts, save_scan
from deconvviz.atlas.scanning import scan
from deconvviz.atlas.state import Scan
from deconvviz.errors import DataError, OutputError

from .nets import chain, write_pictures
from .scans import LAYERS, listed

resource = pytest.importorskip("resource", reason="only Unix limits the size of files")


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    images = listed(write_pictures(tmp_path_factory.mktemp("pictures"), 20))
    return scan(chain(), images, LAYERS, topk=4, batch_size=8, workers=1)


def test_everything_comes_back(state, tmp_path):
    facts = {"topk": 4, "names": ["猫", "<script>", "it's"]}
    path = save_scan(tmp_path / "scan.npz", dataclasses.replace(state, uncertain={"conv1": 2}), facts)
    found = load_scan(path)
    assert read_facts(path) == facts
    assert found.uncertain == {"conv1": 2}
    assert list(found.strongest) == list(found.statistics) == list(LAYERS)
    assert found.maps == state.maps == {"conv1": (16, 16), "conv2": (6, 6), "fc4": None}
    assert found.problems == state.problems
    assert len(found.problems) == 2
    np.testing.assert_array_equal(found.done, state.done)
    for layer in LAYERS:
        for one, other in (
            (found.strongest[layer], state.strongest[layer]),
            (found.statistics[layer], state.statistics[layer]),
        ):
            for field in dataclasses.fields(one):
                a, b = getattr(one, field.name), getattr(other, field.name)
                assert (a.dtype, a.tobytes()) == (b.dtype, b.tobytes()), (layer, field.name)


def test_before_the_first_image(tmp_path):
    found = load_scan(save_scan(tmp_path / "scan.npz", Scan.none(5)))
    assert found.strongest == found.maps == found.problems == {}
    assert found.done.tolist() == [False] * 5


def test_the_same_state_is_the_same_bytes(state, tmp_path):
    one, two = (save_scan(tmp_path / name, state).read_bytes() for name in ("one.npz", "two.npz"))
    assert one == two


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("read", [load_scan, read_facts])
def test_a_file_that_is_cut_short(state, tmp_path, share, read):
    path = save_scan(tmp_path / "scan.npz", state)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"missing or damaged .* --overwrite"):
        read(path)


def test_a_file_of_something_else(tmp_path):
    np.savez(tmp_path / "scan.npz", header=np.frombuffer(b'{"layers": ["conv1"]}', np.uint8))
    for read in (load_scan, read_facts):
        with pytest.raises(DataError, match="missing or damaged"):
            read(tmp_path / "scan.npz")
    with pytest.raises(DataError, match="missing or damaged"):
        load_scan(tmp_path / "nothing.npz")


def test_no_room_leaves_the_older_file(state, tmp_path):
    path = save_scan(tmp_path / "scan.npz", Scan.none(5), {"older": True})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*scan\.npz"):
            save_scan(path, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_facts(path) == {"older": True}
    assert list(tmp_path.iterdir()) == [path]
