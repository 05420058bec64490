"""A class by its number, its id or its name."""

from __future__ import annotations

import pytest
from torch import nn
from torchvision.models import AlexNet_Weights

from deconvviz.errors import ModelError
from deconvviz.models import Network, WeightsOrigin, load_model, outline
from deconvviz.models.classes import class_count, class_ids, class_number, class_title

IMAGENET = tuple(AlexNet_Weights.DEFAULT.meta["categories"])
KNOWN = {
    "n01440764": (0, "tench"),
    "n02012849": (134, "crane bird"),
    "n02099601": (207, "golden retriever"),
    "n02123045": (281, "tabby"),
    "n02124075": (285, "Egyptian cat"),
    "n02504458": (386, "African elephant"),
    "n03126707": (517, "crane"),
    "n03710721": (639, "maillot tank suit"),
    "n15075141": (999, "toilet tissue"),
}


def network(*names: str, ids: tuple[str, ...] = (), classes: int = 0) -> Network:
    last = nn.Linear(1, classes or len(names), device="meta")
    return Network("net", nn.Sequential(last), lambda image: image, WeightsOrigin("none"), {}, names, ids)


def refused(net: Network, text: str) -> str:
    with pytest.raises(ModelError) as caught:
        class_number(net, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_wordnet_ids_of_imagenet() -> None:
    net = network(*IMAGENET)
    ids = class_ids(net)
    assert (len(ids), list(ids)) == (1000, sorted(set(ids)))
    for wnid, (number, name) in KNOWN.items():
        assert (class_number(net, wnid), IMAGENET[number]) == (number, name)


def test_wordnet_ids_agree_with_those_of_tiny_imagenet() -> None:
    net, mini = network(*IMAGENET), load_model("mini")
    pairs = list(zip(mini.class_ids, mini.categories, strict=True))
    assert len(pairs) == 100
    assert [class_title(net, class_number(net, wnid)) for wnid, _ in pairs] == [name for _, name in pairs]


def test_ids_of_other_classes_are_not_imagenets() -> None:
    assert class_ids(network(*map(str, range(1000)))) == ()
    assert class_ids(network(*IMAGENET[:10])) == ()
    folders = tuple(f"f{i}" for i in range(1000))
    assert class_ids(network(*IMAGENET, ids=folders)) == folders


def test_a_number() -> None:
    net = network(*IMAGENET)
    assert (class_number(net, "207"), class_number(net, "0"), class_number(net, "999")) == (207, 0, 999)
    assert refused(net, "1000") == "net has 1000 classes, 0 to 999; there is no 1000"
    assert "0 to 999" in refused(net, "-1")
    assert class_number(network(classes=10), "9") == 9


@pytest.mark.parametrize("text", ["golden retriever", "Golden Retriever", "golden_retriever", "n02099601"])
def test_a_name(text: str) -> None:
    assert class_number(network(*IMAGENET), text) == 207


def test_a_folder_of_ones_own() -> None:
    net = network("cat", "dog", ids=("Felis_catus", "n02084071"))
    assert class_number(net, "felis catus") == 0
    assert class_number(net, "n02084071") == class_number(net, "dog") == 1
    assert class_number(network(classes=2, ids=("a", "b")), "b") == 1


def test_capitals_tell_classes_apart_where_nothing_else_does() -> None:
    net = network(*IMAGENET)
    assert [class_title(net, n) for n in (264, 474)] == ["Cardigan", "cardigan"]
    assert (class_number(net, "Cardigan"), class_number(net, "cardigan")) == (264, 474)
    assert refused(net, "CARDIGAN").endswith("give one by its number: 264, 474")


def test_a_name_that_classes_share() -> None:
    net = network("crane", "heron", "crane")
    assert refused(net, "crane") == "net has several classes 'crane'; give one by its number: 0, 2"
    assert class_number(net, "heron") == 1


@pytest.mark.parametrize("text", ["golden retreiver", "GOLDEN_RETREIVER"])
def test_an_unknown_name_offers_the_nearest(text: str) -> None:
    told = refused(network(*IMAGENET), text)
    assert told.startswith(f"net has no class '{text}'; did you mean 'golden retriever'? there are: tench, ")


def test_a_network_without_names() -> None:
    told = refused(network(classes=10), "cat")
    assert told == "net has no class names; give a class by its number, 0 to 9"


def test_titles() -> None:
    net = network("cat", "dog", classes=3)
    assert [class_title(net, n) for n in (1, 2, -1)] == ["dog", "class 2", "class -1"]


@pytest.mark.parametrize(
    ("name", "count"), [("alexnet", 1000), ("squeezenet1_0", 1000), ("mini", 100), ("cifar", 10)]
)
def test_how_many(name: str, count: int) -> None:
    assert class_count(outline(name)) == count


@pytest.mark.parametrize("last", [nn.PReLU(), nn.Flatten()], ids=lambda m: type(m).__name__)
def test_a_network_that_ends_otherwise(last: nn.Module) -> None:
    layers = [nn.Linear(2, 3), nn.PReLU(), nn.Flatten()] if isinstance(last, nn.PReLU) else [last]
    net = Network("net", nn.Sequential(*layers), lambda image: image, WeightsOrigin("none"))
    with pytest.raises(ModelError, match=r"^cannot tell how many classes net has: it ends in a Flatten, not"):
        class_count(net)
