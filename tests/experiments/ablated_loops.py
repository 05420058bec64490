"""A network to ablate, and the combinations again, in plain loops over numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def chain(seed=3):
    """Three convolutions, two overlapping pools, one contrast normalisation that is strong."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(3, alpha=4.0, beta=0.75, k=1.0),
            nn.Conv2d(5, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 1, padding=1),
            nn.Conv2d(4, 3, 2),
            nn.ReLU(),
        ).double()


def _conv_places(conv, up, shape):
    """Every (out, row, column, in, row below, column below, weight) of a convolution."""
    weight = conv.weight.detach().numpy()
    for out, row, column in np.ndindex(*up):
        for into, a, b in np.ndindex(*weight.shape[1:]):
            y = row * conv.stride[0] - conv.padding[0] + a
            x = column * conv.stride[1] - conv.padding[1] + b
            if 0 <= y < shape[1] and 0 <= x < shape[2]:
                yield out, row, column, into, y, x, weight[out, into, a, b]


def _windows(pool, up):
    """Every (map, row, column) of a pool, and the corner of its window."""
    for out, row, column in np.ndindex(*up):
        yield (out, row, column), row * pool.stride - pool.padding, column * pool.stride - pool.padding


def _divisors(norm, x):
    """What contrast normalisation divides by, before the exponent, and the neighbours of each map."""
    reach = norm.size // 2
    near = [[j for j in range(len(x)) if abs(i - j) <= reach] for i in range(len(x))]
    squares = np.stack([(x[maps] ** 2).sum(0) for maps in near])
    return norm.k + norm.alpha / norm.size * squares, near


def _up(module, x, shape):
    """The output of a layer, and where each maximum of a pool came from."""
    y, switches = np.zeros(shape), {}
    if isinstance(module, nn.Conv2d):
        y += module.bias.detach().numpy()[:, None, None]
        for out, row, column, into, r, c, weight in _conv_places(module, shape, x.shape):
            y[out, row, column] += weight * x[into, r, c]
    elif isinstance(module, nn.ReLU):
        y = np.maximum(x, 0)
    elif isinstance(module, nn.MaxPool2d):
        for place, top, left in _windows(module, shape):
            best = -np.inf
            for a, b in np.ndindex(module.kernel_size, module.kernel_size):
                r, c = top + a, left + b
                if 0 <= r < x.shape[1] and 0 <= c < x.shape[2] and x[place[0], r, c] > best:
                    best, switches[place] = x[place[0], r, c], (place[0], r, c)
            y[place] = best
    else:
        d, _ = _divisors(module, x)
        y = x * d**-module.beta
    return y, switches


def taken_down(net, image, unit, combination):
    """A one at a unit of a network's last layer, down to the pixels of (3, H, W)."""
    passes, x = [], image
    for module in net:
        with torch.no_grad():
            shape = tuple(module(torch.from_numpy(x)[None])[0].shape)
        y, switches = _up(module, x, shape)
        passes.append((module, x, y, switches))
        x = y
    signal = np.zeros(x.shape)
    signal[unit.channel, unit.row, unit.column] = 1
    for module, x, y, switches in reversed(passes):
        signal = _down(module, x, y, switches, signal, combination)
    return signal


def _down(module, x, y, switches, signal, combination):
    below = np.zeros(x.shape)
    if isinstance(module, nn.Conv2d):
        for out, row, column, into, r, c, weight in _conv_places(module, signal.shape, x.shape):
            below[into, r, c] += weight * signal[out, row, column]
    elif isinstance(module, nn.ReLU):
        for place in np.ndindex(*x.shape):
            value = signal[place]
            if combination.backward_relu and value < 0:
                value = 0
            if combination.mask and y[place] == 0:
                value = 0
            below[place] = value
    elif isinstance(module, nn.MaxPool2d):
        middle = (module.kernel_size - 1) // 2
        assert module.kernel_size % 2 == 1  # it has a middle
        for place, top, left in _windows(module, signal.shape):
            to = switches[place] if combination.switches else (place[0], top + middle, left + middle)
            if to[1] < x.shape[1] and to[2] < x.shape[2]:  # else the centre hangs over the edge
                below[to] += signal[place]
    elif combination.lrn_transposed:
        d, near = _divisors(module, x)
        for i, maps in enumerate(near):
            below[i] += signal[i] * d[i] ** -module.beta
            for j in maps:
                slope = (
                    -2 * module.alpha * module.beta / module.size * x[i] * x[j] * d[i] ** (-module.beta - 1)
                )
                below[j] += slope * signal[i]
    else:
        below = signal
    return below
