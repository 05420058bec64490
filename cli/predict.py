"""``deconvviz predict``: what a network takes pictures for, and how often it is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import DATA_OPTIONS, data_options, opened_data
from .earlier import as_trained, given_options
from .options import image_arguments, model_option, output_options, weights_options
from .session import SESSION_OPTIONS, Session, announce, for_each_photo, open_session, pictures, targets

if TYPE_CHECKING:
    from deconvviz.data.datasets import DataSet
    from deconvviz.data.images import Photo
    from deconvviz.figures import Card

_SHOWN = 12  # of a data set's validation images


@click.command()
@image_arguments()
@click.option(
    "--topk", type=click.IntRange(min=1), default=5, show_default=True, metavar="K", help="How many classes."
)
@data_options(default=None)
@model_option()
@weights_options()
@output_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table; draw only with --out.")
@click.pass_context
def predict(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    sample: bool,
    topk: int,
    out: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Name the most probable classes of IMAGES, or count how often a network is right on a data set.

    The table goes to stdout, the figure beside it: each picture with its most probable classes, and its true
    class where its folder's name is one. With --data: top-1, top-5 and loss over the validation images; those
    that a run held out, where --weights is its folder and --data is what it was trained on.

    \b
        deconvviz predict cat.jpg dog.jpg
        deconvviz predict *.jpg --weights runs/pets --topk 2
        deconvviz predict --data tiny-imagenet --model mini --json
    """
    chosen = {name: options.pop(name) for name in DATA_OPTIONS}
    if chosen["data"] is None:
        if any(chosen[name] for name in DATA_OPTIONS):
            raise click.UsageError("--data-root, --classes, --only, ... choose from --data: name it")
        _pictures(pictures(images, sample), topk, out, as_json, options)
        return
    if images or sample:
        raise click.UsageError("name images or --data, not both")
    place = targets(["predictions"], [Path(chosen["data"]).absolute().stem], out)[0][0].figure
    session = open_session(**options)
    from deconvviz.training.predicting import evaluate_network

    seed, quiet, side = options["seed"], options["quiet"], session.network.input_size
    opening = as_trained(options["weights"], chosen, seed, given_options(context))
    data = opened_data(**opening, side=side, quiet=quiet)
    found = evaluate_network(session.network, data, session.device)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1))
    else:
        for name, value in found.as_dict().items():
            click.echo(f"{name:<7} {value if isinstance(value, int) else format(value, '.4f')}")
    if out is not None or not as_json:
        cards = _examples(session, data, topk, seed)
        title = f"{session.network.name} on {Path(data.name).name}: top-1 {found.top1:.3f}, "
        title += f"top-5 {found.top5:.3f}, loss {found.loss:.3f}"
        paths = _draw(session, cards, title, place, {"data": data.facts, **found.as_dict()})
        if not as_json:
            announce(*paths)


def _pictures(paths: list[Path], topk: int, out: str | None, as_json: bool, options: dict[str, Any]) -> None:
    """Predicts the pictures of files."""
    stem = paths[0].stem if len(paths) == 1 else "pictures"
    place = targets([stem], ["predictions"], out)[0][0].figure
    session = open_session(**{name: options[name] for name in SESSION_OPTIONS})
    from deconvviz.training.predicting import predict

    cards: list[Card] = []
    rows: list[dict[str, Any]] = []

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        found = predict(session.network, batch, topk)[0]
        truth = _truth(session, paths[i])
        cards.append(_card(session, batch, photo.name, found, truth))
        rows.append(
            {
                "image": str(paths[i]),
                "sha256": photo.sha256,
                "truth": truth or None,
                "predictions": [
                    {"class": c, "name": n, "probability": p}
                    for c, n, p in zip(found.classes, found.names, found.probabilities, strict=True)
                ],
            }
        )

    try:
        for_each_photo(paths, work)
    finally:
        if as_json and rows:
            click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        elif rows:
            _table(rows)
        if cards and (out is not None or not as_json):
            title = f"{session.network.name}: the {len(cards[0].classes)} most probable classes"
            written = _draw(session, cards, title, place, {"images": rows})
            if not as_json:
                announce(*written)


def _table(rows: list[dict[str, Any]]) -> None:
    wide = max(len(Path(row["image"]).name) for row in rows)
    for row in rows:
        name = Path(row["image"]).name
        for place, found in enumerate(row["predictions"]):
            right = "  (true)" if found["name"] == row["truth"] else ""
            percent = f"{100 * found['probability']:5.1f} %"
            click.echo(f"{'' if place else name:<{wide}}  {percent}  {found['name']}{right}")


def _truth(session: Session, path: Path) -> str:
    """The class that the picture's folder is named after, if it is one."""
    folder = path.absolute().parent.name
    ids = session.network.class_ids
    if folder in ids:
        return session.network.categories[ids.index(folder)]
    return folder if folder in session.network.categories else ""


def _card(session: Session, batch: Any, name: str, found: Any, truth: str) -> Card:
    from deconvviz.figures import Card
    from deconvviz.tiles import photo_tile

    pixels = photo_tile(session.network.pixels(batch)[0].cpu().numpy())
    return Card(pixels, name, found.names, found.probabilities, truth)


def _examples(session: Session, data: DataSet, topk: int, seed: int) -> list[Card]:
    """Some of the validation images, drawn at random, with what they are taken for."""
    import numpy as np

    from deconvviz.training.predicting import class_numbers, predict

    numbers = class_numbers(session.network, data.ids, data.titles)
    rows = np.random.default_rng(seed).permutation(data.val.rows)[:_SHOWN]
    cards = []
    for row in rows:
        batch = session.see(data.val.picture(row))
        truth = session.network.categories[numbers[data.val.labels[row]]]
        found = predict(session.network, batch, topk)[0]
        cards.append(_card(session, batch, Path(data.val.names[row]).name, found, truth))
    return cards


def _draw(session: Session, cards: list[Card], title: str, place: Path, facts: dict[str, Any]) -> list[Path]:
    from deconvviz.figures import predictions_figure, save_figure
    from deconvviz.runs import short_form, write_json

    told = session.manifest(**facts)
    figure = predictions_figure(cards, title=title, caption=f"weights {session.network.origin.label}")
    return [save_figure(figure, place, short_form(told)), write_json(place.with_suffix(".json"), told)]
