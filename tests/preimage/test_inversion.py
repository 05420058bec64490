"""Inversion as a whole: one batch is all its members alone, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconvviz import load_model
from deconvviz.errors import LayerError, ModelError
from deconvviz.metrics import feature_error_mv15, feature_error_mv16, mean_squared_pair_distance, psnr, ssim
from deconvviz.models import Network
from deconvviz.preimage import inversion
from deconvviz.preimage.inversion import METHODS, Inversion, invert

from ..deconvnet.test_no_trace_left import network as mixed_network
from ..deconvnet.test_no_trace_left import snapshot
from .support import SIDE, WIDE, Branching, Counting, chain, network, photos, same

LAYERS = ["conv2", "conv1", "6"]
"""Neither in the order of their depth nor all of them with paper names."""


def equal(found: Inversion, wanted: Inversion, tolerance: float = 1e-4) -> None:
    same(found.images, wanted.images, tolerance)
    same(found.curve, wanted.curve, tolerance)
    assert found.layers == wanted.layers


@pytest.mark.parametrize("method", METHODS)
def test_one_batch_is_all_its_members_alone(method: str) -> None:
    # a step that is taken back is taken back for all: layer 6 would have some in the method of 2015
    side, layers = (SIDE, LAYERS) if method != "mahendran2015" else (WIDE, ["conv2", "conv1", "2"])
    images, net = photos(2, side), network(side=side)
    found = invert(net, images, layers, method, restarts=2, iterations=6)
    assert (found.layers, found.slower) == (tuple(layers), 1)
    assert found.images.shape == (2, 3, 2, 3, side, side)
    assert found.curve.shape == (6, 2, 3, 2)
    for image, layer in ((0, 0), (1, 1), (1, 2)):
        alone = invert(net, images[image : image + 1], [layers[layer]], method, iterations=6)
        same(found.images[image, layer, 0], alone.images[0, 0, 0], 1e-3)
        same(found.curve[:, image, layer, 0], alone.curve[:, 0, 0, 0], 1e-3)
        for name in ("feature_error_mv16", "psnr", "ssim"):
            same(found.errors[name][image, layer, 0], alone.errors[name][0, 0, 0], 1e-3)
    assert (found.curve[0, :, :, 0] != found.curve[0, :, :, 1]).all()  # restarts start elsewhere


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_bits(method: str) -> None:
    once, twice, other = (
        invert(network(), photos(), ["conv2"], method, iterations=3, seed=seed) for seed in (4, 4, 5)
    )
    assert torch.equal(once.images, twice.images)
    assert torch.equal(once.curve, twice.curve)
    assert not torch.equal(once.images, other.images)


def test_a_chain_and_the_same_network_taken_for_branching(monkeypatch: pytest.MonkeyPatch) -> None:
    def invert_as(is_chain: bool) -> Inversion:
        real = inversion.targets_of
        with monkeypatch.context() as patch:
            patch.setattr(inversion, "targets_of", lambda *args: replace(real(*args), chain=is_chain))
            return invert(network(), photos(2), LAYERS, "mahendran2016", iterations=5)

    equal(invert_as(True), invert_as(False))
    plain, counting = network(), network(Counting())
    counting.module.features.load_state_dict(plain.module[:5].state_dict())
    counting.module.scores.load_state_dict(plain.module[6].state_dict())
    layers = ["features.4", "features.1", "scores"]
    found = invert(counting, photos(2), layers, "mahendran2016", iterations=5)
    same(found.images, invert_as(True).images)


def test_parts_of_a_batch_change_nothing() -> None:
    options: dict[str, Any] = {"method": "mahendran2016", "restarts": 2, "iterations": 5}
    whole = invert(network(), photos(2), LAYERS, **options)
    equal(invert(network(), photos(2), LAYERS, **options, at_once=5), whole)


def test_a_network_that_branches() -> None:
    net, images = network(Branching()), photos(2)
    layers = ["second", "scores", "first", "relu"]
    found = invert(net, images, layers, iterations=20)
    fell = found.curve[-1] / found.curve[0]
    assert (fell < 0.8).all()
    alone = invert(net, images[1:], ["relu"], iterations=20)
    same(found.curve[:, 1, 3], alone.curve[:, 0, 0], 1e-3)
    wanted, reencoded = ({}, {})
    for where, shown in ((wanted, images), (reencoded, found.images[:, 0, 0])):
        hook = net.module.second.register_forward_hook(
            lambda *args, where=where: where.update(second=args[2])
        )
        with torch.no_grad():
            net.module(shown)
        hook.remove()
    by_hand = feature_error_mv16(wanted["second"], reencoded["second"])
    same(found.errors["feature_error_mv16"][:, 0, 0], by_hand, 1e-4)


def test_errors_are_those_of_a_fresh_encoding() -> None:
    net, images = network(), photos(3)
    found = invert(net, images, LAYERS, "mahendran2016", restarts=2, iterations=4)
    ends = {"conv2": 5, "conv1": 2, "6": 7}
    with torch.no_grad():
        for i, layer in enumerate(LAYERS):
            wanted = net.module[: ends[layer]](images)
            apart = mean_squared_pair_distance(wanted)
            for restart in range(2):
                made = found.images[:, i, restart]
                reencoded = net.module[: ends[layer]](made)
                pixels = net.pixels(images), net.pixels(made)
                by_hand = {
                    "feature_error_mv16": feature_error_mv16(wanted, reencoded),
                    "feature_error_mv15": feature_error_mv15(wanted, reencoded, apart),
                    "psnr": psnr(*pixels),
                    "ssim": ssim(*pixels),
                }
                assert {*by_hand} == {*found.errors}
                for name, values in by_hand.items():
                    same(found.errors[name][:, i, restart], values, 1e-5)
    lowest = found.errors["feature_error_mv16"].amin(2)
    chosen = found.errors["feature_error_mv16"].gather(2, found.chosen[..., None])[..., 0]
    assert torch.equal(chosen, lowest)
    assert found.chosen.unique().tolist() == [0, 1]


def test_a_single_image_has_no_other_to_be_compared_with() -> None:
    found = invert(network(), photos(), ["conv1"], iterations=1)
    assert found.errors["feature_error_mv15"].isnan().all()
    assert len(found.curve) == 1


def test_no_number_is_never_the_lowest_error() -> None:
    errors = {"feature_error_mv16": torch.tensor([[[torch.nan, 0.5, 0.25]]])}
    assert Inversion(("a",), torch.zeros(0), torch.zeros(0), errors, "", 1.0).chosen.tolist() == [[2]]


def test_the_default_comes_close_in_few_steps() -> None:
    net = load_model("mini")
    told: list[tuple[int, int, Tensor]] = []
    found = invert(net, photos(1, 64), ["conv2"], iterations=60, watch=lambda *args: told.append(args))
    (error,) = found.errors["feature_error_mv16"].flatten().tolist()
    assert error < 0.2
    assert found.curve[-1].item() == pytest.approx(error, rel=0.02)
    assert found.errors["psnr"].item() > 14
    assert [step for step, _, _ in told] == [*range(60)]
    assert {steps for _, steps, _ in told} == {60}
    assert torch.equal(torch.stack([errors for _, _, errors in told]), found.curve)


def mixed() -> tuple[nn.Module, Network]:
    """Training and evaluation mode, in-place modules, frozen parameters, gradients and a user's hook."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of a network whose rectifiers are on
        net = mixed_network().float()
    wrapped = network(net, 8)
    net.train()
    net[1].eval()
    return net, wrapped


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind(method: str) -> None:
    (net, wrapped), images = mixed(), photos(2, 8)
    before, kept = snapshot(net), images.clone()
    found = invert(wrapped, images, ["2", "9"], method, iterations=2)
    assert snapshot(net) == before
    assert torch.equal(images, kept)
    assert not found.images.requires_grad
    assert not any(values.requires_grad for values in (found.curve, *found.errors.values()))


