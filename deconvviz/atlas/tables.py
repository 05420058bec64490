"""What an atlas looks like on the disk, for others to read: two Parquet tables and a manifest.

    ATLAS/units.parquet         a row for each kept activation: layer, channel, rank (from 0), image, label,
                                row, column, activation, and its receptive window: top, left, height, width
    ATLAS/statistics.parquet    a row for each unit: layer, channel, images, mean, fired, active, strongest,
                                label, purity, histogram
    ATLAS/images.parquet        a row for each image of the list: image, label, problem (why it was left out)
    ATLAS/manifest.json         model, weights, layers and their feature maps, settings, versions

Rows are sorted by layer (in the network's order), channel and rank; windows are in pixels of the network's
input, clipped to the image. The same scan writes the same bytes.
"""

from __future__ import annotations

import pyarrow as pa

UNITS = pa.schema(
    [
        ("layer", pa.string()),
        ("channel", pa.int32()),
        ("rank", pa.int32()),
        ("image", pa.string()),
        ("label", pa.string()),
        ("row", pa.int32()),
        ("column", pa.int32()),
        ("activation", pa.float32()),
        ("top", pa.int32()),
        ("left", pa.int32()),
        ("height", pa.int32()),
        ("width", pa.int32()),
    ]
)
"""Row and column are null for units of a vector, label is empty where the image has none."""

STATISTICS = pa.schema(
    [
        ("layer", pa.string()),
        ("channel", pa.int32()),
        ("images", pa.int64()),
        ("mean", pa.float64()),
        ("fired", pa.float64()),
        ("active", pa.float64()),
        ("strongest", pa.float32()),
        ("label", pa.string()),
        ("purity", pa.float32()),
        ("histogram", pa.list_(pa.int64())),
    ]
)
"""fired: the share of images in which the unit was positive anywhere; active: the share of places; strongest:
its largest activation; label: the commonest class of its strongest images; purity: that class's share of
them."""

IMAGES = pa.schema([("image", pa.string()), ("label", pa.string()), ("problem", pa.string())])
