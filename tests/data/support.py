"""Miniature data sets: class folders, archives of them, a Tiny ImageNet of three classes."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

WNIDS = ("n01443537", "n02123045", "n07747607")
"""The classes of the miniature, in the order of its wnids.txt."""
_WORDS = """\
n00001740\tentity
n01443537\tgoldfish, Carassius auratus
n02123045\ttabby, tabby cat
n07747607\torange
n09999999\tnothing at all
"""
_VAL_LINE = "{name}\t{wnid}\t0\t32\t44\t62\n"


def noise(width: int, height: int, seed: int = 0, channels: int = 3) -> Image.Image:
    """A picture of coarse noise, so that JPEG leaves it nearly as it is; grey, RGB, or four channels."""
    random = np.random.default_rng(seed)
    rough = random.integers(0, 256, (height // 4 + 1, width // 4 + 1, channels), dtype=np.uint8)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    planes = [Image.fromarray(rough[..., c]).resize((width, height)) for c in range(channels)]
    return Image.merge(mode, planes)


def write_picture(path: Path, seed: int = 0, side: int = 12, channels: int = 3) -> Path:
    """A square picture file; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise(side, side, seed, channels).save(path)
    return path


def class_folders(root: Path, counts: Mapping[str, int], side: int = 12, suffix: str = ".png") -> Path:
    """So many pictures in each folder below `root`, no two alike."""
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            write_picture(root / name / f"{i:02}{suffix}", 1000 * number + i, side)
    return root


def zipped(folder: Path, path: Path, inside: str = "", compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive of all files below a folder, under `inside`."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            archive.write(file, str(PurePosixPath(inside) / file.relative_to(folder).as_posix()))
    return path


def damage(path: Path, place: slice) -> None:
    """Inverts some bytes of a file."""
    content = bytearray(path.read_bytes())
    content[place] = bytes(255 - byte for byte in content[place])
    path.write_bytes(content)


def miniature(root: Path) -> Path:
    """A Tiny ImageNet of three classes, four training and two validation images each; two are grey."""
    folder = root / "tiny-imagenet-200"
    for c, wnid in enumerate(WNIDS):
        for i in range(4):
            grey = 1 if i == 3 and c < 2 else 3
            write_picture(folder / f"train/{wnid}/images/{wnid}_{i}.JPEG", 10 * c + i, 64, grey)
        boxes = "".join(f"{wnid}_{i}.JPEG\t0\t10\t63\t58\n" for i in range(4))
        (folder / f"train/{wnid}/{wnid}_boxes.txt").write_text(boxes)
    annotations = ""
    for number in range(6):
        write_picture(folder / f"val/images/val_{number}.JPEG", 100 + number, 64)
        annotations += _VAL_LINE.format(name=f"val_{number}.JPEG", wnid=WNIDS[number % 3])
    (folder / "val/val_annotations.txt").write_text(annotations)
    write_picture(folder / "test/images/test_0.JPEG", 200, 64)
    (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (folder / "words.txt").write_text(_WORDS)
    return folder


def moved(folder: Path, to: Path) -> Path:
    """A folder at another place."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, to)
    return to
