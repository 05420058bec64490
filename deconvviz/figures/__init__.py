"""Data to matplotlib figures. Nothing here shows or saves a figure, and pyplot is never imported."""

from .ablation import ablation_figure
from .ablation_means import ablation_means_figure
from .atlas import AtlasLayer, atlas_figure
from .canvas import save_figure
from .class_models import class_models_figure
from .comparison import comparison_figure
from .comparison_curves import MethodLine, comparison_curves_figure
from .confusion import confusion_figure
from .correspondence import correspondence_figure
from .curves import curves_figure
from .decoder_curves import decoder_curves_figure
from .errors import errors_figure
from .evolution import evolution_figure
from .filters import filters_figure
from .health import health_figure
from .invariance import Moved, Subject, invariance_figure
from .inversion import PreImages, inversion_figure
from .maps import maps_figure
from .occlusion import Firing, occlusion_figure
from .perturbing import Band, Cell, perturbing_figure
from .predictions import Card, predictions_figure
from .projection import projection_figure
from .randomising import randomising_figure
from .reconstructions import Pair, Strip, pairs_figure, strips_figure
from .saliency import saliency_figure
from .segmentation import segmentation_figure
from .settling import settling_figure
from .survival import Track, survival_figure

__all__ = [
    "AtlasLayer",
    "Band",
    "Card",
    "Cell",
    "Firing",
    "MethodLine",
    "Moved",
    "Pair",
    "PreImages",
    "Strip",
    "Subject",
    "Track",
    "ablation_figure",
    "ablation_means_figure",
    "atlas_figure",
    "class_models_figure",
    "comparison_curves_figure",
    "comparison_figure",
    "confusion_figure",
    "correspondence_figure",
    "curves_figure",
    "decoder_curves_figure",
    "errors_figure",
    "evolution_figure",
    "filters_figure",
    "health_figure",
    "invariance_figure",
    "inversion_figure",
    "maps_figure",
    "occlusion_figure",
    "pairs_figure",
    "perturbing_figure",
    "predictions_figure",
    "projection_figure",
    "randomising_figure",
    "saliency_figure",
    "save_figure",
    "segmentation_figure",
    "settling_figure",
    "strips_figure",
    "survival_figure",
]
