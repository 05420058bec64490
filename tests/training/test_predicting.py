"""What a network takes pictures for, one by one and over a whole data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.data.datasets import DataSet, open_data
from deconvviz.errors import DataError, ModelError
from deconvviz.models import Network, load_model
from deconvviz.models.building import build
from deconvviz.training.predicting import class_numbers, evaluate_network, predict

from ..conftest import smooth_noise
from ..data.support import class_folders

CPU = torch.device("cpu")
NAMES = ("tench", "goldfish", "white shark", "tiger shark", "hen", "ostrich", "robin", "jay", "newt", "crane")
IDS = tuple(f"n{9 - i:08}" for i in range(10))


@pytest.fixture(scope="module")
def network() -> Network:
    """`cifar` with weights that tell pictures apart, and ten names for its classes."""
    found = load_model("cifar", "random", seed=4)
    generator = torch.Generator().manual_seed(7)
    for m in found.module.modules():
        if isinstance(m, nn.Conv2d | nn.Linear):
            deviation = (2 / m.weight[0].numel()) ** 0.5
            m.weight.data.copy_(torch.randn(m.weight.shape, generator=generator) * deviation)
    return replace(found, categories=NAMES, class_ids=IDS)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.cat([3 * smooth_noise(32, 32, seed) for seed in range(4)]).float()


@pytest.mark.parametrize("topk", [1, 5, 10])
def test_the_most_probable_classes_are_those_of_a_softmax(
    network: Network, images: Tensor, topk: int
) -> None:
    with torch.inference_mode():
        scores = network.module(images).double()
    found = predict(network, images, topk)
    assert len({one.classes[0] for one in found}) > 1
    for one, row in zip(found, scores, strict=True):
        wanted = row.exp() / row.exp().sum()
        order = sorted(range(10), key=lambda c: -wanted[c])[:topk]
        assert one.classes == tuple(order)
        assert one.names == tuple(NAMES[c] for c in order)
        np.testing.assert_allclose(one.probabilities, wanted[order], rtol=1e-4)


def test_no_more_classes_than_there_are(network: Network, images: Tensor) -> None:
    for one in predict(network, images, 99):
        assert sorted(one.classes) == list(range(10))
        assert sum(one.probabilities) == pytest.approx(1, abs=1e-5)


def test_classes_without_names_go_by_their_numbers(network: Network, images: Tensor) -> None:
    for one in predict(replace(network, categories=NAMES[:3]), images, 10):
        assert one.names == tuple(NAMES[c] if c < 3 else str(c) for c in one.classes)


def features_only(tmp_path: Path) -> Network:
    """AlexNet from a file of its convolutions."""
    with torch.device("meta"):
        shapes = build("alexnet").module.features.state_dict()
    path = tmp_path / "convolutions.pth"
    torch.save({f"features.{name}": torch.zeros(t.shape) for name, t in shapes.items()}, path)
    return load_model("alexnet", path)


def test_a_network_without_the_weights_of_its_scores_predicts_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        predict(features_only(tmp_path), torch.zeros(1, 3, 224, 224))
    assert str(caught.value) == (
        "the weights convolutions.pth serve conv1 to pool5, not alexnet's class scores"
    )


def test_a_network_that_scores_no_classes_predicts_nothing(network: Network, images: Tensor) -> None:
    maps = replace(network, name="maps", module=nn.Conv2d(3, 5, 3))
    with pytest.raises(ModelError, match=r"^maps gives \(4, 5, 30, 30\), not \(N, classes\) scores$"):
        predict(maps, images)


@pytest.mark.parametrize(
    ("ids", "titles", "numbers"),
    [
        ([IDS[7], IDS[2]], ["another name", "goldfish"], [7, 2]),  # the id decides
        (["birds_1", "birds_2"], ["jay", "hen"], [7, 4]),  # else the name
        (["newt", "crane"], ["the newt", "the crane"], [8, 9]),  # else the folder that is named so
    ],
)
def test_classes_are_found_by_id_else_by_name(
    network: Network, ids: Sequence[str], titles: Sequence[str], numbers: list[int]
) -> None:
    assert class_numbers(network, ids, titles) == numbers


def test_of_two_classes_of_one_name_the_first_is_taken(network: Network) -> None:
    twice = replace(network, categories=(*NAMES[:9], "hen"), class_ids=())
    assert class_numbers(twice, ["hen"], ["hen"]) == [4]


def test_an_unknown_class_is_refused_with_the_nearest(network: Network) -> None:
    with pytest.raises(DataError, match=r"^cifar has no class 'white sharks'; did you mean 'white shark'\?"):
        class_numbers(network, ["hen", "x"], ["hen", "white sharks"])
    with pytest.raises(DataError, match=r"^cifar has no class 'hen'; it knows no class names$"):
        class_numbers(replace(network, categories=(), class_ids=()), ["hen"], ["hen"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Four of the ten classes in another order than the network's, with a picture that cannot be read."""
    folder = class_folders(
        tmp_path_factory.mktemp("data") / "photos", {"robin": 6, "crane": 7, "hen": 6, "goldfish": 6}, 40
    )
    broken = open_data(str(folder), val_per_class=4, side=32, progress=False).val.names[5]
    (folder / broken).write_bytes(b"no picture")
    return open_data(str(folder), val_per_class=4, side=32, progress=False)


