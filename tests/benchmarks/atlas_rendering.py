"""Projections of an atlas' entries three ways: ours and captum's loop, whole and cut; see `atlas`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from atlas_scanning import BATCH, TOPK, cut_after
from torch import Tensor, nn

from deconvviz.atlas.atlas import Atlas, Entry, open_atlas
from deconvviz.atlas.images import ImageList
from deconvviz.atlas.rendering import Rendered, render_units
from deconvviz.atlas.running import scan_atlas
from deconvviz.atlas.settings import ScanSettings
from deconvviz.models import Network

PEERS = ("ours", "captum_cut", "captum")


def atlas_of(network: Network, images: ImageList, layers: Sequence[str], threads: int, folder: Path) -> Atlas:
    """A scan of the images, written and opened again."""
    settings = ScanSettings(tuple(layers), topk=TOPK, batch_size=BATCH)
    scan_atlas(folder, network, images, settings, workers=threads)
    return open_atlas(folder)


def alive(atlas: Atlas, layer: str, count: int) -> list[int]:
    """So many units that fire, evenly spaced."""
    units = [unit.channel for unit in atlas.statistics(layer) if unit.strongest > 0]
    return [units[i * len(units) // min(count, len(units))] for i in range(min(count, len(units)))]


def whole(network: Network) -> nn.Module:
    """A copy of the network; layers that the weights lack get random numbers, which takes no longer."""
    module = copy.deepcopy(network.module)
    torch.manual_seed(0)
    for leaf in module.modules():
        if any(p.is_meta for p in leaf.parameters(recurse=False)):
            leaf.to_empty(device="cpu", recurse=False)
            for p in leaf.parameters(recurse=False):
                nn.init.normal_(p, std=0.01)
    return module


def captum_loop(
    network: Network, images: ImageList, module: nn.Module, entries: Sequence[Entry]
) -> list[Tensor]:
    """(3, H, W) of each entry: its image decoded, then captum's `NeuronDeconvolution` of its unit."""
    from captum.attr import NeuronDeconvolution

    theirs = NeuronDeconvolution(module, module.get_submodule(network.path_of(entries[0].layer)))
    found = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting backward hooks on ReLU activations")
        for entry in entries:
            image = network.see(images.picture(images.find(entry.image))).requires_grad_()
            found.append(theirs.attribute(image, (entry.channel, entry.row, entry.column))[0].detach())
    return found


def contestants(
    network: Network, images: ImageList, atlas: Atlas, layer: str, channels: Sequence[int], threads: int
) -> dict[str, Callable[[], Any]]:
    """Functions without arguments, each from the entries of the units to their projections."""
    entries = [entry for channel in channels for entry in atlas.entries(layer, channel)]
    cut, complete = cut_after(network, layer), whole(network)
    return {
        "ours": lambda: list(render_units(network, atlas, images, layer, channels, workers=threads)),
        "captum_cut": lambda: captum_loop(network, images, cut, entries),
        "captum": lambda: captum_loop(network, images, complete, entries),
    }


def away(ours: Sequence[Sequence[Rendered]], theirs: Sequence[Tensor]) -> list[float]:
    """Relative L2 of each of our projections that fired to captum's, which starts from one instead."""
    found = []
    for one, whole_image in zip((r for unit in ours for r in unit), theirs, strict=True):
        if one.fired:
            top, left, height, width = one.entry.window
            y, x, h, w = one.inside
            part = one.projection[:, y : y + h, x : x + w]
            wanted = whole_image[:, top : top + height, left : left + width].numpy() * one.activation
            found.append(float(np.linalg.norm(part - wanted) / np.linalg.norm(wanted)))
    return found
