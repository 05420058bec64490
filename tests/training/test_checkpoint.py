"""Checkpoints: the same bits back, and never half a file."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest
import safetensors
import torch
from torch import nn

from deconvviz.errors import OutputError, TrainingError
from deconvviz.training.checkpoint import load_state, read_tensors, save_state, save_tensors

OPTIMISERS = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.01),
}


def network(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)
    )
    return net.to(memory_format=torch.channels_last)


def optimiser(net, name):
    weights, others = ([p for p in net.parameters() if (p.ndim > 1) is many] for many in (True, False))
    return OPTIMISERS[name](
        [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    )


def train(net, optim, steps, first=0):
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(4, 3, 8, 8, generator=generator).to(memory_format=torch.channels_last)
        optim.zero_grad()
        net(images).square().mean().backward()
        optim.step()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_goes_on_with_the_same_bits(tmp_path, name):
    net = network()
    optim = optimiser(net, name)
    train(net, optim, 3)
    rows = [{"epoch": 1, "val_loss": 1 / 3, "lr": 1e-17, "best": math.inf}]
    path = save_state(tmp_path / "last.safetensors", net, optim, {"rows": rows})
    other = network(seed=1)
    again = optimiser(other, name)
    assert load_state(path, other, again) == {"rows": rows}
    for steps in (0, 2):
        train(net, optim, steps, first=3)
        train(other, again, steps, first=3)
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[key]), key
        for p, q in zip(net.parameters(), other.parameters(), strict=True):
            assert optim.state[p].keys() == again.state[q].keys()
            for key, tensor in optim.state[p].items():
                assert torch.equal(tensor, again.state[q][key]), key
    assert [g["weight_decay"] for g in again.param_groups] == [0.1, 0.0]
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_state_before_the_first_step(tmp_path):
    net = network()
    path = save_state(tmp_path / "a.safetensors", net, optimiser(net, "sgd"), {})
    other = network(seed=1)
    load_state(path, other, optimiser(other, "sgd"))
    assert all(torch.equal(t, other.state_dict()[n]) for n, t in net.state_dict().items())


def test_tensors_and_plain_data_come_back(tmp_path):
    tensors = {
        "halves": torch.randn(3, 2).half(),
        "number": torch.tensor(7),
        "turned": torch.randn(4, 3).t(),
        "channels last": torch.randn(1, 3, 4, 4).to(memory_format=torch.channels_last),
        "empty": torch.empty(0, 3),
    }
    facts = {"rows": [{"a": 0.1}], "name": "Größe 猫", "none": None}
    path = save_tensors(tmp_path / "new" / "a.safetensors", tensors, facts)
    found, told = read_tensors(path)
    assert told == facts
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


def test_tied_weights_are_saved(tmp_path):
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    optim = OPTIMISERS["sgd"](net.parameters())
    path = save_state(tmp_path / "a.safetensors", net, optim, {})
    assert torch.equal(read_tensors(path)[0]["model.2.weight"], net[0].weight)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        safetensors.SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_leaves_the_older_file(tmp_path, monkeypatch, error):
    def save_file(_tensors, path, _metadata):
        Path(path).write_bytes(b"half of it")
        raise error

    path = save_tensors(tmp_path / "a.safetensors", {"a": torch.ones(3)}, {"epoch": 1})
    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", save_file)
        with pytest.raises(OutputError) as caught:
            save_tensors(path, {"a": torch.zeros(3)}, {"epoch": 2})
    assert str(caught.value).startswith(f"cannot write {path}: ")
    assert "No space left on device" in str(caught.value)
    assert "\n" not in str(caught.value)
    tensors, facts = read_tensors(path)
    assert torch.equal(tensors["a"], torch.ones(3))
    assert facts == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_the_older_file(tmp_path, monkeypatch, error):
    def save_file(_tensors, path, _metadata):
        Path(path).write_bytes(b"half of it")
        raise error

    path = save_tensors(tmp_path / "a.safetensors", {"a": torch.ones(3)}, {})
    monkeypatch.setattr("safetensors.torch.save_file", save_file)
    with pytest.raises(error):
        save_tensors(path, {"a": torch.zeros(3)}, {})
    assert torch.equal(read_tensors(path)[0]["a"], torch.ones(3))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", ["wider", "deeper", "other names"])
def test_a_checkpoint_of_another_network_is_refused(tmp_path, change):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    path = save_state(tmp_path / "a.safetensors", net, OPTIMISERS["sgd"](net.parameters()), {})
    other = {
        "wider": nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)),
        "deeper": nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2)),
        "other names": nn.ModuleDict({"first": nn.Linear(3, 4)}),
    }[change]
    with pytest.raises(TrainingError) as caught:
        load_state(path, other, OPTIMISERS["sgd"](other.parameters()))
    assert str(caught.value).startswith(f"{path} is of another network: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text", "no json"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    net = network()
    optim = optimiser(net, "sgd")
    path = tmp_path / "a.safetensors"
    save_state(path, net, optim, {})
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "no json":
        safetensors.torch.save_file({"a": torch.ones(1)}, path, {"deconvviz": "{"})
    else:
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"no such file\n"}[damage])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(TrainingError) as caught:
        load_state(path, net, optim)
    assert str(caught.value).startswith(f"{path} is missing or damaged (")
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
