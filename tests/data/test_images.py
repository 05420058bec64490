"""Photographs of every kind come out upright, RGB and eight bits deep; other files are refused."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import load_model, open_photo, read_image
from deconvviz.data import images
from deconvviz.errors import ImageError


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours at top left, top right, bottom left and bottom right."""
    right, bottom = image.width - 1, image.height - 1
    return [image.getpixel(place) for place in ((0, 0), (right, 0), (0, bottom), (right, bottom))]


def opened(image: Image.Image, path: Path, **options: object) -> Image.Image:
    image.save(path, **options)
    photo = open_photo(path)
    assert photo.name == path.name
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.image.mode == "RGB"
    return photo.image


def refused(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        open_photo(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def test_rgb_stays_as_it_is(tmp_path: Path) -> None:
    image = noise(7, 5)
    assert opened(image, tmp_path / "a.png").tobytes() == image.tobytes()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_greyscale(tmp_path: Path, suffix: str) -> None:
    found = opened(Image.new("L", (8, 8), 100), tmp_path / f"a.{suffix}")
    assert corners(found) == [(100, 100, 100)] * 4


def test_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert corners(opened(image, tmp_path / "a.png"))[:2] == [(0, 0, 0), (255, 255, 255)]


def test_cmyk(tmp_path: Path) -> None:
    found = opened(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "a.jpg", quality=100)
    red, green, blue = corners(found)[0]
    assert red > 250
    assert max(green, blue) < 5


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 255, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    image.putpixel((2, 0), (0, 0, 0, 51))
    found = opened(image, tmp_path / "a.png")
    assert [found.getpixel((x, 0)) for x in range(3)] == [(0, 0, 255), (255, 255, 255), (204, 204, 204)]


def test_grey_with_transparency(tmp_path: Path) -> None:
    image = Image.new("LA", (2, 1), (40, 255))
    image.putpixel((1, 0), (40, 0))
    assert corners(opened(image, tmp_path / "a.png"))[:2] == [(40, 40, 40), (255, 255, 255)]


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    found = opened(image, tmp_path / "a.png", transparency=0)
    assert corners(found)[:2] == [(255, 255, 255), (200, 100, 50)]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_become_eight(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(np.array([[0, 65535], [32896, 257]], dtype=np.uint16))
    found = opened(image, tmp_path / f"a.{suffix}")
    assert [colour[0] for colour in corners(found)] == [0, 255, 128, 1]


def test_floats_between_zero_and_one(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0.0, 1.0], [0.5, 0.2]], dtype=np.float32))
    assert [colour[0] for colour in corners(opened(image, tmp_path / "a.tiff"))] == [0, 255, 128, 51]


