"""deconvviz shows what a convolutional network sees.

Record a forward pass, mirror the network, project chosen activations back to pixels:

    network = load_model("alexnet", "alexnet_features.pth")
    images = read_image("cat.jpg", network)
    trace = record(network, images, ["conv5"])
    projection = project_trace(trace, strongest(trace, "conv5", 9))

Names are imported when they are first used, so that ``import deconvviz`` costs nothing.

Source: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901v3.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .errors import DeconvvizError

if TYPE_CHECKING:
    import deconvviz.figures as figures

    from .atlas.atlas import open_atlas
    from .atlas.images import list_images
    from .atlas.merging import merge_atlases
    from .atlas.rendering import render_units
    from .atlas.running import scan_atlas
    from .atlas.settings import ScanSettings
    from .data.datasets import DataSet, open_data
    from .data.images import open_photo, read_image
    from .decoders.decoder import Decoder, load_decoder
    from .decoders.encoding import Encoder
    from .decoders.evaluating import evaluate_decoders
    from .decoders.recipes import Recipe, recipe
    from .decoders.training import train_decoders
    from .deconvnet import (
        ContrastNormalisation,
        Mirror,
        MirroredLayer,
        Projection,
        Record,
        Rectification,
        Rules,
        Trace,
        Unit,
        Unpooling,
        mirror,
        project,
        project_trace,
        record,
        strongest,
        transpose,
    )
    from .experiments.ablation import ablate
    from .experiments.correspondence import correspondence
    from .experiments.evolution import evolution
    from .experiments.filter_health import filter_health
    from .experiments.invariance import invariance
    from .experiments.occlusion import occlude
    from .experiments.settling import settling
    from .gradients.projection import project_by_autograd
    from .gradients.randomising import randomise
    from .gradients.saliency import saliency
    from .gradients.segmentation import segment
    from .models import Network, load_model
    from .preimage.class_models import class_models
    from .preimage.given import invert_features
    from .preimage.inversion import invert
    from .training.classifier import train_classifier
    from .training.predicting import predict
    from .training.settings import Settings
    from .training.snapshots import snapshots_of

_HOME = {
    "DataSet": "data.datasets",
    "Decoder": "decoders.decoder",
    "Encoder": "decoders.encoding",
    "Network": "models",
    "Recipe": "decoders.recipes",
    "ScanSettings": "atlas.settings",
    "Settings": "training.settings",
    "ablate": "experiments.ablation",
    "class_models": "preimage.class_models",
    "correspondence": "experiments.correspondence",
    "evaluate_decoders": "decoders.evaluating",
    "evolution": "experiments.evolution",
    "filter_health": "experiments.filter_health",
    "invariance": "experiments.invariance",
    "invert": "preimage.inversion",
    "invert_features": "preimage.given",
    "list_images": "atlas.images",
    "load_decoder": "decoders.decoder",
    "load_model": "models",
    "merge_atlases": "atlas.merging",
    "occlude": "experiments.occlusion",
    "open_atlas": "atlas.atlas",
    "open_data": "data.datasets",
    "open_photo": "data.images",
    "predict": "training.predicting",
    "project_by_autograd": "gradients.projection",
    "randomise": "gradients.randomising",
    "read_image": "data.images",
    "recipe": "decoders.recipes",
    "render_units": "atlas.rendering",
    "saliency": "gradients.saliency",
    "scan_atlas": "atlas.running",
    "segment": "gradients.segmentation",
    "settling": "experiments.settling",
    "snapshots_of": "training.snapshots",
    "train_classifier": "training.classifier",
    "train_decoders": "decoders.training",
}  # everything else lives in deconvnet

__all__ = [
    "ContrastNormalisation",
    "DataSet",
    "Decoder",
    "DeconvvizError",
    "Encoder",
    "Mirror",
    "MirroredLayer",
    "Network",
    "Projection",
    "Recipe",
    "Record",
    "Rectification",
    "Rules",
    "ScanSettings",
    "Settings",
    "Trace",
    "Unit",
    "Unpooling",
    "__version__",
    "ablate",
    "class_models",
    "correspondence",
    "evaluate_decoders",
    "evolution",
    "figures",
    "filter_health",
    "invariance",
    "invert",
    "invert_features",
    "list_images",
    "load_decoder",
    "load_model",
    "merge_atlases",
    "mirror",
    "occlude",
    "open_atlas",
    "open_data",
    "open_photo",
    "predict",
    "project",
    "project_by_autograd",
    "project_trace",
    "randomise",
    "read_image",
    "recipe",
    "record",
    "render_units",
    "saliency",
    "scan_atlas",
    "segment",
    "settling",
    "snapshots_of",
    "strongest",
    "train_classifier",
    "train_decoders",
    "transpose",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'deconvviz' has no attribute '{name}'")
    if name == "figures":
        return import_module(".figures", __name__)
    return getattr(import_module(f".{_HOME.get(name, 'deconvnet')}", __name__), name)


def __dir__() -> list[str]:
    return __all__
