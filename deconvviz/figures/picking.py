"""Points picked by hand: one photograph after the other, and in each one click a part.

    picker = Picker(["cat.jpg", "dog.jpg"], pixels, ["left eye", "nose"])
    show(picker.figure, picker.connect)               # of `window`; any canvas with events will do
    picker.points                                     # by photograph and part, once `picker.finished`

A click sets the point that the title asks for, Backspace takes the last one back, Enter ends once all are
set. Photographs stand in their own pixels, so a point is what a points file wants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import Event, KeyEvent, MouseEvent
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..data.points import Point, Points
from ..tiles import Bytes
from .canvas import FAINT, HUES, INK, hue

_KEYS = "click: set the point · Backspace: take the last one back · in the frame: what the network sees"
_INCHES = 8.0


class Picker:
    """What has been clicked so far, and what is asked for next.

    Attributes:
        figure: where it is drawn.
        finished: whether all points are set and the user has said so.
    """

    def __init__(
        self,
        names: Sequence[str],
        pixels: Sequence[Bytes],
        parts: Sequence[str],
        limits: Sequence[tuple[int, int, int, int]],
    ) -> None:
        """Draws the first photograph.

        Args:
            names: of the photographs.
            pixels: of each, (H, W, 3).
            parts: what is to be clicked in each, in this order.
            limits: of each, the first and last column and the first and last row that count; clicks outside
                are not taken.
        """
        self.figure = Figure(figsize=(_INCHES, _INCHES), facecolor="white")
        self.finished = False
        self._names, self._pixels, self._parts, self._limits = names, pixels, parts, limits
        self._clicked: list[Point] = []
        self._close: Callable[[], object] = lambda: None
        self._shown = -1
        self._axes: Axes = self.figure.add_axes((0.03, 0.06, 0.94, 0.82))
        self.figure.text(0.5, 0.02, _KEYS, fontsize=9.5, color=FAINT, ha="center")
        self._draw()

    @property
    def points(self) -> Points:
        """The points set so far, by photograph and part; those of a photograph begun are not all there."""
        found: dict[str, dict[str, Point]] = {}
        for k, point in enumerate(self._clicked):
            image, part = divmod(k, len(self._parts))
            found.setdefault(self._names[image], {})[self._parts[part]] = point
        return found

    @property
    def left(self) -> int:
        """How many points are still to be set."""
        return len(self._names) * len(self._parts) - len(self._clicked)

    def connect(self, close: Callable[[], object]) -> None:
        """Listens to the canvas that the figure is on.

        Args:
            close: called once the user has ended it.
        """
        self._close = close
        self.figure.canvas.mpl_connect("button_press_event", self._on_click)
        self.figure.canvas.mpl_connect("key_press_event", self._on_key)

    def _on_click(self, event: Event) -> None:
        if not isinstance(event, MouseEvent) or event.inaxes is not self._axes or event.button != 1:
            return
        if not self.left or event.xdata is None or event.ydata is None:
            return
        first, last, top, bottom = self._limits[self._at[0]]
        x, y = round(float(event.xdata), 1), round(float(event.ydata), 1)
        if first - 0.5 <= x <= last + 0.5 and top - 0.5 <= y <= bottom + 0.5:
            self._clicked.append(Point(min(max(x, first), last), min(max(y, top), bottom)))
            self._draw()
        else:
            self._draw("That is outside the square that the network sees: click inside the frame")

    def _on_key(self, event: Event) -> None:
        key = event.key if isinstance(event, KeyEvent) else None
        if key == "backspace" and self._clicked:
            self._clicked.pop()
            self._draw()
        elif key in ("enter", "return") and not self.left:
            self.finished = True
            self._close()

    @property
    def _at(self) -> tuple[int, int]:
        """The photograph and the part asked for; the last photograph once all are set."""
        return divmod(min(len(self._clicked), len(self._names) * len(self._parts) - 1), len(self._parts))

    def _draw(self, complaint: str = "") -> None:
        """The photograph with what was clicked in it, and what to click next above it."""
        image, part = self._at
        axes = self._axes
        if image != self._shown:
            self._photograph(image)
            self._shown = image
        for artist in [*axes.lines, *axes.texts]:
            artist.remove()
        begin = image * len(self._parts)
        for k, point in enumerate(self._clicked[begin : begin + len(self._parts)]):
            axes.plot([point.x], [point.y], "o", mfc=hue(k), mec="white", ms=8)
            style: dict[str, Any] = {"xytext": (7, 7), "textcoords": "offset points", "parse_math": False}
            axes.annotate(self._parts[k], point, fontsize=9, color=INK, bbox=_PAPER, **style)
        ask = f"Click the {self._parts[part]}" if self.left else "All points are set: Enter writes them"
        self.figure.suptitle(ask, fontsize=15, color=INK, fontweight="bold", parse_math=False)
        place = f"{self._names[image]} · photograph {image + 1} of {len(self._names)}"
        axes.set_title(complaint or place, fontsize=10, color=FAINT, parse_math=False)
        self.figure.canvas.draw_idle()

    def _photograph(self, image: int) -> None:
        axes, pixels = self._axes, self._pixels[image]
        axes.clear()
        axes.set_axis_off()
        axes.imshow(pixels)
        first, last, top, bottom = self._limits[image]
        frame = Rectangle((first - 0.5, top - 0.5), last - first + 1, bottom - top + 1, fill=False)
        frame.set(edgecolor=HUES[0], linewidth=1.5)
        axes.add_patch(frame)


_PAPER = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.8}
