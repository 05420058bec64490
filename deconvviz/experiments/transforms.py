"""The three transformations: a photograph moved down, enlarged about its middle, or turned around it.

    transformed(scene, "translation", 12)             # 12 pixels down, exactly
    transformed(scene, "scale", 1.8)                  # 1.8 times as large
    transformed(scene, "rotation", 30)                # 30 degrees anticlockwise

Each pixel of the result is looked up where it was in the photograph, between four pixels by bilinear
interpolation. The places are computed in double precision and a quarter of a turn without sine and cosine:
whole pixels and right angles give the photograph's own values, and doing nothing gives it bit for bit.
Where a photograph is made smaller, each pixel is the mean of as many places as keeps it from aliasing.

Source: Zeiler & Fergus 2013, fig. 5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from ..errors import ModelError, nearest
from .scenes import Scene

KINDS = ("translation", "scale", "rotation")
"""In pixels down; as a factor; in degrees anticlockwise."""
SMALLEST, LARGEST = 0.1, 10.0
"""The scales that are possible."""
_QUARTERS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))  # cosine and sine


def transformed(scene: Scene, kind: str, amount: float) -> Tensor:
    """What a network is shown of a photograph that something was done to.

    Args:
        scene: the photograph.
        kind: ``translation``, ``scale`` or ``rotation``.
        amount: in whole pixels down, as a factor of 0.1 to 10, or in degrees anticlockwise; about the middle
            of what is shown.

    Returns:
        (3, H, W), normalised as the scene is.

    Raises:
        ModelError: no such transformation, or the amount is impossible.

    Example:
        >>> scene = Scene(torch.arange(27.0).reshape(3, 3, 3), (0, 0, 3, 3))
        >>> transformed(scene, "translation", 1)[0]
        tensor([[0., 1., 2.],
                [0., 1., 2.],
                [3., 4., 5.]])
    """
    check(kind, amount, scene.box[2])
    if does_nothing(kind, amount):
        return scene.shown.clone()
    top, left, height, width = scene.box
    fine = max(1, math.ceil(1 / amount - 1e-9)) if kind == "scale" else 1
    down, across = (_offsets(side, fine) for side in (height, width))
    y, x = torch.meshgrid(down, across, indexing="ij")
    if kind == "translation":
        y = y - amount
    elif kind == "scale":
        y, x = y / amount, x / amount
    else:
        cosine, sine = _turn(amount)
        y, x = x * sine + y * cosine, x * cosine - y * sine
    found = _looked_up(scene, y + top + (height - 1) / 2, x + left + (width - 1) / 2)
    return F.avg_pool2d(found, fine) if fine > 1 else found


def amounts(kind: str, reach: float, steps: int) -> tuple[float, ...]:
    """The amounts of one transformation, evenly spaced.

    Args:
        kind: ``translation``, ``scale`` or ``rotation``.
        reach: the largest: pixels, factor or degrees.
        steps: how many, at least 2. Translations go from -reach to reach in whole pixels with zero among
            them: that takes one more where `steps` is even, and fewer where there are not so many pixels.

    Raises:
        ModelError: no such transformation, or too few steps.

    Example:
        >>> amounts("translation", 6, 4)
        (-6, -3, 0, 3, 6)
        >>> amounts("rotation", 360, 5)
        (0.0, 90.0, 180.0, 270.0, 360.0)
    """
    if steps < 2:
        raise ModelError(f"{steps} steps are too few for a curve: give at least 2")
    if kind == "translation":
        half = steps // 2
        up = [round(reach * k / half) for k in range(1, half + 1)]
        return tuple(sorted({0, *up, *(-pixels for pixels in up)}))
    start = untouched(kind)
    return tuple(round(start + (reach - start) * k / (steps - 1), 9) for k in range(steps))


def untouched(kind: str) -> float:
    """The amount that does nothing: 1 for a scale, else 0.

    Raises:
        ModelError: no such transformation.
    """
    if kind not in KINDS:
        raise ModelError(f"no transformation '{kind}'; {nearest(kind, KINDS)}")
    return 1.0 if kind == "scale" else 0.0


def does_nothing(kind: str, amount: float) -> bool:
    """Whether the photograph stays as it is: also after a whole turn."""
    return amount % 360 == 0 if kind == "rotation" else amount == untouched(kind)


def check(kind: str, amount: float, side: int) -> None:
    """Whether a transformation is possible.

    Args:
        kind: ``translation``, ``scale`` or ``rotation``.
        amount: see `transformed`.
        side: of the network's input, in pixels.

    Raises:
        ModelError: it is not; the message says what is.
    """
    untouched(kind)
    if not math.isfinite(amount):
        raise ModelError(f"a {kind} of {amount} is no number")
    if kind == "translation":
        if abs(amount) >= side:
            raise ModelError(
                f"a translation of {abs(amount):g} pixels moves an image of {side} pixels out of sight: "
                f"give at most {side - 1}"
            )
        if amount != round(amount):
            raise ModelError(f"a translation of {amount:g} pixels: give whole pixels")
    if kind == "scale" and not SMALLEST <= amount <= LARGEST:
        raise ModelError(f"an image cannot be scaled by {amount:g}: give {SMALLEST:g} to {LARGEST:g}")


def _offsets(side: int, fine: int) -> Tensor:
    """Places along an axis, from its middle, in pixels: `fine` in each pixel."""
    count = side * fine
    return (torch.arange(count, dtype=torch.float64) - (count - 1) / 2) / fine


def _turn(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at right angles."""
    quarters, rest = divmod(degrees % 360, 90)
    if rest == 0:
        return _QUARTERS[int(quarters)]
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _looked_up(scene: Scene, rows: Tensor, columns: Tensor) -> Tensor:
    """A photograph's colours (3, ...) at places between its pixels, which may lie beyond it."""
    pixels = scene.pixels
    if scene.beyond is not None:
        around = scene.beyond.to(pixels)[:, None, None].expand(-1, pixels.shape[1] + 2, pixels.shape[2] + 2)
        framed = around.clone()
        framed[:, 1:-1, 1:-1] = pixels
        pixels, rows, columns = framed, rows + 1, columns + 1
    height, width = pixels.shape[-2:]
    above, down = _between(rows, height)
    before, across = _between(columns, width)
    flat = pixels.flatten(1)
    down, across = down.to(pixels), across.to(pixels)
    below, after = (above + 1).clamp(max=height - 1), (before + 1).clamp(max=width - 1)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return flat[:, (row * width + column).to(flat.device)]

    upper = _on_the_way(at(above, before), at(above, after), across)
    lower = _on_the_way(at(below, before), at(below, after), across)
    return _on_the_way(upper, lower, down)


def _on_the_way(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Between two colours; what both share stays exactly that."""
    return start + (end - start) * share


def _between(places: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The pixel before each place, and how far the place is from it on the way to the next."""
    inside = places.clamp(0, side - 1)
    before = inside.floor()
    return before.long(), inside - before
