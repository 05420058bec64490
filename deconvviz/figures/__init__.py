"""Data to matplotlib figures. Nothing here shows or saves a figure, and pyplot is never imported."""

from .canvas import save_figure
from .confusion import confusion_figure
from .curves import curves_figure
from .filters import filters_figure
from .maps import maps_figure
from .predictions import Card, predictions_figure
from .projection import projection_figure

__all__ = [
    "Card",
    "confusion_figure",
    "curves_figure",
    "filters_figure",
    "maps_figure",
    "predictions_figure",
    "projection_figure",
    "save_figure",
]
