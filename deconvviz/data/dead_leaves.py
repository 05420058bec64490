"""Dead leaves: an endless set of pictures with the statistics of natural images, drawn by rule.

Opaque leaves of random place, colour and size fall on each other until nothing of the ground is left. With
radii that follow a power law of exponent -3, the pictures are scale-invariant as photographs are: edges
from occlusion and a power spectrum that falls about as 1/f^2. All leaves of one picture have the shape and
the texture that are its class, at their own angle and colour, so that a classifier must see both.

Picture number i of a class is the same for the same seed, everywhere and always.

Source: Lee, Mumford & Huang, "Occlusion Models for Natural Images", IJCV 41, 2001, sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .listing import Files, Listing

Plane = NDArray[np.float64]

SHAPES: dict[str, Callable[[Plane, Plane], NDArray[np.bool_]]] = {
    "discs": lambda x, y: x * x + y * y < 1,
    "squares": lambda x, y: np.maximum(abs(x), abs(y)) < 0.85,
    "triangles": lambda x, y: (y > -0.6) & (abs(x) * 1.73 + y < 1.1),
    "bars": lambda x, y: (abs(x) < 1.25) & (abs(y) < 0.4),
}
"""Inside or outside, in the leaf's own turned coordinates; areas differ by less than a factor of two."""
TEXTURES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "plain": lambda x, y: np.zeros_like(x),
    "striped": lambda x, y: np.sign(np.sin(4.5 * y * np.pi)),
    "chequered": lambda x, y: np.sign(np.sin(3.0 * x * np.pi) * np.sin(3.0 * y * np.pi)),
}
"""-1 to 1, in the same coordinates: added to the leaf's brightness."""
CLASSES = tuple(f"{texture} {shape}" for texture in TEXTURES for shape in SHAPES)
"""Class names by number."""
_SMALLEST, _LARGEST = 0.07, 0.45  # radii, as shares of the picture's side
_RULE = 1  # raised when the rule below changes, so that kept pictures are drawn anew
_DEEPEST = 250  # leaves; beyond it what is still bare is filled with its mean colour


def dead_leaves(label: int, number: int, seed: int = 0, side: int = 64) -> NDArray[np.uint8]:
    """One picture.

    Args:
        label: its class, an index into `CLASSES`.
        number: which of the class's pictures.
        seed: another seed, another set.
        side: in pixels.

    Returns:
        (side, side, 3) uint8, RGB.

    Example:
        >>> dead_leaves(0, 0, side=32).shape
        (32, 32, 3)
    """
    first, second = CLASSES[label].split(" ")
    texture, shape = TEXTURES[first], SHAPES[second]
    random = np.random.default_rng([seed, label, number])
    # P(radius) ~ radius^-3 between the two bounds, by inversion
    radii = (_SMALLEST**-2 - random.random(_DEEPEST) * (_SMALLEST**-2 - _LARGEST**-2)) ** -0.5
    places = random.uniform(-0.2, 1.2, (_DEEPEST, 2))
    angles = random.uniform(0, 2 * np.pi, _DEEPEST)
    contrasts = random.uniform(0.12, 0.3, _DEEPEST)
    shades = random.uniform(-0.12, 0.12, _DEEPEST)  # a slow change across the leaf, as from a lamp
    colours = random.normal(0.45, 0.22, (_DEEPEST, 1)) + random.normal(0, 0.12, (_DEEPEST, 3))
    firsts = np.clip(np.floor((places - 1.5 * radii[:, None]) * side), 0, side).astype(int)
    lasts = np.clip(np.ceil((places + 1.5 * radii[:, None]) * side), 0, side).astype(int)
    grid = (np.arange(side) + 0.5) / side
    picture = np.zeros((side, side, 3))
    bare = np.ones((side, side), bool)  # leaves are laid from the top down: only what is bare is painted
    for i in range(_DEEPEST):
        rows, columns = (slice(firsts[i, axis], lasts[i, axis]) for axis in (0, 1))
        if not bare[rows, columns].any():
            continue
        down = (grid[rows, None] - places[i, 0]) / radii[i]
        across = (grid[None, columns] - places[i, 1]) / radii[i]
        x = across * np.cos(angles[i]) + down * np.sin(angles[i])
        y = down * np.cos(angles[i]) - across * np.sin(angles[i])
        inside = shape(x, y) & bare[rows, columns]
        value = contrasts[i] * texture(x[inside], y[inside]) + shades[i] * x[inside]
        picture[rows, columns][inside] = np.clip(colours[i], 0, 1) + value[:, None]
        bare[rows, columns][inside] = False
        if not bare.any():
            break
    if bare.any():
        picture[bare] = picture[~bare].mean(0) if not bare.all() else 0.5
    noise = random.normal(0, 0.01, picture.shape)
    return (np.clip(picture + noise, 0, 1) * 255).round().astype(np.uint8)


class DeadLeaves:
    """The set as a source of pictures named ``CLASS/NUMBER``."""

    path = Path("dead-leaves")

    def __init__(self, seed: int, side: int) -> None:
        """Draws nothing yet."""
        self._seed, self._side = seed, side
        self.key = f"dead leaves, rule {_RULE}, seed {seed}"

    def picture(self, name: str) -> Image.Image:
        """The picture of that name."""
        title, _, number = name.rpartition("/")
        return Image.fromarray(dead_leaves(CLASSES.index(title), int(number), self._seed, self._side))

    def stamp(self, name: str) -> str:
        """Its name: what it is drawn from is in the key."""
        return name


def list_dead_leaves(train: int, val: int, seed: int, side: int) -> Listing:
    """So many training and validation pictures of every class."""

    def numbered(first: int, count: int) -> Files:
        pairs = [(f"{title}/{n}", c) for c, title in enumerate(CLASSES) for n in range(first, first + count)]
        return Files(tuple(n for n, _ in pairs), tuple(c for _, c in pairs))

    return Listing(DeadLeaves(seed, side), CLASSES, CLASSES, numbered(val, train), numbered(0, val))
