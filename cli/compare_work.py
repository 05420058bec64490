"""The photographs of one comparison and the answers for them, a method at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .compare_session import Compared
from .session import within_memory

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.compare.answers import Answer, Comparison
    from deconvviz.data.images import Photo

_SLOW = "optimised"  # comes last, so that whoever ends the search has all the rest


@dataclass(frozen=True)
class Seen:
    """A photograph as the network sees it.

    Attributes:
        number: its place among those named.
        photo: the photograph.
        batch: (1, 3, H, W), normalised.
    """

    number: int
    photo: Photo
    batch: Tensor


class Work:
    """The comparisons of some photographs, made when they are asked for.

    Attributes:
        methods: in the table's order.
        interrupted: whether the user ended the work.
    """

    def __init__(
        self, compared: Compared, seen: Sequence[Seen], options: dict[str, Any], quiet: bool
    ) -> None:
        import torch

        from deconvviz.metrics import mean_pair_distance

        self.methods: tuple[str, ...] = options["methods"]
        self.interrupted = False
        self._compared, self._seen, self._options, self._quiet = compared, seen, options, quiet
        self._apart = float("nan")
        if len(seen) > 1:
            batch = torch.cat([one.batch for one in seen])
            self._apart = mean_pair_distance(compared.session.network.pixels(batch))

    def facts(self) -> dict[str, Any]:
        """How the pictures are made, for the manifest."""
        searched = {name: self._options[name] for name in ("preset", "iterations")}
        searched["search_seed"] = self._options["seed"]  # the session's may be one of the decoder's training
        return {
            "decoders": [decoder.label for decoder in self._compared.decoders],
            "pair_distance": self._apart if len(self._seen) > 1 else None,
            **(searched if _SLOW in self.methods else {}),
        }

    def comparisons(self) -> Iterator[tuple[Seen, Comparison]]:
        """One after the other; after Ctrl-C none more than the one that it came in, which says so."""
        cells = len(self._compared.layers) * len(self.methods)
        with self._progress(len(self._seen) * cells) as (watch, at):
            for i, one in enumerate(self._seen):
                comparison = self._of(one, watch)
                at((i + 1) * cells)
                yield one, comparison
                if self.interrupted:
                    return

    def _of(self, one: Seen, watch: Callable[[str, str, int, int], None]) -> Comparison:
        """One photograph's, the quick methods first."""
        from deconvviz.compare.answers import Answer, Comparison

        layers = tuple(self._compared.layers)
        answers: dict[tuple[str, str], Answer] = {}
        original = self._compared.session.network.pixels(one.batch)[0].cpu()
        quick, slow = [m for m in self.methods if m != _SLOW], [m for m in self.methods if m == _SLOW]
        for methods in filter(None, (quick, slow)):
            if not self.interrupted:
                found = self._compare(one, methods, watch)
                answers.update(found.answers)
            else:
                cells = [(layer, method) for layer in layers for method in methods]
                answers.update({cell: Answer(*cell, missing="interrupted") for cell in cells})
        return Comparison(one.photo.name, original, layers, self.methods, answers)

    def _compare(
        self, one: Seen, methods: Sequence[str], watch: Callable[[str, str, int, int], None]
    ) -> Comparison:
        from deconvviz.compare.comparing import Interrupted, compare

        session, options = self._compared.session, self._options
        with within_memory(session, options["batch_size"]):
            try:
                (found,) = compare(
                    session.network,
                    one.batch,
                    self._compared.layers,
                    methods,
                    decoders=self._compared.decoders,
                    names=[one.photo.name],
                    preset=options["preset"],
                    iterations=options["iterations"],
                    seed=options["seed"],
                    batch_size=options["batch_size"],
                    pair_distance=self._apart,
                    watch=watch,
                )
            except Interrupted as ended:
                self.interrupted = True
                (found,) = ended.comparisons
        return found

    @contextmanager
    def _progress(
        self, total: int
    ) -> Iterator[tuple[Callable[[str, str, int, int], None], Callable[[int], None]]]:
        """A bar over images, layers and methods, as a function to be told of steps, and one to set it."""
        from tqdm import tqdm

        with tqdm(desc="comparing", unit="picture", total=total, disable=self._quiet) as bar:
            ready: set[tuple[str, str]] = set()  # of the photograph at hand

            def watch(layer: str, method: str, done: int, of: int) -> None:
                bar.set_postfix_str(f"{layer} {method}", refresh=False)
                bar.update(done == of and (layer, method) not in ready)
                if done == of:
                    ready.add((layer, method))

            def at(count: int) -> None:
                ready.clear()
                bar.update(count - bar.n)

            yield watch, at
