"""One pass for images wanted at different layers: who leaves where, and what is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from deconvviz.preimage.passes import Pass, layered

from .support import Branching, Counting, chain, photos

LAYERS = {"early": "1", "middle": "4", "late": "6"}
COUNTS = {"late": 1, "middle": 2, "early": 1}
"""So many images are wanted at each layer, the deepest first as in the batch."""


@contextmanager
def rows_seen(module: nn.Module) -> Iterator[dict[str, list[int]]]:
    """How many rows each module is called with."""
    seen: dict[str, list[int]] = {}
    hooks = [
        m.register_forward_pre_hook(lambda m, args, path=path: seen.setdefault(path, []).append(len(args[0])))
        for path, m in module.named_modules()
        if not m._modules
    ]
    yield seen
    for hook in hooks:
        hook.remove()


def features(module: nn.Module, images: Tensor, path: str) -> Tensor:
    """The output of a module's first call."""
    found: list[Tensor] = []
    hook = module.get_submodule(path).register_forward_hook(lambda *args: found.append(args[2].clone()))
    with torch.no_grad():
        module(images)
    hook.remove()
    return found[0]


def right(
    run: Pass, module: nn.Module, images: Tensor, paths: dict[str, str], counts: dict[str, int]
) -> None:
    """Each layer's features are those of its own images, and carry gradients to them alone."""
    images = images.clone().requires_grad_()
    found, first = run(images, counts), 0
    assert {*found} == {layer for layer, count in counts.items() if count}
    for layer in [*paths][::-1]:
        own = slice(first, first := first + counts.get(layer, 0))
        if counts.get(layer):
            torch.testing.assert_close(found[layer], features(module, images.detach()[own], paths[layer]))
            (slope,) = torch.autograd.grad(found[layer].square().sum(), images, retain_graph=True)
            touched = slope.flatten(1).abs().sum(1) > 0
            assert touched.tolist() == [own.start <= row < own.stop for row in range(len(images))]


def test_in_a_chain_each_image_leaves_at_its_layer() -> None:
    net, images = chain().eval(), photos(4)
    with layered(net, LAYERS, chain=True) as run:
        right(run, net, images, LAYERS, COUNTS)
        with rows_seen(net) as seen:
            run(images, COUNTS)
            assert seen == {"0": [4], "1": [4], "2": [3], "3": [3], "4": [3], "5": [1], "6": [1]}
            seen.clear()
            run(images, {"early": 4, "late": 0})  # nobody else is there, and the pass ends
            assert seen == {"0": [4], "1": [4]}
        right(run, net, images, LAYERS, {"late": 4})
        right(run, net, images, LAYERS, {"middle": 3, "early": 1})


@pytest.mark.parametrize("as_chain", [True, False])
def test_two_names_for_one_layer(as_chain: bool) -> None:
    net, paths = chain().eval(), {"one": "4", "other": "4"}
    with layered(net, paths, as_chain) as run:
        right(run, net, photos(3), paths, {"other": 2, "one": 1})


def test_where_a_network_branches_all_go_on() -> None:
    net, paths = Branching().eval(), {"relu": "relu", "second": "second", "scores": "scores"}
    counts = {"scores": 1, "second": 2, "relu": 1}
    with layered(net, paths, chain=False) as run:
        right(run, net, photos(4), paths, counts)
        with rows_seen(net) as seen:
            run(photos(4), counts)
    assert {rows for calls in seen.values() for rows in calls} == {4}


def test_a_network_that_counts_its_rows_itself() -> None:
    net, paths = Counting().eval(), {"early": "features.1", "late": "scores"}
    with layered(net, paths, chain=True) as run:
        right(run, net, photos(3), paths, {"late": 2, "early": 1})
        with rows_seen(net) as seen:
            run(photos(3), {"late": 2, "early": 1})
    assert seen["scores"] == [3]  # it is known by now, and not tried again


def test_a_network_that_mixes_rows_up_where_some_have_left() -> None:
    class Averaging(Counting):
        def __init__(self) -> None:
            super().__init__()
            self.scores = nn.Linear(1, 5)

        def forward(self, images: Tensor) -> Tensor:
            rows = len(images)
            out: Tensor = self.scores(self.features(images).reshape(rows, -1).mean(1, keepdim=True))
            return out

    net, paths = Averaging().eval(), {"early": "features.1", "late": "scores"}
    with layered(net, paths, chain=True) as run:
        right(run, net, photos(2), paths, {"late": 1, "early": 1})


def test_other_errors_are_not_hidden() -> None:
    class Failing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("broke")

    net = nn.Sequential(nn.Conv2d(3, 4, 3), Failing(), nn.ReLU())
    with (
        layered(net, {"early": "0", "late": "2"}, chain=True) as run,
        pytest.raises(RuntimeError, match="broke"),
    ):
        run(photos(2, 8), {"late": 1, "early": 1})
