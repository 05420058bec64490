"""Weights files that are damaged, of another network, or not to be trusted."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch

from .support import MODEL, complaint, invoke, refused, save_weights


class Surprise:
    """Unpickling it leaves a file behind."""

    def __reduce__(self):
        return Path.touch, (Path("surprise"),)


def bad_weights(kind):
    path = Path(f"{kind}.pth")
    whole = save_weights(Path("whole.pth")).read_bytes()
    if kind == "other":
        torch.save({"stem.weight": torch.zeros(3)}, path)
    elif kind == "wide":
        save_weights(path, **{"0_weight": torch.zeros(64, 3, 11, 11)})
    elif kind == "extra":
        save_weights(path, **{"99_weight": torch.zeros(3)})
    elif kind == "nan":
        save_weights(path, **{"4_weight": torch.full((6, 12, 3, 3), float("nan"))})
    elif kind == "code":
        torch.save({"0.weight": Surprise()}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"0.weight": Surprise()}))
    elif kind == "list":
        torch.save([torch.zeros(3)], path)
    elif kind == "none":
        torch.save({}, path)
    else:
        path.write_bytes(
            {"empty": b"", "half": whole[: len(whole) // 2], "page": b"<html>not found</html>\n"}[kind]
        )
    Path("whole.pth").unlink()
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("other", r"other\.pth is of another network: it has 'stem\.weight'"),
        ("wide", r"wide\.pth does not fit mynets:tiny: '0\.weight' is 64x3x11x11 in the file, 12x3x5x5"),
        ("extra", r"extra\.pth is of another network: it has '99\.weight'"),
        ("nan", r"NaN or infinity in '4\.weight'"),
        ("code", r"code\.pth is refused: .* could run code"),
        ("pickle", r"pickle\.pth is (refused|damaged)"),
        ("list", r"list\.pth is not a state dict"),
        ("none", r"none\.pth holds no tensors"),
        ("empty", r"empty\.pth is damaged"),
        ("half", r"half\.pth is damaged"),
        ("page", r"page\.pth is damaged or not a weights file"),
    ],
)
def test_weights(folder, kind, says):
    path = bad_weights(kind)
    said = refused("cat.png", "--layer", "conv2", *MODEL, "--weights", path)
    assert re.search(says, said), said
    assert not Path("surprise").exists()


def test_safetensors_that_are_none(folder):
    (folder / "text.safetensors").write_bytes(b"weights\n" * 99)
    said = refused("cat.png", "--layer", "conv2", *MODEL, "--weights", "text.safetensors")
    assert said.startswith("text.safetensors is damaged or not a safetensors file")


def test_weights_of_a_small_network_for_alexnet(folder):
    save_weights(folder / "tiny.pth")
    said = refused("cat.png", "--layer", "conv5", "--model", "alexnet", "--weights", "tiny.pth")
    assert said.startswith("tiny.pth is of another network: it has '0.weight'")


def test_part_of_the_weights_serves_part_of_the_layers(folder):
    state = torch.load(save_weights(folder / "all.pth"), weights_only=True)
    torch.save({k: v for k, v in state.items() if k.startswith(("0.", "4."))}, "convolutions.pth")
    words = ["--weights", "convolutions.pth", *MODEL]
    assert invoke("project", "cat.png", "--layer", "pool2", *words).ok()
    said = complaint(invoke("project", "cat.png", "--layer", "fc3", *words))
    assert said == "the weights convolutions.pth have no values for 'fc3'; they serve conv1 to pool2"
