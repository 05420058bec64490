"""Nine projections four ways: ours, captum in a loop, captum in a batch, zennit; see `projection`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

import deconvviz
from deconvviz.models import Network, load_model

PEERS = ("ours", "captum_loop", "captum_batch", "zennit")


def network_of(model: str) -> Network:
    """The network with random weights of a trained one's size."""
    network = load_model(model, "random")
    torch.manual_seed(0)
    for m in network.module.modules():
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(m.weight)
            nn.init.normal_(m.bias, std=0.05)
    network.module.requires_grad_(False)
    return network


def smooth_image() -> Tensor:
    """(1, 3, 224, 224) of noise that varies over some eight pixels, as a normalised photograph would."""
    torch.manual_seed(1)
    return F.interpolate(torch.randn(1, 3, 28, 28), size=(224, 224), mode="bicubic")


def contestants(network: Network, layer: str, image: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Functions without arguments, each from the image to (9, 3, 224, 224) pixels.

    Ours starts from the activation's value, as the paper does; the peers, as they do, from one.
    """
    from captum.attr import NeuronDeconvolution
    from zennit.composites import DeconvNet

    module, path = network.module, network.path_of(layer)
    block, _, index = path.partition(".")
    cut = nn.Sequential(*list(module.get_submodule(block))[: int(index) + 1])
    captum = NeuronDeconvolution(module, module.get_submodule(path))

    def nine(features: Tensor) -> list[tuple[int, int, int]]:
        best, places = features[0].flatten(1).max(1)
        width = features.shape[3]
        return [(c, *divmod(int(places[c]), width)) for c in best.topk(9).indices.tolist()]

    def selected() -> list[tuple[int, int, int]]:
        with torch.no_grad():
            return nine(cut(image))

    def ours() -> Tensor:
        trace = deconvviz.record(network, image, [layer], masks=False, inputs=False)  # as the command does
        return deconvviz.project_trace(trace, deconvviz.strongest(trace, layer, 9)).pixels

    def captum_loop() -> Tensor:
        return torch.cat([captum.attribute(image, neuron) for neuron in selected()]).detach()

    def captum_batch() -> Tensor:
        c, y, x = torch.tensor(selected()).T
        each = torch.arange(9)
        return captum.attribute(image.expand(9, -1, -1, -1), lambda maps: maps[each, c, y, x]).detach()

    def zennit() -> Tensor:
        pixels = []
        with DeconvNet().context(cut) as hooked:
            at = image.clone().requires_grad_()
            features = hooked(at)
            for c, y, x in nine(features.detach()):
                seed = torch.zeros_like(features)
                seed[0, c, y, x] = 1
                pixels += torch.autograd.grad(features, at, seed, retain_graph=True)
        return torch.cat(pixels)

    return dict(zip(PEERS, (ours, captum_loop, captum_batch, zennit), strict=True))


def differences(peers: dict[str, Callable[[], Tensor]], values: Tensor) -> dict[str, float]:
    """Relative L2 of each peer to captum's loop, worst of the nine; ours divided by its activations."""
    wanted = peers["captum_loop"]()
    worst = {}
    for name, peer in peers.items():
        pixels = peer() / (values[:, None, None, None] if name == "ours" else 1)
        worst[name] = float(((pixels - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)).max())
    return worst
