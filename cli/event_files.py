"""Event files for TensorBoard, by those who have it."""

from __future__ import annotations

from typing import Any

from deconvviz.errors import TrainingError


def event_writer(asked: bool) -> Any:
    """TensorBoard's writer of event files; None where they were not asked for.

    Raises:
        TrainingError: there are to be event files, and TensorBoard is not installed.
    """
    if not asked:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(
            "--tensorboard wants the package tensorboard: pip install 'deconvviz[tensorboard]'"
        ) from None
    return SummaryWriter
