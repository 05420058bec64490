"""What ``auto`` means, with and without a cache, a network, and weights; no test leaves this machine."""

from __future__ import annotations

import gc
import hashlib
import io
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights

from deconvviz.errors import ModelError, WeightsError
from deconvviz.models import load_model, outline
from deconvviz.models.building import build

DECIDED_S = 5
LINGER = struct.pack("ii", 1, 0)  # closing the connection then resets it


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An empty cache of torch's own kind, and no network: what was asked of it is listed here."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    asked: list[str] = []

    def refuse(request: Any, *_: Any, **__: Any) -> NoReturn:
        asked.append(request.full_url)
        raise URLError("no network in a test")

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    yield asked
    with warnings.catch_warnings():  # torch.hub leaves a connection that broke off to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def cached(folder: Path) -> Path:
    """Where torch looks for AlexNet's weights."""
    return folder / "hub" / "checkpoints" / Path(AlexNet_Weights.DEFAULT.url).name


def first_layers(model: str, *prefixes: str) -> dict[str, Tensor]:
    """Some of a network's parameters, all of them a half."""
    with torch.device("meta"):
        state = build(model).module.state_dict()
    return {name: torch.full(t.shape, 0.5) for name, t in state.items() if name.startswith(prefixes)}


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


class Server(BaseHTTPRequestHandler):
    """Has a file, and may lose the connection in the middle of it."""

    content = b"weights" * 1000
    loses = ""

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        half = self.content[: len(self.content) // 2]
        if self.loses == "chunk":
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(self.content):x}\r\n".encode() + half)
            self.close_connection = True
            return
        if self.loses == "file":
            return self.send_error(503)
        self.do_HEAD()
        self.wfile.write(half if self.loses else self.content)
        if self.loses == "connection":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            self.connection.close()


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, content: bytes, loses: str = "") -> Iterator[None]:
    """AlexNet's weights lie on a server on this machine."""
    handler = type("Handler", (Server,), {"content": content, "loses": loses})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a connection closed on purpose
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        found_at(monkeypatch, server.server_port, hashlib.sha256(content).hexdigest()[:8])
        try:
            yield
        finally:
            server.shutdown()


def found_at(monkeypatch: pytest.MonkeyPatch, port: int, digest: str = "7be5be79") -> None:
    url = f"http://127.0.0.1:{port}/alexnet-{digest}.pth"
    monkeypatch.setattr(AlexNet_Weights.DEFAULT.value, "url", url)
    monkeypatch.setattr("torch.hub.urlopen", urlopen)
    monkeypatch.setattr("urllib.request.urlopen", urlopen)


def test_alexnet_where_its_weights_are_cached(tmp_path: Path, asked: list[str]) -> None:
    path = saved(cached(tmp_path), first_layers("alexnet", "features"))
    network = load_model("auto")
    assert (network.name, network.origin.path) == ("alexnet", path)
    assert network.module.features[0].weight.mean() == 0.5
    assert asked == []


def test_alexnet_where_its_weights_can_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    torch.save(first_layers("alexnet", "features.0"), file)
    with serving(monkeypatch, file.getvalue()):
        network = load_model("auto", progress=False)
    assert network.name == "alexnet"
    assert cached(tmp_path).read_bytes() == file.getvalue()


