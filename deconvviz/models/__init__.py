"""Networks: by name from torchvision, ZFNet, or one's own; weights, preprocessing, layer names.

The only place in the project that touches torchvision's models.
"""

from .catalogue import CATALOGUE
from .load import load_model, outline
from .network import Network, WeightsOrigin, layer_path, leaves, split
from .paper_names import paper_names
from .zfnet import ZFNet, zfnet

__all__ = [
    "CATALOGUE",
    "Network",
    "WeightsOrigin",
    "ZFNet",
    "layer_path",
    "leaves",
    "load_model",
    "outline",
    "paper_names",
    "split",
    "zfnet",
]
