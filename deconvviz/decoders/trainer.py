"""One layer's decoder being trained: a step, a validation, and what must be kept of it.

The loss is the squared error between reconstruction and image, which makes a decoder predict the *expected*
pre-image: the mean of all images with such features. A recipe may add the error of the features that the
encoder gives to the reconstruction.

Source: Dosovitskiy & Brox, arXiv 1506.02753 (the loss in image space) and arXiv 1602.02644 (in feature
space); averaged weights: Polyak & Juditsky 1992.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.nn.parallel import DistributedDataParallel

from ..metrics import evenly_spaced
from ..training.augment import resized
from ..training.batches import step_seed
from ..training.processes import Processes
from ..training.schedules import rate_at
from ..training.trainer import autocast
from .architecture import Scale
from .decoder import DecoderFacts, in_pixels
from .feeding import Batch, Feed
from .linear import LinearStart
from .recipes import Recipe

_SCALED, _SOLVED = 256, 20_000  # images that the scale, and the linear start, are taken from
_WARM = 10  # steps: an average that has seen fewer than ten times its length forgets faster


class LayerTrainer:
    """A layer's decoder with its optimiser and its averaged weights.

    Attributes:
        facts: what it inverts.
        module: what is trained.
        average: the running average of its weights; without one the module itself.
        optimiser: over its parameters.
        side: of the predicted images.
        epochs: how many it gets.
        parameters: how many numbers are trained.
    """

    def __init__(
        self,
        facts: DecoderFacts,
        recipe: Recipe,
        feed: Feed,
        steps: int,
        processes: Processes,
        compiled: bool = False,
    ) -> None:
        """Draws the decoder.

        Args:
            facts: what it inverts.
            recipe: how; its precision is no longer ``auto``.
            feed: the training images.
            steps: an epoch has so many.
            processes: who shares the work.
            compiled: let torch.compile make the step.
        """
        self.facts, self._recipe, self._feed, self._steps = facts, recipe, feed, steps
        self._processes, self.epochs = processes, recipe.epochs_of(facts.layer)
        device = processes.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_seed(recipe.seed, 0, 2))
            self.module = facts.network()
        if recipe.channels_last:
            self.module.to(memory_format=torch.channels_last)
        self.module.to(device)
        with torch.inference_mode():
            self.side = int(self.module.eval()(torch.zeros(1, *facts.shape, device=device)).shape[-1])
        self.average = copy.deepcopy(self.module) if recipe.average else self.module
        self._step: nn.Module = self.module
        if processes.count > 1:
            ids = [device.index] if device.type == "cuda" else None
            self._step = DistributedDataParallel(self.module, device_ids=ids)
        if compiled:
            self._step = cast(nn.Module, torch.compile(self._step))
        trained = [p for p in self.module.parameters() if p.requires_grad]
        self.parameters = sum(p.numel() for p in trained)
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
        fused = device.type in ("cpu", "cuda")  # one pass over the weights: up to seven times as fast
        self.optimiser = kind(groups, lr=recipe.lr, betas=(recipe.betas[0], recipe.betas[1]), fused=fused)

    def measure(self) -> None:
        """Takes from the training images what is not trained: the scale of the features, the linear start."""
        feed, layer = self._feed, self.facts.layer
        rows = feed.images.rows[evenly_spaced(len(feed.images), _SCALED)]
        few = torch.cat([batch.features[layer].cpu() for batch in feed.plain(rows, [layer])])
        for part in self.module.modules():
            if isinstance(part, Scale):
                part.measure(few)
        if isinstance(self.module, LinearStart):
            rows = feed.images.rows[evenly_spaced(len(feed.images), _SOLVED)]
            self.module.solve(
                (batch.features[layer], feed.target(batch.images, self.side))
                for view in range(2 if self._recipe.flip else 1)
                for batch in feed.plain(rows, [layer], view=view)
            )
        self.average.load_state_dict(self.module.state_dict())

    @property
    def kept(self) -> nn.Module:
        """What a checkpoint holds beside the optimiser."""
        return nn.ModuleDict({"decoder": self.module, "average": self.average})

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0 over the whole run."""
        recipe = self._recipe
        return rate_at(
            recipe.schedule,
            recipe.lr,
            step,
            steps_per_epoch=self._steps,
            epochs=self.epochs,
            warmup=recipe.warmup,
            step_epochs=recipe.step_epochs,
            gamma=recipe.gamma,
        )

    def step(self, batch: Batch, number: int) -> Tensor:
        """One step of the optimiser.

        Args:
            batch: images and features.
            number: of the step, counted from 0 over the whole run.

        Returns:
            (3,) float64 on the device, means over the batch: the loss, the squared error a pixel and the
            Euclidean norm of an image's error, the last two in [0, 1] pixels.
        """
        recipe, layer = self._recipe, self.facts.layer
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(number)
        target = self._feed.target(batch.images, self.side)
        self.module.train()
        torch.manual_seed(step_seed(recipe.seed, number, 0))  # of dropout
        with autocast(recipe.precision, self._processes.device):
            images = self._step(self._laid_out(batch.features[layer])).float()
        loss = F.mse_loss(images, target) if recipe.loss == "mse" else F.l1_loss(images, target)
        if recipe.feature_weight:
            loss = loss + recipe.feature_weight * self._feature_error(images, batch.features[layer])
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if recipe.clip:
            nn.utils.clip_grad_norm_(self.module.parameters(), recipe.clip)
        self.optimiser.step()
        self._follow(number)
        return torch.cat([loss.detach().double()[None], self._errors(images.detach(), target).mean(0)])

    def validate(self, batches: Iterable[Batch]) -> Tensor:
        """The averaged weights over images as they are.

        Returns:
            (4,) float64 on the device, sums over the images: how many, squared error a pixel, norm of the
            error, and peak signal-to-noise ratio in dB.
        """
        network = self.average.eval()
        sums = torch.zeros(4, dtype=torch.float64, device=self._processes.device)
        with torch.inference_mode():
            for batch in batches:
                with autocast(self._recipe.precision, self._processes.device):
                    images = network(self._laid_out(batch.features[self.facts.layer]))
                errors = self._errors(images, self._feed.target(batch.images, self.side))
                squared = errors[:, 0]
                ratio = -10 * squared.clamp_min(1e-12).log10()
                sums += torch.stack([torch.ones_like(squared), squared, errors[:, 1], ratio]).sum(1)
        return sums

    def _errors(self, images: Tensor, target: Tensor) -> Tensor:
        """(N, 2) float64: the mean squared error of visible pixels, and the norm of their difference."""
        mean, std = self.facts.mean, self.facts.std
        shown = in_pixels(images, mean, std).clamp(0, 1)
        squared = (shown - in_pixels(target, mean, std)).square().flatten(1)
        return torch.stack([squared.mean(1), squared.sum(1).sqrt()], 1).double()

    def _feature_error(self, images: Tensor, features: Tensor) -> Tensor:
        encoder = self._feed.encoder
        layer = self.facts.layer
        found = encoder.features(resized(images, self.facts.input_size), [layer])[layer]
        return (found - features).square().sum() / features.square().sum().clamp_min(1e-12)

    def _laid_out(self, features: Tensor) -> Tensor:
        if self._recipe.channels_last and features.ndim == 4:
            return features.contiguous(memory_format=torch.channels_last)
        return features

    def _follow(self, number: int) -> None:
        if self.average is self.module:
            return
        keep = min(self._recipe.average, 1 - 1 / (number / _WARM + 1))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.module.parameters()), 1 - keep)
