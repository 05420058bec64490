"""``deconvviz correspondence``: does hiding the same part change different pictures' features alike?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .optimising import check_places
from .options import layer_option, model_option, output_options, square_options, weights_options
from .session import SESSION_OPTIONS, Session, announce, open_session, targets

if TYPE_CHECKING:
    from deconvviz.data.images import Photo
    from deconvviz.data.points import Points

    from .correspondence_results import CorrespondenceResults


def _names(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(str.strip, (text or "").split(",")))))


@click.command()
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--points",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV file with the columns image,part,x,y: where each part is, in pixels of the photograph from "
    "its upper left one.",
)
@click.option(
    "--parts",
    callback=_names,
    metavar="NAME,NAME,...",
    help="Of the parts in the file those to cover  [default: all]; with --pick, those to click.",
)
@click.option(
    "--pick",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write such a file instead: a window shows the photographs, and you click the --parts in each.",
)
@layer_option(required=False)
@square_options()
@click.option(
    "--random-draws",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many random squares each image gets, to compare the parts with.",
)
@click.option("--no-random", is_flag=True, help="Leave random squares out.")
@click.option("--arrays", is_flag=True, help="Also write the distances of all pairs: NAME.npz.")
@model_option()
@weights_options()
@output_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def correspondence(
    images: tuple[Path, ...],
    points: Path | None,
    parts: tuple[str, ...],
    pick: Path | None,
    layers: tuple[str, ...],
    arrays: bool,
    out: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Cover the same part in all IMAGES and ask whether their features change alike.

    A square hides the part. For each pair of images: the share of a layer's features in which they differ in
    the sign (-, 0, +) of what the square takes away. The lower, the more the network treats the parts as the
    same thing, if random squares are higher. The table goes to stdout, the figure beside it.

    \b
        deconvviz correspondence dogs/*.jpg --parts "left eye,right eye,nose" --pick dogs.csv
        deconvviz correspondence dogs/*.jpg --points dogs.csv
        deconvviz correspondence dogs/*.jpg --points dogs.csv --layer conv3 --layer fc6 --size 30 --arrays
    """
    if len(images) < 2:
        raise click.UsageError("name at least two images: it is compared how their features change")
    twice = [name for name, count in Counter(path.name for path in images).items() if count > 1]
    if twice:
        raise click.UsageError(f"two images are called {twice[0]}: points know images by file name")
    wanted = {name: options.pop(name) for name in SESSION_OPTIONS}
    if pick is not None:
        if points is not None:
            raise click.UsageError("--pick makes a file of points, --points reads one: give one of the two")
        if not parts:
            raise click.UsageError('--pick wants to know what to click: --parts "left eye,right eye,nose"')
        from .picking import pick_points

        announce(pick_points(open_session(**wanted), images, parts, pick))
        return
    if points is None:
        raise click.UsageError("give --points FILE, or --pick FILE to make one by clicking")
    place = targets([points.stem], ["correspondence"], out)[0][0].figure
    check_places([place])
    from deconvviz.data.images import open_photo
    from deconvviz.data.points import parts_of, read_points

    known = read_points(points)
    chosen = parts_of(known, [path.name for path in images], parts)
    photos = [open_photo(path) for path in images]
    session = open_session(**wanted)
    results = _compared(session, photos, known, chosen, layers, wanted, **options)
    written = [results.figure(place)]
    if arrays:
        written.append(results.arrays(place.with_suffix(".npz")))
    written.append(results.manifest(place.with_suffix(".json")))
    if as_json:
        told = {"pairs": len(results.found.pairs), "parts": results.rows}
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    results.print_table()
    announce(*written)


def _compared(
    session: Session,
    photos: Sequence[Photo],
    known: Points,
    parts: Sequence[str],
    layers: Sequence[str],
    wanted: dict[str, Any],
    size: int | None,
    fill: str,
    random_draws: int,
    no_random: bool,
) -> CorrespondenceResults:
    """Runs the experiment, with a bar on stderr."""
    import torch
    from tqdm import tqdm

    from deconvviz.data.points import in_input
    from deconvviz.experiments.correspondence import correspondence as compared

    from .correspondence_results import CorrespondenceResults

    network, draws = session.network, 0 if no_random else random_draws
    seen = {
        part: [
            in_input(known[p.name][part], p.image.size, network, f"the {part} of {p.name}") for p in photos
        ]
        for part in parts
    }
    if not (layers or wanted["quiet"]) and any(t.is_meta for t in network.module.parameters()):
        served = f"the weights {network.origin.label} serve {network.served()}: only these are compared"
        click.echo(f"note: {served}", err=True)
    batch = torch.cat([session.see(photo.image) for photo in photos])
    passes = len(photos) * (len(parts) + 2 * draws)
    with tqdm(total=passes, desc="covered", unit="img", disable=wanted["quiet"], leave=False) as bar:
        found = compared(
            network,
            batch,
            seen,
            layers,
            size=size,
            fill=fill,
            random_draws=draws,
            seed=wanted["seed"],
            advance=bar.update,
        )
    return CorrespondenceResults(
        session,
        photos,
        batch,
        found,
        seen,
        {part: [known[p.name][part] for p in photos] for part in parts},
        fill,
        draws,
    )