@pytest.mark.parametrize(
    ("orientation", "order"),
    [(1, [0, 1, 2, 3]), (3, [3, 2, 1, 0]), (6, [2, 0, 3, 1]), (8, [1, 3, 0, 2]), (2, [1, 0, 3, 2])],
)
def test_the_cameras_orientation(tmp_path: Path, orientation: int, order: list[int]) -> None:
    image = noise(6, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = opened(image, tmp_path / "a.png", exif=exif)
    assert found.size == ((4, 6) if orientation in (6, 8) else (6, 4))
    assert corners(found) == [corners(image)[i] for i in order]


def exif(*tags: bytes) -> bytes:
    """EXIF with these entries, 12 bytes each."""
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(tags) + bytes(4)


TURNED = struct.pack("<HHII", 0x0112, 3, 1, 6)
DAMAGED = {
    "text for a number": (exif(TURNED, struct.pack("<HHI4s", 0x0100, 2, 4, b"ab\0\0")), True),
    "no directory": (b"Exif\0\0II*\0\xff\xff", False),
    "no header": (b"Exif\0\0", False),
    "cut": (exif(TURNED)[:20], False),
    "no XX": (exif(TURNED).replace(b"II*", b"XX*"), False),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_exif_does_not_spoil_the_picture(case: str) -> None:
    data, turned = DAMAGED[case]
    content = io.BytesIO()
    noise(6, 4).save(content, "jpeg", exif=data)
    found = images.decode(content.getvalue(), "a.jpg")
    assert found.size == ((4, 6) if turned else (6, 4))


def test_whatever_a_reader_stumbles_over_is_a_damaged_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: Image.Image) -> None:
        raise struct.error("unpack requires\na buffer")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(ImageError, match=r"^a\.png is damaged: unpack requires$"):
        images.decode(png(3, 3), "a.png")


def test_threads_leave_the_filters_of_warnings_alone() -> None:
    content = io.BytesIO()
    noise(6, 4).save(content, "jpeg", exif=exif(struct.pack("<HHII", 0x010E, 2, 900, 900)))  # is warned of
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert images.decode(content.getvalue(), "a.jpg").size == (6, 4)
        before, changed, found = list(warnings.filters), [], []

        def work() -> None:
            found.append(images.decode(content.getvalue(), "a.jpg").size)
            changed.append(list(warnings.filters))

        with images.quiet_decoding():
            inside = list(warnings.filters)
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [(6, 4)] * 8
        assert changed == [inside] * 8
        assert list(warnings.filters) == before
        with pytest.raises(UserWarning, match="of others"), images.quiet_decoding():
            warnings.warn("of others", stacklevel=1)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("red", "blue", "lime")]
    found = opened(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)
    assert corners(found) == [(255, 0, 0)] * 4


def test_names_beyond_ascii(tmp_path: Path) -> None:
    assert opened(noise(3, 3), tmp_path / "Kätzchen 猫 №1.png").size == (3, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (600, 1), (5000, 30)])
def test_tiny_and_very_long_pictures_can_be_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    network = load_model("zfnet", "random")
    noise(*size).save(tmp_path / "a.png")
    tensor = read_image(tmp_path / "a.png", network)
    assert tensor.shape == (1, 3, 224, 224)
    assert torch.isfinite(tensor).all()


def test_of_very_long_pictures_the_middle_is_kept(tmp_path: Path) -> None:
    image = noise(501, 10)
    found = opened(image, tmp_path / "a.png")
    assert found.size == (200, 10)
    assert found.tobytes() == image.crop((150, 0, 350, 10)).tobytes()


def test_as_the_network_sees_it(tmp_path: Path) -> None:
    network = load_model("zfnet", "random")
    Image.new("RGB", (300, 260), (255, 128, 0)).save(tmp_path / "a.png")
    found = network.pixels(read_image(tmp_path / "a.png", network))
    wanted = torch.tensor([1.0, 128 / 255, 0.0]).view(1, 3, 1, 1).expand(1, 3, 224, 224)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.jpg").endswith("does not exist")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty.jpg").touch()
    assert refused(tmp_path / "empty.jpg").endswith("is empty")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_that_is_named_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    Image.new("RGB", (4, 3), "red").save(tmp_path / "b.png")
    content = (tmp_path / "b.png").read_bytes()
    writer = threading.Thread(target=lambda: (tmp_path / "a.png").write_bytes(content), daemon=True)
    writer.start()
    assert open_photo(tmp_path / "a.png").image.size == (4, 3)
    writer.join(10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_among_others_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(OSError, match="it is a pipe or a device, not a file"):
        images.read_file(tmp_path / "a.png")


def test_text_named_as_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not a picture at all")
    assert "is not a picture that can be read" in refused(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif"])
def test_truncated_pictures(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise(200, 200).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refused(path)
    path.write_bytes(whole[:12])
    refused(path)


def png(width: int, height: int) -> bytes:
    """A few bytes that call themselves a picture of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [30_000, 14_000])
def test_too_many_pixels(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(png(side, side))
    message = refused(tmp_path / "a.png")
    assert "million" in message
    assert "scale it down" in message


def test_the_limit_is_on_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 12)
    assert opened(noise(4, 3), tmp_path / "a.png").size == (4, 3)
    noise(13, 1).save(tmp_path / "b.png")
    assert "has 13 x 1 pixels" in refused(tmp_path / "b.png")
