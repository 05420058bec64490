"""``python -m deconvviz_cli``, which torchrun wants."""

from .main import run

run()
