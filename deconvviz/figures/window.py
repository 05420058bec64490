"""A figure in a window of its own, without pyplot, which would keep a state of its own between figures."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..errors import OutputError

_TOOLKITS = ("macosx", "qtagg", "gtk4agg", "gtk3agg", "tkagg", "wxagg")
"""Those that matplotlib draws windows with, in the order in which it tries them itself."""


def show(figure: Figure, connect: Callable[[Callable[[], object]], None], title: str = "deconvviz") -> None:
    """Opens a window and waits until it is closed.

    Args:
        figure: what to show; it gets a canvas of the toolkit that is found, or that MPLBACKEND names.
        connect: called once the canvas is there, with a function that closes the window.
        title: of the window.

    Raises:
        OutputError: there is no display, or no toolkit.
    """
    with mpl.rc_context({"toolbar": "None"}):
        manager = _manager(figure)
        manager.set_window_title(title)
        canvas = figure.canvas
        open_now = [True]

        def closed(_event: object) -> None:
            open_now.clear()
            canvas.stop_event_loop()

        canvas.mpl_connect("close_event", closed)
        connect(canvas.stop_event_loop)
        manager.show()
        canvas.start_event_loop(0)
        if open_now:
            manager.destroy()


def _manager(figure: Figure) -> Any:
    """A window of the first toolkit that can open one.

    Raises:
        OutputError: none can.
    """
    named = os.environ.get("MPLBACKEND", "").lower()
    for toolkit in (named,) if named else _TOOLKITS:
        try:
            canvas = import_module(f"matplotlib.backends.backend_{toolkit}").FigureCanvas
            if canvas.required_interactive_framework is None:
                continue  # draws files
            return canvas.new_manager(figure, 1)
        except Exception:  # noqa: S112  # each toolkit has its own for: not installed, or no display
            continue
    raise OutputError("no window can be opened here: write the CSV by hand, columns image,part,x,y")
