"""Help and wrong options answer at once: nothing heavy is imported before it is known what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deconvviz import __version__

HEAVY = {"torch", "torchvision", "matplotlib", "numpy", "PIL", "cv2"}
COMMANDS = ("project", "maps", "filters", "layers", "models", "predict", "train-classifier", "export")
COMMANDS += ("compare", "perturb", "ablate")
COMMANDS += ("saliency", "segment", "randomise", "class-model", "invert")
COMMANDS += ("occlude", "invariance", "correspondence", "evolution", "health")
COMMANDS += ("atlas", "atlas scan", "atlas merge", "atlas render", "atlas figure")
AT_ONCE = 0.5  # seconds of computing, the best of five: what a person takes for at once

ASK = """
import sys
from importlib.metadata import entry_points
(entry,) = entry_points(group="console_scripts", name="deconvviz")
sys.argv[0] = "deconvviz"
try:
    entry.load()()
except SystemExit as end:
    code = end.code or 0
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)


def answer(*words: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """The finished process, and those of the heavy packages that it imported."""
    done = python("-c", ASK, *words)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("LOADED "), done.stderr
    return done, HEAVY & set(last.split()[1:])


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], *([*name.split(), "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_imports_nothing_heavy(words):
    done, heavy = answer(*words)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: deconvviz")
    assert done.stderr == ""
    assert not heavy


def test_version():
    done, heavy = answer("--version")
    assert done.stdout.splitlines()[0] == f"deconvviz {__version__}"
    assert done.returncode == 0
    assert not heavy


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--colour"], "--colour"),
        (["dream"], "dream"),
        (["project", "cat.jpg", "--layer", "conv5", "--topk", "0"], "--topk"),
        (["project", "cat.jpg", "--layer", "conv5", "--topk", "many"], "--topk"),
        (["project", "cat.jpg", "--layer", "conv5", "--rule", "saliency"], "guided"),
        (["project", "cat.jpg", "--layer", "conv5", "--unit", "three"], "--unit"),
        (["project", "cat.jpg", "--layer", "conv5", "--unit", "1,2"], "--unit"),
        (["project", "cat.jpg", "--layer", "conv5", "--out", "cat.bmp"], ".svg"),
        (["project", "cat.jpg", "--layer", "conv5", "--input-size", "0"], "--input-size"),
        (["project", "cat.jpg"], "--layer"),
        (["project", "--layer", "conv5"], "image"),
        (["project", "cat.jpg", "--sample", "--layer", "conv5"], "--sample"),
        (["maps", "--layer", "conv5"], "image"),
        (["filters"], "--layer"),
        (["layers", "--layers"], "--layers"),
        (["health", "--json", "--arrays"], "--out"),
        (["occlude", "cat.jpg", "--layer", "conv1", "--layer", "conv2"], "--layer once"),
        (["train-classifier", "--out", "run", "--renormalise", "nan"], "--renormalise"),
        (["train-classifier", "--out", "run", "--lr", "inf"], "--lr"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_imports_nothing_heavy(words, says):
    done, heavy = answer(*words)
    assert done.returncode == 2
    assert re.fullmatch(r"deconvviz: [^\n]+ \(see 'deconvviz[ a-z-]*--help'\)\n", done.stderr)
    assert says in done.stderr
    assert not heavy


def test_without_a_command_the_help_is_shown():
    done, heavy = answer()
    assert done.returncode == 2
    assert all(name.split()[0] in done.stdout for name in COMMANDS)
    assert not heavy


def test_help_answers_at_once():
    times = []
    for _ in range(5):
        start = processor_time()
        assert python("-m", "deconvviz_cli", "--help").returncode == 0
        times.append(processor_time() - start)
    assert min(times) < AT_ONCE, times


def processor_time() -> float:
    """Seconds that processes started here have computed: other tests beside them do not count."""
    resource = pytest.importorskip("resource", reason="only Unix tells what processes have used")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_installed_script_is_the_module():
    script = Path(sys.executable).with_name("deconvviz")
    if not script.is_file():
        pytest.skip("no script beside this Python")
    done = subprocess.run([str(script), "--help"], capture_output=True, text=True, timeout=120)
    assert done.stdout == python("-m", "deconvviz_cli", "--help").stdout.replace(
        "python -m deconvviz_cli", "deconvviz"
    )


def test_importing_the_library_costs_nothing():
    code = "import sys, deconvviz, deconvviz.errors, deconvviz.runs; print(*sys.modules)"
    done = python("-W", "error", "-c", code)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
