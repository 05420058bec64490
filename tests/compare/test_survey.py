"""A run over a data set: the right images, the same numbers however often it was stopped and shared."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from deconvviz.compare import agreeing
from deconvviz.compare import survey as module
from deconvviz.compare.chunks import chunks_of
from deconvviz.compare.folder import IMAGES, RESULTS, STARTED, SURVEY, TABLE
from deconvviz.compare.identity import pair_distance
from deconvviz.compare.survey import Watch, survey
from deconvviz.compare.tables import table
from deconvviz.compare.writing import write_cells, write_table
from deconvviz.decoders.encoding import Encoder
from deconvviz.errors import DataError
from deconvviz.metrics import evenly_spaced
from deconvviz.runs import write_json

from . import stand_ins as made

ALL = {IMAGES, RESULTS, TABLE, ".lock"}


@pytest.fixture
def calls(monkeypatch):
    """What was compared, by a stand-in."""
    found = []
    monkeypatch.setattr(module, "compare", made.comparer(found))
    return found


def run(folder, settings=made.SETTINGS, images=None, network=None, notes=None, **options):
    def write(found):
        written = [
            write_cells(folder / IMAGES, found.cells),
            write_table(folder / TABLE, table(found.cells, resamples=50)),
        ]
        return [*written, write_json(folder / RESULTS, {SURVEY: found.known})]

    watch = None if notes is None else Watch(note=notes.append)
    return survey(
        folder,
        network or made.network(),
        images or made.labelled(),
        settings,
        write=write,
        watch=watch,
        **options,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_image_once_and_the_slow_ones_evenly_spaced(calls, tmp_path):
    run(tmp_path / "run")
    quick = [names for names, layers, methods in calls if methods == ("strongest", "map")]
    assert [len(names) for names in quick] == [3, 3, 3, 2]
    assert [n for names in quick for n in names] == [f"image {2 * i}" for i in range(11)]
    for layer in "ab":
        slow = [names for names, layers, methods in calls if (layers, methods) == ((layer,), ("optimised",))]
        assert [n for names in slow for n in names] == [f"image {2 * i}" for i in evenly_spaced(11, 5)]
    assert len(calls) == len(chunks_of(made.SETTINGS, 11))
    assert {*contents(tmp_path / "run")} == ALL


def test_images_are_those_that_the_network_sees(monkeypatch, tmp_path):
    seen = []

    def compare(network, images, layers, methods, **options):
        seen.append((images, options["pair_distance"]))
        return made.comparer()(network, images, layers, methods, **options)

    monkeypatch.setattr(module, "compare", compare)
    images, network = made.labelled(), made.network()
    run(tmp_path, replace(made.SETTINGS, methods=("strongest",)))
    wanted = Encoder(network, ()).see(torch.from_numpy(images.pixels[images.rows]))
    assert torch.equal(torch.cat([batch for batch, _ in seen]), wanted)
    shown = network.pixels(wanted).double().flatten(1).numpy()
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(shown) for b in shown[:i]]
    assert {distance for _, distance in seen} == {pair_distance(network, images)}
    assert seen[0][1] == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("stop_at", [2, 5, 7])
def test_stopped_and_gone_on_with(monkeypatch, tmp_path, stop_at):
    monkeypatch.setattr(module, "compare", made.comparer())
    run(tmp_path / "whole")
    calls, folder = [], tmp_path / "run"
    monkeypatch.setattr(module, "compare", made.comparer(calls, stop_at))
    with pytest.raises(KeyboardInterrupt):
        run(folder)
    assert {p.name for p in folder.iterdir()} == {
        ".lock",
        STARTED,
        *(f"part-{n:05d}.json" for n in range(stop_at - 1)),
    }
    with pytest.raises(DataError, match="holds an unfinished comparison already: go on with --resume"):
        run(folder)
    rest = []
    monkeypatch.setattr(module, "compare", made.comparer(rest))
    run(folder, resume=True)
    assert rest[0] == calls[-1]  # which was not finished
    assert len(calls) - 1 + len(rest) == len(chunks_of(made.SETTINGS, 11))
    assert contents(folder) == contents(tmp_path / "whole")


def test_stopped_at_once_leaves_nothing_to_go_on_with(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "compare", made.comparer([], 1))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert {*contents(tmp_path)} == {".lock"}


def damage(path, how):
    text = path.read_text()
    if how == "cut":
        path.write_text(text[: len(text) // 2])
    elif how == "another number":
        content = json.loads(text)
        content["cells"][0]["errors"]["psnr"] += 1e-9
        path.write_text(json.dumps(content))
    else:
        path.write_bytes(b"\xff\x00")


@pytest.mark.parametrize("how", ["cut", "another number", "garbage"])
def test_a_damaged_part_is_done_again_with_a_note(monkeypatch, tmp_path, how):
    monkeypatch.setattr(module, "compare", made.comparer([], 6))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    damage(tmp_path / "run/part-00002.json", how)
    calls, notes = [], []
    monkeypatch.setattr(module, "compare", made.comparer(calls))
    run(tmp_path / "run", resume=True, notes=notes)
    assert calls[0][0] == ("image 12", "image 14", "image 16")
    (note,) = notes
    assert "part-00002.json is damaged (" in note
    assert note.endswith("): it is done again")
    run(tmp_path / "whole")
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_part_of_an_earlier_run_does_not_count(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "compare", made.comparer([], 3))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    part = tmp_path / "part-00001.json"
    content = json.loads(part.read_text())
    part.write_text(json.dumps({**content, "token": content["token"] + 1}))
    calls = []
    monkeypatch.setattr(module, "compare", made.comparer(calls))
    run(tmp_path, resume=True)
    assert calls[0][0] == ("image 6", "image 8", "image 10")


def test_a_finished_run(calls, tmp_path):
    run(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError, match="holds a comparison already: throw it away with --overwrite"):
        run(tmp_path)
    calls.clear()
    assert run(tmp_path, resume=True) == ()
    assert (calls, contents(tmp_path)) == ([], before)
    run(tmp_path, replace(made.SETTINGS, seed=1), overwrite=True)
    assert calls
    assert contents(tmp_path)[RESULTS] != before[RESULTS]
    with pytest.raises(DataError, match="holds no comparison to go on with; leave --resume away"):
        run(tmp_path / "none", resume=True)


CHANGED = {
    "layers": (replace(made.SETTINGS, layers=("a",)), "--layers a, b, not a"),
    "methods": (replace(made.SETTINGS, methods=("map",)), "--methods strongest, map, optimised, not map"),
    "optimised": (replace(made.SETTINGS, optimised_limit=2), "--optimised-limit 5, not 2"),
    "iterations": (replace(made.SETTINGS, iterations=7), "--iterations its own, not 7"),
    "preset": (replace(made.SETTINGS, preset="mahendran2015"), "--preset best, not mahendran2015"),
    "batch": (replace(made.SETTINGS, batch_size=4), "--batch-size 3, not 4"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_other_settings_are_refused_by_name(monkeypatch, tmp_path, name):
    settings, says = CHANGED[name]
    monkeypatch.setattr(module, "compare", made.comparer([], 3))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, settings, resume=True)
    assert f"was begun with other settings: {says}; resume with the same" in str(error.value)
    assert contents(tmp_path) == before


def test_other_images_and_weights_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "compare", made.comparer([], 3))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    for options, says in (
        ({"images": made.labelled(9)}, "settings: --limit 11, not 9;"),
        ({"images": made.labelled(seed=1)}, "settings: --data or --split: other images;"),
        ({"network": made.network(1)}, "settings: --weights with other values;"),
    ):
        with pytest.raises(DataError) as error:
            run(tmp_path, resume=True, **options)
        assert says in str(error.value)


def test_files_of_something_else_stay(calls, tmp_path):
    (tmp_path / TABLE).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"table.csv is no part of a comparison: move it away"):
            run(tmp_path, overwrite=overwrite)
    assert (tmp_path / TABLE).read_text() == "mine"
    (tmp_path / TABLE).unlink()
    (tmp_path / RESULTS).write_text('{"errors": 1}')
    with pytest.raises(DataError, match=r"results.json is damaged or of something else"):
        run(tmp_path)


class Together:
    """What two threads need of `Processes`: each is one process."""

    def __init__(self, rank, count, barrier, box):
        self.rank, self.count, self._barrier, self._box = rank, count, barrier, box

    @property
    def first(self):
        return self.rank == 0

    def summed(self, values):
        self._box[self.rank] = values.clone()
        self.wait()
        total = sum(self._box.values())
        self.wait()
        return total

    def wait(self):
        self._barrier.wait(20)


def at_once(process, count):
    threads = [threading.Thread(target=process, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("count", [2, 3])
def test_many_processes_come_to_the_same(monkeypatch, tmp_path, count):
    monkeypatch.setattr(module, "compare", made.comparer([], 3))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    calls, barrier, box, answers = [], threading.Barrier(count), {}, {}
    network = made.network()  # not drawn by threads, which share torch's generator
    monkeypatch.setattr(module, "compare", made.comparer(calls))

    def process(rank):
        together = Together(rank, count, barrier, box)
        answers[rank] = run(tmp_path / "run", network=network, processes=together, resume=True)

    at_once(process, count)
    assert [len(answers[0]), *(answers[rank] for rank in range(1, count))] == [3, *[None] * (count - 1)]
    assert len(calls) == len({*calls}) == len(chunks_of(made.SETTINGS, 11)) - 2
    run(tmp_path / "whole")
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_process_that_sees_other_images_is_told(calls, monkeypatch, tmp_path):
    monkeypatch.setattr(agreeing, "_SETTLES_S", 0.1)
    barrier, box, said, network = threading.Barrier(2), {}, {}, made.network()

    def process(rank):
        try:
            run(
                tmp_path,
                images=made.labelled(seed=rank),
                network=network,
                processes=Together(rank, 2, barrier, box),
            )
        except DataError as error:
            said[rank] = str(error)

    at_once(process, 2)
    assert said[0].startswith("1 of the 2 processes cannot take part")
    assert said[1] == "this process differs from the first: --data or --split: other images"
    assert calls == []
