"""Units over the epochs: winners and projections against a loop over single images; dead units; draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from deconvviz import Rectification, Rules, Unit, project, project_by_autograd
from deconvviz.errors import LayerError, TrainingError, UnitError, WeightsError
from deconvviz.experiments.evolution import DRAWN, evolution
from deconvviz.experiments.scanning import peaks_of

from .stand_ins import SIDE, Branching, StandIn, images, snapshots


def evolve(taken, data, layers, units=None, **settings):
    return evolution(taken, data, layers, units, progress=False, **settings)


def shown(network, data, row):
    """One image as the network takes it, by the network's own preprocessing."""
    return network.see(data.picture(row)).double()


def ranked(network, data, layer):
    """Every activation of each unit, strongest first, with its image and place: by sorting all of them."""
    depth, found = int(network.path_of(layer)), {}
    for row in data.rows.tolist():
        with torch.no_grad():
            features = network.module[: depth + 1](shown(network, data, row))[0].numpy()
        for (unit, *place), value in np.ndenumerate(features):
            found.setdefault(unit, []).append((-value, row, tuple(place)))
    return {unit: sorted(rows) for unit, rows in found.items()}


@pytest.mark.parametrize("layer", ["pool1", "conv2", "fc4"])
def test_against_every_image_on_its_own(layer):
    taken, data, units = snapshots(epochs=(1, 5)), images(), [2, 0, 1]
    found = evolve(taken, data, [layer], units, batch_size=4)[layer]
    assert (found.layer, found.units, found.images) == (layer, (2, 0, 1), len(data.rows))
    for snapshot, stage in zip(taken, found.stages, strict=True):
        network = snapshot.network()
        assert (stage.epoch, stage.accuracy) == (snapshot.epoch, snapshot.accuracy)
        every = ranked(network, data, layer)
        best = [every[unit][0] for unit in sorted(every)]
        assert stage.winners.tolist() == [row if value < 0 else -1 for value, row, _ in best]
        for k, unit in enumerate(units):
            value, row, place = every[unit][0]
            assert stage.rows[k] == row
            assert stage.places[k] == (place or (None, None))
            assert stage.activations[k].item() == pytest.approx(-value, rel=1e-5)
            image = shown(network, data, row)
            assert stage.pictures[k].numpy() == pytest.approx(network.pixels(image)[0].numpy(), abs=1e-6)
            alone = project(network, image, [Unit(layer, unit, *stage.places[k])])
            expected = alone.pixels[0] if -value > 0 else torch.zeros(3, SIDE, SIDE)
            near = 1e-5 * float(alone.pixels.abs().max())
            assert stage.pixels[k].numpy() == pytest.approx(expected.numpy(), abs=near)
            assert torch.equal(stage.windows[k], alone.windows[0])
            assert torch.equal(stage.uncut[k], alone.uncut[0])
    assert {stage.engine for stage in found.stages} == {"mirror"}


def test_a_network_with_branches():
    taken, data = snapshots(Branching, (1, 3), {}), images()
    rules = Rules(Rectification.GUIDED)
    found = evolve(taken, data, ["last"], [3, 1], rules=rules)["last"]
    for snapshot, stage in zip(taken, found.stages, strict=True):
        assert stage.engine == "autograd"
        network = snapshot.network()
        for k, unit in enumerate([3, 1]):
            with torch.no_grad():
                best = [network.module(shown(network, data, row))[0, unit].max() for row in data.rows]
            assert stage.rows[k] == data.rows[int(torch.stack(best).argmax())]
            chosen = [Unit("last", unit, *stage.places[k])]
            image = shown(network, data, stage.rows[k])
            alone = project_by_autograd(network, image, chosen, rules=rules).pixels[0].numpy()
            assert stage.pixels[k].numpy() == pytest.approx(alone, abs=1e-5 * np.abs(alone).max())


def test_equal_activations_take_the_first_image_and_place():
    data = images()
    data.pixels[:] = data.pixels[0]
    data.pixels[:, 7] = data.pixels[:, 3] = 255  # the brightest, in two rows of every image
    module = nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU()).double()
    nn.init.ones_(module[0].weight)
    for batch_size in (1, 4, 64):
        peaks = peaks_of(StandIn(1, module, {}).network(), ["1"], data, batch_size=batch_size)["1"]
        assert (peaks.rows.item(), peaks.place(0)) == (0, (3, 0))


def test_batches_and_company_do_not_matter():
    taken, data = snapshots(), images()
    together = evolve(taken, data, ["conv2", "fc3"], [1, 4], batch_size=5)
    for layer in ("conv2", "fc3"):
        alone = evolve(taken, data, [layer], [1, 4], batch_size=64)[layer]
        for one, other in zip(alone.stages, together[layer].stages, strict=True):
            assert (one.rows, one.places, one.dead) == (other.rows, other.places, other.dead)
            assert torch.allclose(one.pixels, other.pixels, atol=1e-9)


