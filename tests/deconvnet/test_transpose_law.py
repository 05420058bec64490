"""The adjoint law, <A x, r> = <x, A^T r>, for every mirrored layer, and the same layers in plain loops."""

from __future__ import annotations

from itertools import product

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.deconvnet import ContrastNormalisation, Rectification, Rules, Unpooling, mirror, record

from .. import strategies as some
from ..strategies import Case, drawn, noise

GRADIENT = Rules(Rectification.GRADIENT, lrn=ContrastNormalisation.TRANSPOSE)


def mirrored(case: Case, signal: Tensor, rules: Rules = GRADIENT) -> Tensor:
    """The signal at the end of the case's network taken down to its input."""
    whole = nn.Sequential(case.net)
    return mirror(record(whole, case.images, ["0"]), "0", rules)(signal)


def assert_adjoint(forward: Tensor, down: Tensor, x: Tensor, signal: Tensor) -> None:
    left, right = (forward * signal).sum(), (x * down).sum()
    size = forward.norm() * signal.norm() + x.norm() * down.norm() + 1
    assert down.shape == x.shape
    assert abs(left - right) <= 1e-10 * size


def signal_for(case: Case, seed: int = 7) -> Tensor:
    with torch.no_grad():
        return noise(seed, *case.net(case.images).shape)


@given(some.convolutions())
@drawn(120)
def test_filtering(case: Case) -> None:
    x, signal = noise(3, *case.images.shape), signal_for(case)
    with torch.no_grad():
        forward = case.net(x) - case.net(torch.zeros_like(x))
    assert_adjoint(forward, mirrored(case, signal), x, signal)


@given(st.integers(1, 9), st.integers(1, 9), some.SEEDS)
@drawn(10)
def test_linear(into: int, out: int, seed: int) -> None:
    case = Case(some.randomised(nn.Linear(into, out), seed), noise(seed, 2, into))
    x, signal = noise(3, 2, into), noise(4, 2, out)
    assert_adjoint(x @ case.net.weight.detach().T, mirrored(case, signal), x, signal)


@given(some.max_pools())
@drawn(120)
def test_unpooling_is_the_transpose_of_picking_the_switches(case: Case) -> None:
    pool, x, signal = case.net, noise(3, *case.images.shape), signal_for(case)
    places = F.max_pool2d(
        case.images, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode, True
    )[1]
    picked = x.flatten(2).gather(2, places.flatten(2)).view_as(places)
    assert_adjoint(picked, mirrored(case, signal), x, signal)


@given(st.one_of(some.average_pools(), some.adaptive_pools()))
@drawn(120)
def test_average_pools(case: Case) -> None:
    x, signal = noise(3, *case.images.shape), signal_for(case)
    assert_adjoint(case.net(x), mirrored(case, signal), x, signal)


@given(some.SEEDS, st.booleans())
@drawn(10)
def test_batch_normalisation(seed: int, affine: bool) -> None:
    case = Case(some.randomised(nn.BatchNorm2d(3, affine=affine), seed), noise(seed, 2, 3, 4, 5))
    x, signal = noise(3, 2, 3, 4, 5), noise(4, 2, 3, 4, 5)
    with torch.no_grad():
        forward = case.net(x) - case.net(torch.zeros_like(x))
    assert_adjoint(forward, mirrored(case, signal), x, signal)


@given(some.SEEDS, st.integers(2, 5))
@drawn(10)
def test_contrast_normalisation_is_the_transposed_jacobian(seed: int, size: int) -> None:
    case = Case(nn.LocalResponseNorm(size, alpha=0.5, beta=0.75, k=2.0), noise(seed, 2, 6, 3, 4))
    x, signal = noise(3, 2, 6, 3, 4), noise(4, 2, 6, 3, 4)
    _, forward = torch.autograd.functional.jvp(case.net, (case.images,), (x,))
    assert_adjoint(forward, mirrored(case, signal), x, signal)


