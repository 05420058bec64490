"""Files of points, and where a photograph's pixel comes to lie in what a network sees."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torch import nn

from deconvviz.data.points import Point, in_input, parts_of, read_points, write_points
from deconvviz.data.seen import seen_by
from deconvviz.errors import DataError, ImageError
from deconvviz.models import Network, WeightsOrigin
from deconvviz.models.building import preset

POINTS = {"a.jpg": {"left eye": Point(3, 4.5), "nose": Point(10, 0)}, "b, c.jpg": {"nose": Point(1, 2)}}
HEADER = "image,part,x,y\n"


def network(crop=224, **more):
    return Network("net", nn.Identity(), preset(True, crop, **more), WeightsOrigin("none"))


def test_what_is_written_is_read(tmp_path):
    path = write_points(tmp_path / "new" / "points.csv", POINTS)
    assert read_points(path) == POINTS
    assert [path.name for path in path.parent.iterdir()] == ["points.csv"]
    assert path.read_text().splitlines()[:2] == ["image,part,x,y", "a.jpg,left eye,3.0,4.5"]


def test_a_file_as_people_and_spreadsheets_write_it(tmp_path):
    path = tmp_path / "points.csv"
    lines = [
        "part, image ,y,x",
        "left eye,a.jpg, 4.5 ,3",
        "",
        "nose,a.jpg,0,1e1",
        'nose,"b, c.jpg",2,1',
        ",,,",
    ]
    path.write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    assert read_points(path) == POINTS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty: its first line is image,part,x,y"),
        (HEADER, "has no points: a row each below the header image,part,x,y"),
        ("a.jpg,nose,3,4\n", "line 1: no column 'a.jpg'; the header is image,part,x,y"),
        ("image;part;x;y\n", "line 1: no column 'image;part;x;y'"),
        ("image,part,x\n", "line 1: the column 'y' is missing"),
        ("image,part,x,x,y\n", "line 1: the column 'x' is there twice"),
        (HEADER + "a,nose,1,2\nb,nose,1\n", "line 3: 3 values, not the four of image,part,x,y"),
        (HEADER + "a,nose,one,2\n", "line 2: x is 'one', not a number of pixels"),
        (HEADER + "a,nose,1,nan\n", "line 2: y is 'nan', not a number of pixels"),
        (HEADER + "a,,1,2\n", "line 2: the part has no name"),
        (HEADER + ",nose,1,2\n", "line 2: the image has no name"),
        (HEADER + "a,nose,1,2\nb,nose,1,2\na,nose,3,4\n", "line 4: a has a point for 'nose' already"),
        (HEADER + 'a,"nose,1,2\n', "line 2: unexpected end of data"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, text, says):
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_points(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv does not exist; it is a CSV file with the columns"):
        read_points(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_points(tmp_path)
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        read_points(tmp_path / "cat.jpg")


def test_parts_are_those_that_all_images_have():
    both = {"a": {"eye": Point(0, 0), "nose": Point(1, 1)}, "b": {"nose": Point(2, 2), "eye": Point(3, 3)}}
    assert parts_of(both, ["b", "a"]) == ["nose", "eye"]
    assert parts_of(both, ["a", "b"], ["nose"]) == ["nose"]
    assert parts_of(POINTS, ["a.jpg", "b, c.jpg"], ["nose"]) == ["nose"]
    for images, asked, says in [
        (["a.jpg", "b, c.jpg"], [], "b, c.jpg has no point for 'left eye'"),
        (["a.jpg", "a.jpg"], [], "two images are called a.jpg"),
        (["a.jpg", "a.jpeg"], [], "no points for a.jpeg; did you mean 'a.jpg'"),
        (["a.jpg"], ["left aye"], "no part 'left aye'; did you mean 'left eye'"),
    ]:
        with pytest.raises(DataError, match=says):
            parts_of(POINTS, images, asked)


@pytest.mark.parametrize("size", [(500, 375), (121, 121), (96, 260), (1024, 257), (40, 30)])
@pytest.mark.parametrize("more", [{}, {"resize_size": 224}, {"resize_size": 180}])
def test_a_point_lands_where_torchvision_puts_its_pixel(size, more):
    net = network(**more)
    for x, y in [(size[0] // 2, size[1] // 2), (round(size[0] * 0.45), round(size[1] * 0.56))]:
        spot = np.zeros((size[1], size[0], 3), np.uint8)
        spot[y - 3 : y + 4, x - 3 : x + 4] = 255
        seen = net.pixels(net.see(Image.fromarray(spot)))[0, 0].double().numpy()
        rows, columns = np.mgrid[:224, :224]
        middle = (seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()
        assert in_input(Point(x, y), size, net, "it") == pytest.approx(middle, abs=0.05)


def test_the_square_has_the_limits_that_are_said():
    net, size = network(), (275, 183)
    rows, columns = seen_by(net, size)
    (left, right), (top, bottom) = columns.limits(), rows.limits()
    assert 0 < left < right < 274
    assert 0 < top < bottom < 182
    for x, y in [(left, top), (right, bottom)]:
        column, row = in_input(Point(x, y), size, net, "it")
        assert min(column, row) >= -0.5
        assert max(column, row) < 223.5
    for x, y in [(left - 1, top), (right + 1, top), (left, top - 1), (left, bottom + 1)]:
        with pytest.raises(ImageError) as caught:
            in_input(Point(x, y), size, net, "the nose of cat.jpg")
        assert f"x from {left} to {right}, y from {top} to {bottom}" in str(caught.value)


@pytest.mark.parametrize("point", [(-1, 3), (275, 3), (3, -0.1), (3, 183)])
def test_outside_the_photograph(point):
    with pytest.raises(ImageError, match="outside the photograph: x goes from 0 to 274, y from 0 to 182"):
        in_input(Point(*point), (275, 183), network(), "the nose")


def test_a_border_is_counted():
    net = network(crop=64, resize_size=48)
    assert in_input(Point(0, 0), (48, 48), net, "it") == (8, 8)
    rows, columns = seen_by(net, (48, 48))
    assert rows.limits() == columns.limits() == (0, 47)
