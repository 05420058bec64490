"""Fine-tuning on a frozen beginning: its outputs are computed once and kept, only the rest is trained.

The network's own `forward` is used for the rest, with the frozen part replaced by the identity and the kept
features fed in the images' place. That is right only where the frozen part is what the images meet first,
which is checked on real images before anything is kept.

Source: the transfer protocol of Zeiler & Fergus 2013, sec. 5.2 (all layers kept, a new top trained).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.cache import Wanted, kept
from ..data.datasets import DataSet, LabelledImages
from ..errors import ImageError, TrainingError
from .start import frozen_part

_BATCH = 64


@dataclass(frozen=True)
class Features:
    """What a frozen part makes of a data set.

    Attributes:
        values: (rows, ...) float16; where images are also mirrored, a first axis of two: as is, mirrored.
        images: whose features they are.
    """

    values: NDArray[np.float16]
    images: LabelledImages


def replace_frozen(module: nn.Module, name: str) -> nn.Module:
    """Takes a part out of a network, in place, leaving the identity.

    Returns:
        the part.
    """
    part = frozen_part(module, name)
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, nn.Identity())
    return part


def put_back(module: nn.Module, name: str, part: nn.Module) -> None:
    """Puts a part back where `replace_frozen` took it out."""
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, part)


def check_beginning(module: nn.Module, name: str, images: Tensor) -> None:
    """Makes sure that what is frozen is the network's beginning.

    Args:
        module: the whole network.
        name: the part.
        images: a few, as the network takes them.

    Raises:
        TrainingError: the rest of the network sees more than that part's output.
    """
    training = module.training
    module.eval()
    with torch.inference_mode():
        whole = module(images)
        part = replace_frozen(module, name)
        try:
            parted = module(part(images))
            same = parted.shape == whole.shape and torch.allclose(parted, whole, rtol=1e-4, atol=1e-5)
        except RuntimeError:
            same = False
        finally:
            put_back(module, name, part)
            module.train(training)
    if not same:
        raise TrainingError(
            f"--freeze {name}: it is not the beginning of the network; freeze what images meet first"
        )


def features_of(
    part: nn.Module,
    data: DataSet,
    prepared: Callable[[Tensor], Tensor],
    device: torch.device,
    *,
    settled: str,
    mirrored: bool,
    progress: bool,
) -> tuple[Features, Features]:
    """The features of the training and the validation images, from the cache where they have been kept.

    Args:
        part: the frozen beginning, in evaluation mode, on the device.
        data: whose images.
        prepared: uint8 pixels as the network takes them.
        device: where to compute.
        settled: all that `prepared` depends on; features made otherwise are not taken for these.
        mirrored: also keep the features of the mirrored training images.
        progress: show progress bars.
    """
    with torch.inference_mode():
        probe = part(prepared(torch.from_numpy(data.train.pixels[data.train.rows[:1]]).to(device)))
    digest = hashlib.sha256(f"{part} {settled}".encode())
    for tensor in part.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())

    def computed(images: LabelledImages, label: str, sides: int) -> Features:
        def produce(first: int, last: int) -> Iterator[NDArray[Any] | ImageError]:
            batch = torch.from_numpy(np.array(images.pixels[first:last])).to(device)
            with torch.inference_mode():
                views = [prepared(batch)] + [prepared(batch.flip(2))] * (sides == 2)
                features = torch.stack([part(view) for view in views], 1).half().cpu().numpy()
            yield from features

        key = images.key or hashlib.sha256(images.pixels.tobytes()).hexdigest()
        of, state = [digest.hexdigest(), label, key.split(" ")[0]], [key, sides]
        shape = (len(images.pixels), sides, *probe.shape[1:])
        wanted = Wanted("features", of, state, shape, np.float16)
        found = kept(wanted, produce, label=label, progress=progress, threads=1)
        return Features(found.array, images)

    return (
        computed(data.train, "features, training images", 2 if mirrored else 1),
        computed(data.val, "features, validation images", 1),
    )