@given(st.sampled_from([nn.ReLU(), nn.ReLU6(), nn.Flatten(), nn.Dropout(), nn.Identity()]), some.SEEDS)
@drawn(20)
def test_layers_that_cut_or_reshape(layer: nn.Module, seed: int) -> None:
    case = Case(layer.eval(), 5 * noise(seed, 2, 3, 4, 5))
    x, signal = noise(3, 2, 3, 4, 5), signal_for(case)
    _, forward = torch.autograd.functional.jvp(case.net, (case.images,), (x,))
    assert_adjoint(forward, mirrored(case, signal), x, signal)


@given(some.chains())
@drawn(120)
def test_whole_chains_under_the_gradient_rule(case: Case) -> None:
    x, signal = noise(3, *case.images.shape), signal_for(case)
    plain = nn.Sequential(*[nn.ReLU() if isinstance(m, nn.ReLU) else m for m in case.net])
    _, forward = torch.autograd.functional.jvp(plain, (case.images,), (x,))
    last = str(len(case.net) - 1)
    down = mirror(record(case.net, case.images, [last]), last, GRADIENT)(signal)
    assert_adjoint(forward, down, x, signal)


@given(some.max_pools())
@drawn(30)
def test_unpooling_by_loops(case: Case) -> None:
    pool, signal = case.net, signal_for(case)
    (kh, kw), (ph, pw), (dh, dw) = pool.kernel_size, pool.padding, pool.dilation
    sh, sw = pool.stride or pool.kernel_size
    height, width = case.images.shape[2:]
    wanted = torch.zeros_like(case.images)
    for image, channel, i, j in product(*map(range, signal.shape)):
        best, place = -torch.inf, (0, 0)
        for a, b in product(range(kh), range(kw)):
            row, column = i * sh - ph + a * dh, j * sw - pw + b * dw
            if 0 <= row < height and 0 <= column < width and case.images[image, channel, row, column] > best:
                best, place = case.images[image, channel, row, column].item(), (row, column)
        wanted[image, channel, *place] += signal[image, channel, i, j]
    torch.testing.assert_close(mirrored(case, signal), wanted, rtol=0, atol=1e-12)


@given(some.convolutions())
@drawn(30)
def test_filtering_by_loops(case: Case) -> None:
    conv, signal = case.net, signal_for(case)
    wanted = torch.zeros_like(case.images)
    per_group, into = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    for image, out, i, j in product(*map(range, signal.shape)):
        first = out // per_group * into
        for a, b in product(*map(range, conv.kernel_size)):
            row = i * conv.stride[0] - conv.padding[0] + a * conv.dilation[0]
            column = j * conv.stride[1] - conv.padding[1] + b * conv.dilation[1]
            if 0 <= row < wanted.shape[2] and 0 <= column < wanted.shape[3]:
                filtered = signal[image, out, i, j] * conv.weight.detach()[out, :, a, b]
                wanted[image, first : first + into, row, column] += filtered
    torch.testing.assert_close(mirrored(case, signal), wanted, rtol=0, atol=1e-12)


def test_unpooling_to_the_centre_of_each_window() -> None:
    case = Case(nn.MaxPool2d(3, 2), noise(1, 1, 1, 5, 5))
    signal = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.float64)
    wanted = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    wanted[0, 0, 1::2, 1::2] = signal[0, 0]
    assert torch.equal(mirrored(case, signal, Rules(unpooling=Unpooling.CENTRE)), wanted)


def test_an_even_window_unpools_to_the_cell_before_its_centre() -> None:
    case = Case(nn.MaxPool2d((2, 4)), noise(1, 1, 1, 4, 8))
    signal = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.float64)
    wanted = torch.zeros(1, 1, 4, 8, dtype=torch.float64)
    wanted[0, 0, 0::2, 1::4] = signal[0, 0]
    assert torch.equal(mirrored(case, signal, Rules(unpooling=Unpooling.CENTRE)), wanted)
