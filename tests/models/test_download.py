"""Published weights: from the cache, from the network, and neither; no test reaches the network."""

from __future__ import annotations

import socket
from email.message import Message
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError

import pytest
import torch
from torchvision.models import AlexNet_Weights, VGG16_Weights

from deconvviz import load_model
from deconvviz.errors import WeightsError
from deconvviz.models.downloads import downloaded

ALEXNET_FILE = "alexnet-owt-7be5be79.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch's own kind, and a network that fails the test if it is touched."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def touched(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("the network was touched")

    monkeypatch.setattr("torch.hub.urlopen", touched)
    return tmp_path / "hub" / "checkpoints"


def answer_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    monkeypatch.setattr("torch.hub.urlopen", fail)


def refused(model: str = "alexnet") -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("[Errno -3] Temporary failure in name resolution"), "Temporary failure"),
        (URLError(TimeoutError("timed out")), "timed out"),
        (TimeoutError("The read operation timed out"), "timed out"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset"),
        (HTTPError("https://x", 403, "Forbidden", None, None), "Forbidden"),  # type: ignore[arg-type]
    ],
    ids=["no name", "timeout", "read timeout", "reset", "forbidden"],
)
def test_no_network(monkeypatch: pytest.MonkeyPatch, cache: Path, error: BaseException, reason: str) -> None:
    answer_with(monkeypatch, error)
    message = refused()
    assert message.startswith("cannot download the weights of alexnet (")
    assert reason in message
    assert AlexNet_Weights.DEFAULT.url in message
    assert str(cache) in message
    assert "--weights random" in message


def test_the_patience_with_a_silent_server_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    patience: list[float | None] = []

    def fail(*_: Any, **__: Any) -> NoReturn:
        patience.append(socket.getdefaulttimeout())
        raise URLError("none")

    before = socket.getdefaulttimeout()
    monkeypatch.setattr("torch.hub.urlopen", fail)
    refused()
    assert patience[0] is not None
    assert 0 < patience[0] <= 60
    assert socket.getdefaulttimeout() == before


def test_a_wrong_checksum(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    class Answer:
        def __init__(self) -> None:
            self.chunks = [b"some other bytes", b""]

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None: ...

        def info(self) -> Message:
            return Message()

        def read(self, _: int = 0) -> bytes:
            return self.chunks.pop(0)

        def close(self) -> None: ...

    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: Answer())
    message = refused()
    assert "is damaged" in message
    assert "try again" in message
    assert not (cache / ALEXNET_FILE).exists()


def test_a_file_in_the_cache_is_used_without_a_network(cache: Path) -> None:
    state = load_model("alexnet", "random", seed=9).module.features.state_dict()
    cache.mkdir(parents=True)
    torch.save({f"features.{name}": t for name, t in state.items()}, cache / ALEXNET_FILE)
    network = load_model("alexnet")
    assert network.origin.path == cache / ALEXNET_FILE
    assert network.origin.label == ALEXNET_FILE
    assert torch.equal(network.module.features[0].weight, state["0.weight"])
    assert len(network.categories) == 1000


def test_a_damaged_file_in_the_cache_is_named(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / ALEXNET_FILE).write_bytes(b"half a file")
    assert f"{cache / ALEXNET_FILE} is damaged" in refused()


def test_the_cached_name_is_torchvisions(cache: Path) -> None:
    cache.mkdir(parents=True)
    for weights in (AlexNet_Weights.DEFAULT, VGG16_Weights.DEFAULT):
        path = cache / Path(weights.url).name
        path.write_bytes(b"there")
        assert downloaded("x", weights) == path


def test_zfnet_has_no_published_weights() -> None:
    assert "no trained weights are published for zfnet" in refused("zfnet")