def dying():
    """At the last epoch the first two maps of conv2 are dead; at the first one its fourth."""
    taken = snapshots()
    with torch.no_grad():
        for snapshot in taken:
            snapshot.module[3].bias.fill_(1.0)
        taken[-1].module[3].bias[:2] = -1e6
        taken[0].module[3].bias[3] = -1e6
    return taken


def test_a_layer_named_twice_is_one():
    found = evolve(snapshots(epochs=(1, 2)), images(), ["conv1", "conv1"], [3])
    assert [stage.epoch for stage in found["conv1"].stages] == [1, 2]


def test_nothing_to_look_at_is_said():
    with pytest.raises(TrainingError, match="at least one snapshot and one image"):
        evolve([], images(), ["conv1"])
    with pytest.raises(TrainingError, match="at least one snapshot and one image"):
        evolve(snapshots(), images(), ["conv1"], [1], most=0)


def test_dead_units_have_no_projection():
    found = evolve(dying(), images(), ["conv2"], [3, 0])["conv2"]
    assert [stage.dead for stage in found.stages] == [1, 0, 2]
    assert [[bool(a > 0) for a in stage.activations] for stage in found.stages] == [
        [False, True],
        [True, True],
        [True, False],
    ]
    for stage in found.stages:
        assert [bool(p.any()) for p in stage.pixels] == [bool(a > 0) for a in stage.activations]
    last = dying()[-1]
    twice = evolve([last, last], images(), ["conv2"], [0, 3])["conv2"]
    assert twice.stages[0].rows == twice.stages[1].rows
    assert [twice.stays(1, k) for k in range(2)] == [False, True]


def test_units_are_drawn_from_those_alive_at_the_end():
    drawn = evolve(dying(), images(), ["conv2", "conv1"])
    assert drawn["conv2"].units == (2, 3, 4)
    assert len(drawn["conv1"].units) == DRAWN == 6
    few = {evolve(snapshots(epochs=(1,)), images(), ["fc3"], seed=s)["fc3"].units for s in range(6)}
    again = evolve(snapshots(epochs=(1,)), images(), ["fc3"], seed=5)["fc3"].units
    assert again in few
    taken = dying()
    nn.init.constant_(taken[-1].module[3].bias, -1e6)
    with pytest.raises(UnitError, match="no unit of conv2 fires at the last snapshot"):
        evolve(taken, images(), ["conv2"])


def test_images_are_drawn_by_the_seed():
    taken, data = snapshots(epochs=(1,)), images(80)
    rows = []
    for seed in (0, 0, 1):
        found = evolve(taken, data, ["conv1"], [0, 1, 2, 3], most=5, seed=seed)["conv1"]
        assert found.images == 5
        assert set(found.stages[0].winners.tolist()) <= set(data.rows.tolist())
        rows.append(found.stages[0].rows)
    assert rows[0] == rows[1] != rows[2]
    every = [evolve(taken, data, ["conv1"], [0], most=most)["conv1"] for most in (None, 1000)]
    assert every[0].images == every[1].images == len(data.rows)
    assert every[0].stages[0].rows == every[1].stages[0].rows


def test_staying_with_an_image():
    (one,) = snapshots(epochs=(1,))
    other = snapshots(epochs=(2,))[0]
    found = evolve([one, one, other], images(), ["conv1"], [0, 1, 2, 3])["conv1"]
    for unit in range(4):
        assert not found.stays(0, unit)
        assert found.stays(1, unit)
        assert found.stays(2, unit) == (found.stages[1].rows[unit] == found.stages[2].rows[unit])
    before, now = found.stages[1].winners, found.stages[2].winners
    same = [b == n for b, n in zip(before.tolist(), now.tolist(), strict=True) if n >= 0]
    assert found.staying() == (1, pytest.approx(sum(same) / len(same)))
    assert found.count == len(now) == 6


def test_no_trace_is_left():
    (snapshot,) = snapshots(epochs=(1,))
    network = snapshot.network()
    network.module.train()
    before = {name: t.clone() for name, t in network.module.state_dict().items()}
    peaks_of(network, ["conv2"], images())
    assert all(m.training and not m._forward_hooks for m in network.module.modules())
    assert all(p.requires_grad and p.grad is None for p in network.module.parameters())
    assert all(torch.equal(t, before[name]) for name, t in network.module.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "units", "error", "says"),
    [
        ("conv2", [0, 5], UnitError, "no unit 5 in conv2: it has 5 units, 0 to 4"),
        ("conv7", [0], LayerError, "no layer 'conv7'; did you mean"),
    ],
)
def test_what_is_not_there_is_said_before_the_images_are_looked_at(layer, units, error, says):
    taken, passes = snapshots(), []
    taken[-1].module.register_forward_hook(lambda *_: passes.append(1))
    with pytest.raises(error, match=says):
        evolve(taken, images(), [layer], units)
    assert len(passes) <= 1


def test_weights_that_are_no_numbers():
    taken = snapshots(epochs=(1,))
    with torch.no_grad():
        taken[0].module[3].weight[2, 0, 0, 0] = float("nan")
    with pytest.raises(WeightsError, match=r"NaN or infinity in '3\.weight'"):
        evolve(taken, images(), ["fc3"], [0])
