"""Record a forward pass: the switches of max-pools, the masks of rectifiers, the shapes of everything.

    trace = record(network, images, layers=["conv5"])
    trace.maps["conv5"]        # (N, 256, 13, 13)
    for step in trace: print(step.name, tuple(step.output_shape))

Hooks on the leaf modules do the recording; the pass stops once the wanted layers have been seen. After it,
also after an exception in the middle, the model is as it was: hooks, training flags, in-place flags and
gradients. In-place rectifiers work out of place meanwhile, so that what is kept stays what it was.

Recorded in float32 or float64 only, and in the memory format that the images come in: a bfloat16 forward pass
flips switches, and even float32 kernels of another format flip one at a near-tie now and then.

Source: Zeiler & Fergus 2013, sec. 2.1 (switches); Springenberg et al. 2014, sec. 3.4 (masks).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import LayerError, ModelError
from ..models import Network, layer_path, split
from ..models.features import SeenEnough
from ..models.numbers import blamed
from .hooks import Recorder
from .trace import Trace


def record(
    model: nn.Module | Network,
    images: Tensor,
    layers: Sequence[str] = (),
    *,
    masks: bool = True,
    inputs: bool = True,
) -> Trace:
    """Runs the images through the network up to the last wanted layer and records what happens.

    Args:
        model: a `Network`, or any module; it is run in evaluation mode and left as it was.
        images: (N, 3, H, W) float32 or float64, normalised as the network expects; may be on the meta
            device, with a model on it too, to learn the shapes alone.
        layers: names or dotted paths whose outputs are kept; the pass ends after the last of them. With
            none, the whole network runs and no output is kept.
        masks: keep the rectifiers' masks; the deconvnet rule alone does without.
        inputs: keep the inputs of contrast normalisation; only its exact transpose wants them.

    Raises:
        LayerError: a layer does not exist, or the pass did not reach it.
        WeightsError: a layer's weights are missing, or hold values that are not numbers.
        ModelError: the images do not fit the network.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> [step.name for step in record(net, torch.zeros(1, 3, 8, 8))]
        ['0', '1']
    """
    module, names = split(model)
    at = model.path_of if isinstance(model, Network) else lambda name: layer_path(module, name, names)
    paths = {name: at(name) for name in layers}
    if images.dtype not in (torch.float32, torch.float64):
        raise ModelError(f"images are {images.dtype}; a pass is recorded in float32 or float64")
    recorder = Recorder(module, paths, images, masks, inputs)
    device = "cpu" if images.is_meta else images.device.type
    with (
        recorder.watching(),
        torch.inference_mode(False),  # under it torch does not count in-place changes
        torch.no_grad(),
        torch.autocast(device, enabled=False),
    ):
        try:
            module(images)
        except SeenEnough:
            pass
        except torch.OutOfMemoryError:
            raise  # an image that is too large for the device is no misfit
        except RuntimeError as error:
            what = f"images of {tuple(images.shape)} do not pass '{recorder.running}'"
            raise ModelError(f"{what}: {str(error).splitlines()[0]}") from error
    missing = [name for name in layers if name not in recorder.maps]
    if missing:
        raise LayerError(f"the forward pass never reaches '{missing[0]}'")
    trace = Trace(recorder.records, recorder.maps, recorder.ends, images.shape)
    _check_numbers(trace, images)
    return trace


def _finite(values: Tensor) -> bool:
    """Whether all are; their sum, which is not if one of them is not, answers at once nearly always."""
    return bool(torch.isfinite(values.sum())) or bool(torch.isfinite(values).all())


def _check_numbers(trace: Trace, images: Tensor) -> None:
    """One look at the wanted maps finds NaN anywhere before them: convolution and pooling spread it."""
    if images.is_meta or all(_finite(maps) for maps in trace.maps.values()):
        return
    raise blamed(images, ((step.name, step.module) for step in trace))
