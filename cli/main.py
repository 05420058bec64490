"""The group of commands, and how anything that goes wrong becomes one line."""

from __future__ import annotations

import os
import sys

import click

from deconvviz import __version__
from deconvviz.errors import DeconvvizError

from .ablate import ablate
from .atlas import atlas
from .class_model import class_model
from .compare import compare
from .correspondence import correspondence
from .evaluate import evaluate
from .evolution import evolution
from .export import export
from .filters import filters
from .health import health
from .invariance import invariance
from .invert import invert
from .layers import layers
from .maps import maps
from .models import models
from .occlude import occlude
from .perturb import perturb
from .predict import predict
from .project import project
from .randomise import randomise
from .recipes import recipes
from .reconstruct import reconstruct
from .saliency import saliency
from .segment import segment
from .train_classifier import train_classifier
from .train_decoder import train_decoder


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="deconvviz", message="%(prog)s %(version)s")
def main() -> None:
    """See what a convolutional network sees.

    Project a photograph's strongest activations back to pixels with the deconvnet of Zeiler & Fergus:

    \b
        deconvviz project cat.jpg --layer conv5 --topk 9
    """


for command in (
    project,
    maps,
    filters,
    layers,
    models,
    predict,
    saliency,
    segment,
    randomise,
    occlude,
    invariance,
    correspondence,
    evolution,
    health,
    atlas,
    class_model,
    train_classifier,
    export,
    train_decoder,
    reconstruct,
    evaluate,
    invert,
    compare,
    perturb,
    ablate,
    recipes,
):
    main.add_command(command)


def run() -> None:
    """Runs the command line: exit code 0, 1 with one line for what went wrong, 2 for wrong usage."""
    try:
        sys.exit(main.main(prog_name="deconvviz", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx else "deconvviz"
        _complain(f"{error.format_message()} (see '{asked} --help')")
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _complain(
            "interrupted; what was printed before is complete; a training run or a scan goes on with "
            "--resume, a render when it is started again"
        )
        sys.exit(130)
    except DeconvvizError as error:
        _complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _complain(f"{error.filename or 'the system'}: {error.strerror or error}")
    except MemoryError:
        _complain("not enough memory; ask for fewer units (--topk) or a smaller --input-size")
    except Exception as error:  # a defect of ours: still one line, and how to see the rest
        if os.environ.get("DECONVVIZ_DEBUG"):
            raise
        first = (str(error).splitlines() or [""])[0]
        _complain(
            f"unexpected {type(error).__name__}: {first} (DECONVVIZ_DEBUG=1 shows where)",
            always="by peer" not in first,  # else another process stopped, and says why itself
        )
    sys.exit(1)


def _complain(message: str, always: bool = False) -> None:
    """Says what went wrong; of the processes that torchrun starts on a machine one, of what all meet."""
    if os.environ.get("LOCAL_RANK", "0") != "0" and not always:
        return
    click.echo("deconvviz: " + " ".join(message.split()), err=True)