@pytest.mark.parametrize(
    "error",
    [
        URLError("[Errno -3] Temporary failure in name resolution"),
        TimeoutError("timed out"),
        ConnectionResetError(104, "Connection reset by peer"),
        HTTPError("https://x", 403, "Forbidden", None, None),  # type: ignore[arg-type]
        BadStatusLine("SSH-2.0-OpenSSH_9.6"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_mini_where_there_is_no_network(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    monkeypatch.setattr("urllib.request.urlopen", fail)
    network = load_model("auto")
    assert (network.name, network.origin.label) == ("mini", "mini.safetensors")


def test_a_server_that_never_replies_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found_at(monkeypatch, silent.getsockname()[1])
        start = time.perf_counter()
        assert load_model("auto").name == "mini"
        assert time.perf_counter() - start < DECIDED_S


def test_a_name_that_is_looked_up_for_ever_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def hang(*_: Any, **__: Any) -> NoReturn:
        done.wait(30)
        raise socket.gaierror("no such name")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.perf_counter()
    try:
        assert load_model("auto").name == "mini"
        assert time.perf_counter() - start < DECIDED_S
    finally:
        done.set()


LOSSES = pytest.mark.parametrize("loses", ["half", "connection", "chunk", "file"])


@LOSSES
def test_a_download_that_breaks_off_leaves_mini(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loses: str
) -> None:
    with serving(monkeypatch, b"weights" * 1000, loses):
        assert load_model("auto", progress=False).name == "mini"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@LOSSES
def test_alexnet_by_name_is_never_another(monkeypatch: pytest.MonkeyPatch, loses: str) -> None:
    with (
        serving(monkeypatch, b"weights" * 1000, loses),
        pytest.raises(WeightsError, match="download") as caught,
    ):
        load_model("alexnet", progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("model", "gets"), [("auto", "mini"), ("alexnet", "")])
def test_a_connection_whose_encryption_fails(monkeypatch: pytest.MonkeyPatch, model: str, gets: str) -> None:
    class Answer:
        status = 200

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None: ...

        def info(self) -> NoReturn:
            raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")

    for module in ("torch.hub", "urllib.request"):
        monkeypatch.setattr(f"{module}.urlopen", lambda *_, **__: Answer())
    if gets:
        assert load_model(model, progress=False).name == gets
    else:
        with pytest.raises(WeightsError, match="cannot download the weights of alexnet"):
            load_model(model, progress=False)


def test_mini_where_the_cache_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub").write_text("a file where torch wants its folder")
    with serving(monkeypatch, b"weights"):
        assert load_model("auto", progress=False).name == "mini"


def test_a_file_of_alexnets_convolutions_is_alexnet(tmp_path: Path, asked: list[str]) -> None:
    path = saved(tmp_path / "features.pth", first_layers("alexnet", "features"))
    network = load_model("auto", path)
    assert (network.name, network.origin.label) == ("alexnet", "features.pth")
    assert network.served() == "conv1 to pool5"
    assert asked == []


@pytest.mark.parametrize("name", ["alexnet", "vgg16_bn", "zfnet", "mini", "cifar"])
def test_a_whole_file_fits_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with torch.device("meta"):  # the shapes decide: no need for half a gigabyte of values
        state = build(name).module.state_dict()
    monkeypatch.setattr("deconvviz.models.auto.read_state", lambda _: state)
    assert outline("auto", tmp_path / "whole.pth").name == name


def test_a_file_that_fits_several_networks_lists_them(tmp_path: Path) -> None:
    names = ["features.0.", "features.2.", "features.5.", "features.7."]  # conv1_1 to conv2_2
    path = saved(tmp_path / "start.pth", first_layers("vgg16", *names))
    with pytest.raises(ModelError) as caught:
        load_model("auto", path)
    assert str(caught.value) == "start.pth fits vgg13, vgg16, vgg19: say which with --model"
    assert load_model("vgg16", path).served() == "conv1_1 to pool2"


@pytest.mark.parametrize(
    "state", [{"stem.weight": torch.zeros(3)}, {"features.0.weight": torch.zeros(64, 3, 5, 5)}]
)
def test_a_strangers_file_is_refused_in_one_line(tmp_path: Path, state: dict[str, Tensor]) -> None:
    with pytest.raises(ModelError, match=r"^strange\.pth fits none .* --model package\.module:function$"):
        load_model("auto", saved(tmp_path / "strange.pth", state))


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth does not exist"):
        load_model("auto", tmp_path / "none.pth")


def test_random_weights_are_alexnets(asked: list[str]) -> None:
    network = load_model("auto", "random", seed=3)
    assert (network.name, network.origin.label) == ("alexnet", "random (seed 3)")
    assert not any(p.is_meta for p in network.module.parameters())
    assert asked == []


@pytest.mark.parametrize(("there", "name"), [(True, "alexnet"), (False, "mini")])
def test_an_outline_downloads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], there: bool, name: str
) -> None:
    monkeypatch.setattr("deconvviz.models.auto.answers", lambda _: there)
    network = outline("auto")
    assert network.name == name
    assert all(p.is_meta for p in network.module.parameters())
    assert asked == []
    assert not list(tmp_path.iterdir())
