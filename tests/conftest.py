"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

_VARIABLE = "DECONVVIZ_DATA"


def pytest_configure() -> None:
    """Each of several test processes computes with its share of the cores, and so do its children."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0))
    if processes > 1:
        threads = max(1, (os.cpu_count() or 1) // processes)
        torch.set_num_threads(threads)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def smooth_noise(height: int, width: int, seed: int = 0) -> Tensor:
    """(1, 3, H, W) float64: noise blurred at three scales, normalised: as smooth as a photograph."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, height, width, dtype=torch.float64)
    for side in (1, 5, 21):
        noise = torch.randn(
            1, 3, height + side - 1, width + side - 1, generator=generator, dtype=torch.float64
        )
        blurred = F.avg_pool2d(noise, side, stride=1)
        total += blurred / blurred.std()
    return total / total.std()


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images of the tests stay out of the user's cache, and no test finds weights in torch's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECONVVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        yield


@pytest.fixture(scope="session")
def photo_like() -> Tensor:
    """(1, 3, 224, 224) float64: a smooth random image, normalised."""
    return smooth_noise(224, 224)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder with `weights/` and `photos/`: from the environment, or beside the repository."""
    named = os.environ.get(_VARIABLE)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(named) if named else beside
    if not (folder / "weights").is_dir():
        pytest.skip(f"no reference weights and photographs in {folder}; name their folder in {_VARIABLE}")
    return folder