@pytest.mark.parametrize("error", [ValueError("broke"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_nothing_is_left_behind_by_an_early_end(error: BaseException) -> None:
    net, wrapped = mixed()
    before = snapshot(net)

    def watch(step: int, steps: int, errors: Tensor) -> None:
        if step == 1:
            raise error

    if isinstance(error, KeyboardInterrupt):
        found = invert(wrapped, photos(2, 8), ["2"], iterations=9, watch=watch)
        assert (found.stopped, len(found.curve)) == ("interrupted", 2)
        assert torch.isfinite(found.errors["feature_error_mv16"]).all()
    else:
        with pytest.raises(ValueError, match="broke"):
            invert(wrapped, photos(2, 8), ["2"], iterations=9, watch=watch)
    assert snapshot(net) == before


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_where_gradients_are_off(context: Any) -> None:
    net = network()
    wanted = invert(net, photos(), ["conv2"], iterations=2)
    with context():
        equal(invert(net, photos(), ["conv2"], iterations=2), wanted)


class Stumbling(nn.Module):
    """Gives no numbers in some of the passes that are differentiated."""

    def __init__(self, bad: Callable[[int], bool]) -> None:
        super().__init__()
        self.bad, self.passes = bad, 0

    def forward(self, maps: Tensor) -> Tensor:
        self.passes += torch.is_grad_enabled()
        return maps * torch.nan if torch.is_grad_enabled() and self.bad(self.passes) else maps


@pytest.mark.parametrize("method", METHODS)
def test_passes_without_numbers(method: str) -> None:
    def end(bad: Callable[[int], bool]) -> Inversion:
        net = network(nn.Sequential(*chain()[:2], Stumbling(bad)), WIDE)
        return invert(net, photos(1, WIDE), ["2"], method, iterations=6)

    once = end(lambda number: number == 3)
    assert (once.stopped, once.slower, len(once.curve)) == ("", 0.5, 6)
    often = end(lambda number: number > 3)
    assert (often.stopped, often.slower, len(often.curve)) == ("diverged", 1 / 256, 3)
    for found in (once, often):
        assert torch.isfinite(found.images).all()
        assert all(torch.isfinite(found.errors[name]).all() for name in ("feature_error_mv16", "psnr"))
    assert torch.equal(often.curve, end(lambda number: False).curve[:3])


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"layers": []}, LayerError, "no layers to invert"),
        ({"layers": ["conv3"]}, LayerError, "no layer 'conv3'; did you mean 'conv"),
        ({"method": "adam"}, ModelError, "there are: best, mahendran2015, mahendran2016"),
        ({"images": photos(1, 20)[..., :16]}, ModelError, "pre-images want square ones"),
        ({"images": photos(1, 20)[0]}, ModelError, "pre-images want square ones"),
        ({"images": photos(1, 96), "layers": ["6"]}, ModelError, "do not pass"),
        ({"images": photos(1, 16).double()}, ModelError, "do not pass"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        invert(network(), **{"images": photos(), "layers": ["conv1"], **options})
