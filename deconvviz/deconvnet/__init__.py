"""The deconvnet: record a forward pass, mirror it, project chosen activations back to pixels.

Source: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901v3.
"""

from .mirrored import MirroredLayer, transpose
from .mirroring import Mirror, mirror
from .projection import Projection, project, project_trace, strongest
from .recording import record
from .rules import ContrastNormalisation, Rectification, Rules, Unpooling
from .trace import Record, Trace
from .units import Unit
from .windows import Windows

__all__ = [
    "ContrastNormalisation",
    "Mirror",
    "MirroredLayer",
    "Projection",
    "Record",
    "Rectification",
    "Rules",
    "Trace",
    "Unit",
    "Unpooling",
    "Windows",
    "mirror",
    "project",
    "project_trace",
    "record",
    "strongest",
    "transpose",
]
