"""Points clicked in a window, for commands that want a file of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .session import Session


def pick_points(session: Session, paths: Sequence[Path], parts: Sequence[str], file: Path) -> Path:
    """Has every part clicked in every photograph, and writes the points once all are set.

    Args:
        session: of the network whose square the points have to lie in.
        paths: the photographs.
        parts: what to click in each.
        file: where to; it must not be there yet.

    Raises:
        OutputError: the file is there already or cannot be written, no window can be opened, or it was closed
            early.
    """
    import numpy as np

    from deconvviz.data.images import open_photo
    from deconvviz.data.points import write_points
    from deconvviz.data.seen import seen_by
    from deconvviz.errors import OutputError
    from deconvviz.figures.picking import Picker
    from deconvviz.figures.window import show
    from deconvviz.runs import replacing

    if file.exists():
        raise OutputError(f"{file} exists: name another file to pick points into, or move it away")
    photos = [open_photo(path) for path in paths]
    limits = []
    for photo in photos:
        rows, columns = seen_by(session.network, photo.image.size)
        limits.append((*columns.limits(), *rows.limits()))
    picker = Picker([p.name for p in photos], [np.asarray(p.image) for p in photos], parts, limits)
    with replacing(file) as temporary:  # a place that cannot be written is known before anything is clicked
        show(picker.figure, picker.connect)
        if not picker.finished:
            asked = len(paths) * len(parts)
            done = f"{asked - picker.left} of {asked} points"
            raise OutputError(f"the window was closed with {done} set: nothing is written")
        write_points(temporary, picker.points)
    return file
