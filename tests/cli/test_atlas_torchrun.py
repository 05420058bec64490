"""A scan that was killed in the middle goes on in two processes that torchrun starts, with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .support import invoke, write_photo

WORDS = ("photos", "--model", "slownets:tiny", "--device", "cpu", "--topk", "3", "--batch-size", "2")
SLOW = """
import time
from pathlib import Path

import mynets


def tiny():
    net = mynets.tiny()
    net.register_forward_pre_hook(lambda *_: time.sleep(0.2) if Path("slow").exists() else None)
    return net
"""
TABLES = ["units.parquet", "statistics.parquet", "images.parquet"]


def started(*words, torchrun=False):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"] if torchrun else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "deconvviz_cli", "atlas", "scan", *WORDS, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done_in(folder):
    """Batches in the checkpoints."""
    return sum(int(np.load(path)["done"].sum()) for path in Path(folder).glob("scan-*.npz"))


@pytest.mark.slow
def test_killed_and_gone_on_with_by_two_processes(folder):
    Path("slownets.py").write_text(SLOW, encoding="utf-8")
    Path("slow").touch()
    Path("photos").mkdir()
    for number in range(30):
        write_photo(Path("photos", f"{number:02}.png"), number, 36)
    one = started("--out", "ATLAS", "--checkpoint-every", "0", "--workers", "1")
    deadline = time.monotonic() + 100
    while done_in("ATLAS") < 3 and one.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    one.send_signal(signal.SIGKILL)
    one.communicate()
    assert one.returncode == -signal.SIGKILL
    Path("slow").unlink()
    assert 3 <= done_in("ATLAS") < 15
    assert not Path("ATLAS/manifest.json").exists()

    two = started("--out", "ATLAS", "--resume", torchrun=True)
    out, err = two.communicate(timeout=100)
    assert two.returncode == 0, err
    assert out.splitlines() == [f"ATLAS/{name}" for name in (*TABLES, "manifest.json")]
    assert err.count("note: going on after") == 1
    assert "Warning" not in err
    assert "scan (the first of 2 shares)" in err
    invoke("atlas", "scan", *WORDS, "--out", "whole", "--quiet").ok()
    for name in TABLES:
        assert Path("ATLAS", name).read_bytes() == Path("whole", name).read_bytes(), name
