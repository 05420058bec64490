"""Writing a finished scan as tables, for deconvviz and for whatever else reads Parquet.

    write_atlas(folder, network, images, scan, facts)

The manifest is written last: a folder with one holds a whole atlas. See `deconvviz.atlas.tables`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..models import Network
from ..runs import manifest, replacing, write_json
from .atlas import IMAGES_FILE, MANIFEST_FILE, STATISTICS_FILE, UNITS_FILE
from .checkpoint import save_scan
from .fields import windows_of
from .fingerprint import parameters_sha256
from .images import ImageList
from .state import Scan
from .strongest import NO_IMAGE, Strongest
from .tables import IMAGES, STATISTICS, UNITS

Ints = NDArray[np.int64]
SCAN_FILE = "scan.npz"
"""The final state of a scan, which a merge goes on from."""


def write_atlas(
    folder: Path, network: Network, images: ImageList, scan: Scan, facts: Mapping[str, Any]
) -> list[Path]:
    """Writes the tables, the state and the manifest of a finished scan.

    Args:
        folder: is made where it is not there.
        network: that was scanned with.
        images: the list that was scanned.
        scan: the whole of it.
        facts: what else the manifest says: model, weights, settings, places.

    Returns:
        the tables and the manifest.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    known = {
        "parameters_sha256": parameters_sha256(network, scan.strongest),
        "input_size": network.input_size,
        "layers": {
            layer: {"path": network.path_of(layer), "units": len(kept.values), "map": scan.maps[layer]}
            for layer, kept in scan.strongest.items()
        },
    }

    def seen(layer: str, places: Ints) -> Ints:
        return windows_of(network, layer, scan.maps[layer], places)

    return write_tables(folder, images, scan, seen, {**facts, **known})


def write_tables(
    folder: Path,
    images: ImageList,
    scan: Scan,
    windows: Callable[[str, Ints], Ints],
    facts: Mapping[str, Any],
) -> list[Path]:
    """The same where the network is not at hand.

    Args:
        folder: is made where it is not there.
        images: the list that was scanned.
        scan: the whole of it.
        windows: the receptive windows (N, 4) of a layer's units at N places, given flat.
        facts: what the manifest says, all of it.

    Returns:
        the tables and the manifest.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    names, labels = np.array(images.names, object), np.array(images.labels, object)
    problems = [scan.problems.get(i) for i in range(len(names))]
    known = {
        "list_key": images.key,
        "scanned": len(names) - len(scan.problems),
        "skipped": len(scan.problems),
    }
    tables = {
        UNITS_FILE: pa.concat_tables(
            _units(layer, kept, scan.maps[layer], names, labels, windows)
            for layer, kept in scan.strongest.items()
        ),
        STATISTICS_FILE: pa.concat_tables(_statistics(layer, scan, labels) for layer in scan.strongest),
        IMAGES_FILE: pa.table([list(names), list(labels), problems], schema=IMAGES),
    }
    save_scan(folder / SCAN_FILE, scan)
    for name, table in tables.items():
        with replacing(folder / name) as temporary:
            pq.write_table(table, temporary, compression="zstd")
    write_json(folder / MANIFEST_FILE, manifest(**{**facts, **known}))
    return [folder / name for name in (*tables, MANIFEST_FILE)]


def _units(
    layer: str,
    kept: Strongest,
    map_size: Sequence[int] | None,
    names: NDArray[np.object_],
    labels: NDArray[np.object_],
    windows: Callable[[str, Ints], Ints],
) -> pa.Table:
    channel, rank = np.nonzero(kept.images != NO_IMAGE)
    images, places = kept.images[channel, rank], kept.places[channel, rank]
    seen = windows(layer, places).astype(np.int32)
    row, column = (None, None) if map_size is None else np.divmod(places, map_size[1])
    columns = {
        "layer": [layer] * len(channel),
        "channel": channel.astype(np.int32),
        "rank": rank.astype(np.int32),
        "image": names[images],
        "label": labels[images],
        "row": _place(row, len(channel)),
        "column": _place(column, len(channel)),
        "activation": kept.values[channel, rank],
        **{name: seen[:, i] for i, name in enumerate(("top", "left", "height", "width"))},
    }
    return pa.table(columns, schema=UNITS)


def _place(numbers: Ints | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.int32()) if numbers is None else pa.array(numbers.astype(np.int32))


def _statistics(layer: str, scan: Scan, labels: NDArray[np.object_]) -> pa.Table:
    kept, known = scan.strongest[layer], scan.statistics[layer]
    fired = (kept.images != NO_IMAGE) & (kept.values > 0)
    classes = [
        commonest([labels[i] for i in dict.fromkeys(images[there].tolist())])
        for images, there in zip(kept.images, fired, strict=True)
    ]
    count = len(kept.values)
    columns = {
        "layer": [layer] * count,
        "channel": np.arange(count, dtype=np.int32),
        "images": np.repeat(known.images, count),
        "mean": known.mean,
        "fired": known.fired / max(int(known.images[0]), 1),
        "active": known.active / max(int(known.places[0]), 1),
        "strongest": kept.values[:, 0],
        "label": [label for label, _ in classes],
        "purity": np.array([share for _, share in classes], np.float32),
        "histogram": known.histogram.tolist(),
    }
    return pa.table(columns, schema=STATISTICS)


def commonest(labels: Sequence[str]) -> tuple[str, float]:
    """The class that most of some images are of, and its share of them.

    Args:
        labels: the class of each, the strongest image's first, which decides between equals; empty ones are
            no class.

    Example:
        >>> commonest(["dog", "cat", "dog", ""])
        ('dog', 0.5)
    """
    found = Counter(label for label in labels if label).most_common(1)
    return (found[0][0], found[0][1] / len(labels)) if found else ("", 0.0)
