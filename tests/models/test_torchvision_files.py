"""Importing one file of torchvision alone: the same networks, and nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import deconvviz

PROGRAM = """
import json, sys
from deconvviz.models import load_model, outline
from deconvviz.models.building import builder, published_preset
from deconvviz.models.torchvision_files import torchvision_module

def torchvisions():
    return sorted(m for m in sys.modules if m.split(".")[0] == "torchvision")

seen = {"before": torchvisions()}
lean = torchvision_module("models.vgg", lean=True)
presets = torchvision_module("transforms._presets", lean=True)
network = load_model("alexnet", "random", lean=True)
efficient = load_model("efficientnet_b0", "random", lean=True)
bicubic = published_preset(builder("efficientnet_b0", lean=True)[1], 224)
outlines = [outline(name) for name in ("resnet18", "vgg11", "convnext_tiny", "regnet_y_400mf")]
seen["read once"] = torchvision_module("models.vgg", lean=True) is lean
seen["after"] = torchvisions()
seen["heavy"] = [m for m in ("torch._dynamo", "torchvision.ops") if m in sys.modules]
import torch, torchvision
seen["whole"] = all(hasattr(torchvision, m) for m in ("models", "transforms", "ops", "io"))
with torch.device("meta"):
    pairs = [(lean.vgg11_bn(), torchvision.models.vgg11_bn()), (network.module, torchvision.models.alexnet())]
    pairs += [(efficient.module, torchvision.models.efficientnet_b0())]
seen["same keys"] = [list(a.state_dict()) == list(b.state_dict()) for a, b in pairs]
seen["same text"] = [str(a) == str(b) for a, b in pairs]
seen["weights"] = lean.VGG16_Weights.DEFAULT.url == torchvision.models.VGG16_Weights.DEFAULT.url
from PIL import Image
image = Image.effect_noise((300, 260), 60).convert("RGB")
ordinary = torchvision.transforms._presets.ImageClassification(crop_size=224)
seen["same pixels"] = torch.equal(network.preset(image), ordinary(image))
whole = torchvision.models.EfficientNet_B0_Weights.DEFAULT.transforms()
seen["same bicubic pixels"] = torch.equal(bicubic(image), whole(image))
seen["one object"] = torchvision_module("models.vgg", lean=True) is torchvision.models.vgg
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, object]:
    """What a fresh Python process reports."""
    root = Path(deconvviz.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_lean_import_leaves_sys_modules_as_before(seen: dict[str, object]) -> None:
    assert seen["before"] == []
    assert seen["after"] == []
    assert seen["heavy"] == []
    assert seen["read once"]


def test_a_later_import_of_torchvision_is_the_ordinary_one(seen: dict[str, object]) -> None:
    assert seen["whole"]
    assert seen["one object"]


def test_the_networks_are_the_same(seen: dict[str, object]) -> None:
    assert seen["same keys"] == [True, True, True]
    assert seen["same text"] == [True, True, True]
    assert seen["weights"]


def test_the_preprocessing_is_the_same(seen: dict[str, object]) -> None:
    assert seen["same pixels"]
    assert seen["same bicubic pixels"]
