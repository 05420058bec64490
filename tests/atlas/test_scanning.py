"""A scan gives what keeping and sorting everything gives, however it is divided, ordered or interrupted."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
import torch
from torch import nn

from deconvviz.atlas import passes, working
from deconvviz.atlas.images import list_images
from deconvviz.atlas.scanning import scan
from deconvviz.atlas.state import Scan
from deconvviz.errors import DataError, LayerError, ModelError, WeightsError

from .naive import as_lists, naive_atlas
from .nets import branching, chain, coarse, network, seeded, write_pictures

CASES = {
    "chain": (chain, ("conv1", "conv2", "fc3", "fc4"), 200),
    "branching": (branching, ("last", "first", "scores"), 80),
    "ties": (coarse, ("2", "0"), 80),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return list_images([write_pictures(tmp_path_factory.mktemp("pictures"), 200)])


@pytest.fixture(scope="module")
def few(images):
    return dataclasses.replace(images, names=images.names[:37], labels=images.labels[:37])


def same(one: Scan, other: Scan) -> bool:
    """Byte for byte."""

    def parts(state):
        for layer in state.strongest:
            for found in (state.strongest[layer], state.statistics[layer]):
                yield from (getattr(found, f.name).tobytes() for f in dataclasses.fields(found))

    return (
        list(parts(one)) == list(parts(other))
        and list(one.strongest) == list(other.strongest)
        and one.maps == other.maps
        and one.problems == other.problems
        and bool((one.done == other.done).all())
    )


@pytest.mark.parametrize("name", CASES)
def test_equals_keeping_everything_and_sorting(name, images):
    build, layers, count = CASES[name]
    images = dataclasses.replace(images, names=images.names[:count], labels=images.labels[:count])
    net = build()
    expected = naive_atlas(net, images, layers)
    for per_image in (1, 3):
        found = scan(net, images, layers, per_image=per_image, batch_size=7, workers=2)
        assert list(found.problems) == [i for i in range(count) if i not in expected[layers[0]].images]
        assert all(images.names[i] in why for i, why in found.problems.items())
        for layer in layers:
            channels = expected[layer].activations.shape[1]
            for channel in range(channels):
                truth = expected[layer].strongest(channel, 9, per_image)
                assert as_lists(found.strongest[layer], channel) == truth
            all_of_it, counted = expected[layer].activations, found.statistics[layer]
            np.testing.assert_allclose(counted.mean, all_of_it.mean((0, 2)), rtol=1e-12, atol=1e-12)
            assert (counted.active == (all_of_it > 0).sum((0, 2))).all()
            assert (counted.fired == (all_of_it > 0).any(2).sum(0)).all()
            assert counted.images == len(all_of_it)
            assert counted.places == len(all_of_it) * all_of_it.shape[2]
            assert (counted.histogram.sum(1) == len(all_of_it)).all()


def test_maps_have_their_size_and_vectors_none(few):
    found = scan(chain(), few, ("conv1", "conv2", "fc3"))
    assert found.maps == {"conv1": (16, 16), "conv2": (6, 6), "fc3": None}
    assert (found.strongest["fc3"].places == 0).all()


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_threads_processes_and_order_change_nothing(few, precision):
    net, layers = chain(torch.float32), ("conv1", "conv2", "fc4")
    how = {"topk": 3, "batch_size": 4, "precision": precision}
    alone = scan(net, few, layers, workers=1, **how)
    assert same(scan(net, few, layers, workers=3, **how), alone)
    for count in (2, 4, 12):
        parts = [scan(net, few, layers, share=(rank, count), **how) for rank in range(count)]
        assert {int(part.done.sum()) for part in parts} <= {10 // count, -(-10 // count)}
        whole = Scan.none(len(alone.done))
        for part in parts[::-1]:
            whole = part.joined(whole)
        assert same(scan(net, few, layers, begun=whole, **how), alone)  # only the end is missing


def test_interrupted_anywhere_and_gone_on_with_it_is_the_same(few):
    net, layers = coarse(), ("0", "2")
    how = {"topk": 5, "batch_size": 3, "workers": 2}
    whole = scan(net, few, layers, **how)
    for after in (0, 1, 4, 12):
        kept, calls = [], []

        def interrupt(read, left_out, calls=calls, after=after):
            calls.append(read)
            if len(calls) > after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            scan(net, few, layers, progress=interrupt, checkpoint=kept.append, **how)
        assert 0 < kept[-1].done.sum() < len(whole.done) or after == 12
        assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
        assert same(scan(net, few, layers, begun=kept[-1], **how), whole)


def test_parts_of_the_images_joined_are_the_whole(few):
    net, layers = chain(torch.float32), ("conv1", "fc3", "fc4")
    whole = scan(net, few, layers, topk=4, batch_size=16)
    odd = np.arange(37) % 2 == 1
    total = Scan.none(2)
    for part, numbers in enumerate((np.flatnonzero(odd), np.flatnonzero(~odd))):
        chosen = dataclasses.replace(
            few,
            names=[few.names[i] for i in numbers],
            labels=[few.labels[i] for i in numbers],
        )
        found = scan(net, chosen, layers, topk=4, batch_size=16)
        done = np.arange(2) == part
        strongest = {layer: kept.renumbered(numbers) for layer, kept in found.strongest.items()}
        total = total.joined(dataclasses.replace(found, done=done, strongest=strongest, problems={}))
    assert same(dataclasses.replace(total, done=whole.done, problems=whole.problems), whole)


def test_the_same_batches_are_not_counted_twice(few):
    found = scan(coarse(), few, ("2",), topk=2)
    with pytest.raises(DataError, match="other batches"):
        found.joined(found)


def test_the_network_is_left_as_it_was(few):
    net = chain()
    net.module.train()
    net.module[0].requires_grad_(False)
    before = {name: value.clone() for name, value in net.module.state_dict().items()}
    threads = torch.get_num_threads()
    for precision in ("float32", "mixed"):
        scan(net, few, ("conv1", "conv2"), topk=2, precision=precision)
    assert torch.get_num_threads() == threads
    assert all(module.training for module in net.module.modules())
    assert [p.requires_grad for p in net.module[0].parameters()] == [False, False]
    assert all(p.requires_grad and p.dtype == torch.float64 for p in net.module[3].parameters())
    assert all(torch.equal(before[name], value) for name, value in net.module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.module.modules())


def test_ends_after_the_last_layer_so_that_later_weights_may_be_missing(few):
    net = chain(torch.float32)
    net.module[6] = nn.Linear(180, 7, device="meta")
    whole, found = chain(torch.float32), scan(net, few, ("conv2",), topk=2)
    assert same(found, scan(whole, few, ("conv2",), topk=2))
    with pytest.raises(WeightsError, match="no values"):
        scan(net, few, ("fc3",), topk=2)


def test_progress_counts_what_was_read_and_what_was_left_out(few):
    said = []
    found = scan(coarse(), few, ("2",), topk=2, batch_size=10, progress=lambda *now: said.append(now))
    assert len(said) == 4
    assert said[-1] == (37 - len(found.problems), len(found.problems))


class _Bad(nn.Module):
    def forward(self, maps):
        return maps / 0


class _Bright(nn.Module):
    def forward(self, maps):
        return maps * 0 + 1e18


@pytest.mark.parametrize(
    ("module", "layer", "error", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 2, 3), _Bad()), "1", ModelError, "NaN or infinite"),
        (nn.Sequential(nn.Conv2d(3, 2, 3), _Bright()), "1", ModelError, "too large to be counted"),
        (nn.Sequential(nn.Linear(5, 2)), "0", ModelError, "does not take images of"),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(0)), "1", LayerError, "units are"),
    ],
)
def test_what_cannot_be_scanned_is_said(few, module, layer, error, message):
    with pytest.raises(error, match=message):
        scan(network(module), few, (layer,), topk=2)


def test_too_little_memory_is_no_misfit(few):
    class Large(nn.Module):
        def forward(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError, match="CUDA"):
        scan(network(nn.Sequential(nn.Conv2d(3, 2, 3), Large())), few, ("1",), topk=2)


def test_a_damaged_weight_is_named(few):
    net = network(seeded(lambda: nn.Sequential(nn.Conv2d(3, 2, 3))))
    net.module[0].bias.data[1] = torch.nan
    with pytest.raises(WeightsError, match=r"'0\.bias'"):
        scan(net, few, ("0",), topk=2)


def test_too_few_images(few, tmp_path):
    with pytest.raises(DataError, match="38 activations a unit cannot be found in 37 images"):
        scan(coarse(), few, ("2",), topk=38)
    (tmp_path / "a.png").write_bytes(b"nothing")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 2 images can be read; the first: .*a\.png"):
        scan(coarse(), list_images([tmp_path]), ("2",), topk=1)


def test_beside_a_device_threads_only_decode(few, monkeypatch):
    net = chain(torch.float32)
    alone = scan(net, few, ("conv1", "fc4"), topk=3, batch_size=8)
    asked = threading.current_thread()
    seen = []
    run = passes.Runner.run
    monkeypatch.setattr(working, "device_of", lambda module: torch.device("meta"))  # somewhere else
    monkeypatch.setattr(
        passes.Runner, "run", lambda *args: (seen.append(threading.current_thread()), run(*args))[1]
    )
    assert same(scan(net, few, ("conv1", "fc4"), topk=3, batch_size=8, workers=3), alone)
    assert set(seen) == {asked}


class _Locked(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(3, 4, 3)
        self.lock = threading.Lock()  # nothing that can be copied


def test_a_network_that_cannot_be_copied_is_scanned_by_one_thread(few):
    net = network(seeded(lambda: nn.Sequential(_Locked(), nn.ReLU())))
    plain = network(seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())))
    assert same(scan(net, few, ("1",), topk=3), scan(plain, few, ("1",), topk=3))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.module.modules())
    with pytest.raises(ModelError, match="cannot be copied"):
        scan(net, few, ("1",), topk=3, precision="mixed")
