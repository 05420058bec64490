"""Data to matplotlib figures. Nothing here shows or saves a figure, and pyplot is never imported."""

from .canvas import save_figure
from .filters import filters_figure
from .maps import maps_figure
from .projection import projection_figure

__all__ = ["filters_figure", "maps_figure", "projection_figure", "save_figure"]
