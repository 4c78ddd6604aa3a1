"""Searches in real processes that are killed: no finished trial is lost or run twice."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from places import ROOT, TESTS

from lesionkit.searching.trials import trials_in

pytestmark = pytest.mark.slow

SCRIPT = TESTS / "searched.py"
LAUNCH = ROOT / "examples" / "launch_workers.py"
PATIENCE = 240


def start(folder, output, strategy, trials, workers=0):
    many = [LAUNCH, "--engine", "search", "--workers", str(workers), "--", sys.executable] if workers else []
    command = [sys.executable, *many, SCRIPT, folder, output, strategy, str(trials)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def files(output):
    """The finished trials, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (output / "trials").glob("[!.]*.json")}


def until(count, output, process):
    """Waits for so many finished trials, and returns them."""
    ends = time.monotonic() + PATIENCE
    while len(files(output)) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < ends
        time.sleep(0.05)
    return files(output)


def values(output):
    return [(one.number, dict(one.values), dict(one.scores)) for one in trials_in(output / "trials")]


def test_a_killed_search_goes_on_and_ends_as_if_never_stopped(folder, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for one in (whole, broken):
        one.mkdir()
    process = start(folder, whole, "bayesian", 5)
    assert process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for finished in (1, 3):
        process = start(folder, broken, "bayesian", 5)
        before = until(finished, broken, process)
        time.sleep(chance.uniform(0, 1.2))  # in mid-trial, or between two
        process.kill()
        told = process.communicate()[0]
        assert before.items() <= files(broken).items(), f"seed {seed}\n{told}"
    before = files(broken)
    process = start(folder, broken, "bayesian", 5)
    told = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, told
    assert before.items() <= files(broken).items(), f"seed {seed}\n{told}"
    assert values(broken) == values(whole), f"seed {seed}\n{told}"


def test_killed_workers_and_chiefs_lose_nothing(folder, tmp_path):
    kept = {}
    for victim, finished in (("tuner1", 1), ("chief", 3), (None, 8)):
        process = start(folder, tmp_path, "random", 8, workers=2)
        kept |= until(finished, tmp_path, process)
        if victim is not None:
            os.kill(int((tmp_path / victim).read_text()), signal.SIGKILL)
        told = process.communicate(timeout=PATIENCE)[0]
        assert (process.returncode == 0) == (victim is None), told
        assert kept.items() <= files(tmp_path).items(), told
    trials = trials_in(tmp_path / "trials")
    assert len({str(one.values) for one in trials}) == len(trials) == 8
    assert (tmp_path / "leaderboard.csv").exists()
