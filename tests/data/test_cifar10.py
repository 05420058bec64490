"""CIFAR-10 where it cannot be had: one line that says what to do."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from urllib.error import URLError

import pytest
from torchvision.datasets import CIFAR10

from deconvviz.data.datasets import open_data
from deconvviz.errors import DataError

FETCH = "urllib.request.urlopen"  # where torchvision's download meets the network


class Page(io.BytesIO):
    """What a server answers that has something else."""

    url, length = CIFAR10.url, 18

    def __init__(self):
        super().__init__(b"<html>sorry</html>")


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_data("cifar10", root=root, progress=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def failing(error):
    def fetch(*_words, **_options):
        raise error

    return fetch


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("[Errno -2] Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset"),
    ],
)
def test_no_network(tmp_path, monkeypatch, capsys, error, reason):
    monkeypatch.setattr(FETCH, failing(error))
    message = refused(tmp_path / "new")
    assert message.startswith("cannot download CIFAR-10 (")
    for part in (reason, CIFAR10.url, "--data-root", "--data"):
        assert part in message
    assert list((tmp_path / "new").iterdir()) == []
    assert capsys.readouterr().out == ""


def test_a_download_with_another_checksum_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(FETCH, lambda *_, **__: Page())
    for _ in range(2):  # what was left is not taken for the real one
        message = refused(tmp_path)
        assert message.startswith(f"CIFAR-10 in {tmp_path} is damaged (")
    assert not (tmp_path / CIFAR10.base_folder).exists()
    assert capsys.readouterr().out == ""


def test_a_damaged_copy_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(FETCH, failing(URLError("none")))
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    for name, _ in CIFAR10.train_list + CIFAR10.test_list:
        (folder / name).write_bytes(b"not a pickle")
    assert refused(tmp_path).startswith("cannot download CIFAR-10")


def test_a_silent_server_is_not_waited_for_forever(tmp_path, monkeypatch):
    patience: list[float | None] = []

    def fetch(*_words, **_options):
        patience.append(socket.getdefaulttimeout())
        raise URLError("none")

    before = socket.getdefaulttimeout()
    monkeypatch.setattr(FETCH, fetch)
    refused(tmp_path)
    assert patience[0] is not None
    assert socket.getdefaulttimeout() == before


def test_a_quiet_download_shows_no_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(FETCH, lambda *_, **__: Page())
    refused(tmp_path)
    assert capsys.readouterr().err == ""