def slowly(network: Network, data: DataSet) -> dict[str, float]:
    """Picture by picture, with torchvision's preprocessing."""
    first = within_five = loss = 0.0
    for row in data.val.rows:
        truth = network.categories.index(data.titles[data.val.labels[row]])
        with torch.inference_mode():
            scores = network.module(network.see(data.val.picture(int(row))))[0]
        order = scores.argsort(descending=True).tolist()
        first += order[0] == truth
        within_five += truth in order[:5]
        loss += float(F.cross_entropy(scores, torch.tensor(truth)))
    count = len(data.val.rows)
    return {"top1": first / count, "top5": within_five / count, "loss": loss / count, "images": count}


def test_a_whole_data_set_is_evaluated_as_by_a_plain_loop(network: Network, data: DataSet) -> None:
    assert list(data.titles) == ["crane", "goldfish", "hen", "robin"]
    assert len(data.skipped) == 1
    found, wanted = evaluate_network(network, data, CPU), slowly(network, data)
    assert wanted["images"] == 15
    assert 0 < wanted["top5"] < 1
    assert found.as_dict() == pytest.approx(wanted, rel=1e-4)
    assert found.confusion.sum(1).tolist() == [
        sum(data.titles[data.val.labels[row]] == name for row in data.val.rows) for name in NAMES
    ]
    assert found.confusion.trace() == round(wanted["top1"] * 15)


def test_pictures_of_another_size_are_scaled(network: Network, data: DataSet, tmp_path: Path) -> None:
    small = open_data(
        str(class_folders(tmp_path / "small", {"jay": 3, "newt": 3}, 20)), side=32, progress=False
    )
    assert small.val.pixels.shape[1:3] == (20, 20)
    assert evaluate_network(network, small, CPU).images == 2


def test_scores_beyond_the_named_classes_are_wrong_answers_like_others(
    network: Network, data: DataSet
) -> None:
    few = replace(network, categories=("crane", "goldfish", "hen", "robin"), class_ids=())
    found, wanted = evaluate_network(few, data, CPU), slowly(few, data)
    assert found.as_dict() == pytest.approx(wanted, rel=1e-4)


def test_a_network_that_lacks_a_class_is_not_evaluated(network: Network, data: DataSet) -> None:
    with pytest.raises(DataError, match="has no class 'crane'"):
        evaluate_network(replace(network, categories=NAMES[:2], class_ids=()), data, CPU)


def test_a_network_without_the_weights_of_its_scores_is_not_evaluated(tmp_path: Path) -> None:
    network = features_only(tmp_path)
    folder = class_folders(tmp_path / "photos", dict.fromkeys(network.categories[:2], 2), 16)
    data = open_data(str(folder), side=16, progress=False)
    with pytest.raises(ModelError, match=r"convolutions\.pth serve conv1 to pool5, not alexnet's class scor"):
        evaluate_network(network, data, CPU)
