"""Batch norm and dropout of several processes against torch's own over the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from deconvviz.training.processes import Processes
from deconvviz.training.synchronised import GlobalBatchNorm, GlobalDropout, globally

CPU = torch.device("cpu")
ALONE = Processes(0, 1, CPU)
CASES = {
    "maps": (nn.BatchNorm2d, (8, 3, 5, 4), {}),
    "units": (nn.BatchNorm1d, (8, 6), {}),
    "sequences": (nn.BatchNorm1d, (4, 3, 7), {"momentum": 0.3, "eps": 1e-2}),
    "no weights": (nn.BatchNorm2d, (4, 3, 2, 2), {"affine": False}),
    "cumulative": (nn.BatchNorm2d, (6, 2, 3, 3), {"momentum": None}),
    "untracked": (nn.BatchNorm1d, (8, 3), {"track_running_stats": False}),
}
"""The norm, the shape of the whole batch, and the norm's options."""


def inputs(case):
    """The norm with weights of its own, three batches, and a weight for every output."""
    kind, shape, options = CASES[case]
    generator = torch.Generator().manual_seed(sorted(CASES).index(case))
    norm = kind(shape[1], **options)
    for parameter in norm.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    batches = [torch.randn(shape, generator=generator) * (i + 1) + i for i in range(3)]
    return norm, batches, torch.randn(shape, generator=generator)


def results(norm, batches, weights):
    """Outputs, gradients and running statistics after two steps and one evaluation."""
    found = {}
    for step, batch in enumerate(batches[:2]):
        batch.requires_grad_()
        out = norm(batch)
        loss = (weights * out * out).sum() + out.sum()
        loss.backward()
        found |= {f"out {step}": out.detach(), f"input gradient {step}": batch.grad}
    shared = {f"gradient of {name}": p.grad for name, p in norm.named_parameters()}
    shared |= {name: t.double() for name, t in norm.state_dict().items()}
    norm.eval()
    if norm.state_dict().get("running_mean") is not None:
        found["evaluated"] = norm(batches[2]).detach()
    return found, shared


def share(rank, shared_file, folder):
    """What one of two processes does."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{shared_file}", rank=rank, world_size=2)
    found = {}
    for case in CASES:
        norm, batches, weights = inputs(case)
        count = len(weights) // 2
        mine = slice(rank * count, (rank + 1) * count)
        norm = globally(nn.Sequential(norm), Processes(rank, 2, CPU))[0]
        assert isinstance(norm, GlobalBatchNorm)
        found[case] = results(norm, [batch[mine].clone() for batch in batches], weights[mine])
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shares")
    words = [sys.executable, "-m", "tests.training.test_synchronised"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([*words, str(rank), str(folder / "meeting"), str(folder)], env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_batch_norm_of_two_processes_is_that_of_the_whole_batch(shares, case):
    whole, whole_shared = results(*inputs(case))
    (first, first_shared), (second, second_shared) = (found[case] for found in shares)
    assert first.keys() == whole.keys()
    for name, expected in whole.items():
        together = torch.cat([first[name], second[name]])
        torch.testing.assert_close(
            together, expected, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert first_shared.keys() == whole_shared.keys()
    for name, expected in whole_shared.items():
        if name.startswith("gradient"):  # each has its part; training adds them up
            torch.testing.assert_close(
                first_shared[name] + second_shared[name], expected, rtol=1e-5, atol=1e-4
            )
        else:
            for found in (first_shared, second_shared):
                torch.testing.assert_close(found[name], expected, rtol=1e-5, atol=1e-5)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.Dropout(0.3), nn.BatchNorm2d(4)),
        nn.Dropout2d(),
    )


def test_alone_a_process_keeps_torchs_batch_norm():
    net = globally(network(), ALONE)
    kinds = [type(m) for m in net.modules() if not m._modules]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, GlobalDropout, nn.BatchNorm2d, nn.Dropout2d]


def test_names_and_values_stay():
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    parameters = dict(net.named_parameters())
    globally(net, Processes(0, 2, CPU))
    assert [type(m) for m in (net[1], net[2][1])] == [GlobalBatchNorm] * 2
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(p is parameters[name] for name, p in net.named_parameters())
    net.load_state_dict({name: tensor + 1 for name, tensor in before.items()})
    net.double()
    assert net.state_dict()["1.running_mean"].dtype == torch.float64
    assert net.eval()(torch.randn(2, 3, 8, 8).double()).isfinite().all()


def test_dropout_in_evaluation_does_nothing():
    values = torch.randn(4, 5)
    assert GlobalDropout(0.5, ALONE).eval()(values) is values
    assert GlobalDropout(0.0, ALONE)(values) is values


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_zeroes_its_share(p):
    torch.manual_seed(0)
    values = torch.full((200, 500), 3.0)
    dropped = GlobalDropout(p, ALONE)(values)
    assert (dropped == 0).double().mean() == pytest.approx(p, abs=0.01)
    assert dropped.mean() == pytest.approx(3.0, rel=0.03)
    torch.testing.assert_close(dropped[dropped != 0].unique(), torch.tensor([3 / (1 - p)]))
    assert (dropped != 0).any(0).all()
    assert (dropped != 0).any(1).all()


def test_dropout_of_everything_is_zero():
    assert torch.equal(GlobalDropout(1.0, ALONE)(torch.ones(3, 4)), torch.zeros(3, 4))


def test_dropout_of_two_processes_is_that_of_the_whole_batch():
    values = torch.randn(6, 4, 3)
    parts = []
    for rank in range(2):
        torch.manual_seed(5)
        parts.append(GlobalDropout(0.4, Processes(rank, 2, CPU))(values[3 * rank : 3 * rank + 3]))
    torch.manual_seed(5)
    assert torch.equal(torch.cat(parts), GlobalDropout(0.4, ALONE)(values))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dropout_keeps_the_type(dtype):
    values = torch.ones(4, 4, dtype=dtype, requires_grad=True)
    dropped = GlobalDropout(0.5, ALONE)(values)
    assert dropped.dtype == dtype
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


if __name__ == "__main__":
    share(int(sys.argv[1]), *sys.argv[2:])
