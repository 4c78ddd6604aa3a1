"""examples/launch_workers.py: small scripts as the command, told apart, stopped together."""

import importlib.util
import json
import signal
import subprocess
import sys

import pytest
from places import ROOT

SCRIPT = ROOT / "examples" / "launch_workers.py"

#: Says on standard output that it waits, then waits; tells the signals that it can.
WAITS = """
import signal, sys, time
def stopped(number, frame):
    print("got", signal.Signals(number).name)
    sys.exit({status})
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, {handler})
print("waits")
while True:
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def launcher():
    spec = importlib.util.spec_from_file_location("launch_workers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(engine, workers, code):
    return [sys.executable, SCRIPT, "--engine", engine, "--workers", str(workers), "--", sys.executable, "-c", code]


def run(engine, workers, code):
    done = subprocess.run(command(engine, workers, code), capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def told(lines, name):
    return [line.partition("] ")[2] for line in lines if line.startswith(f"[{name}] ")]


def test_a_training_has_workers_that_know_each_other():
    status, lines = run("training", 3, "import os; print(os.environ['TF_CONFIG'])")
    assert status == 0
    found = [json.loads(told(lines, f"worker{number}")[0]) for number in range(3)]
    assert [one["task"] for one in found] == [{"type": "worker", "index": number} for number in range(3)]
    addresses = found[0]["cluster"]["worker"]
    assert len(set(addresses)) == 3
    assert all(one["cluster"] == {"worker": addresses} for one in found)
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_a_search_has_one_chief_and_workers():
    code = "import os; print(*(os.environ['KERASTUNER_' + name] for name in ('TUNER_ID', 'ORACLE_IP', 'ORACLE_PORT')))"
    status, lines = run("search", 2, code)
    assert status == 0
    found = {name: told(lines, name)[0].split() for name in ("chief", "tuner0", "tuner1")}
    assert [one[0] for one in found.values()] == list(found)
    assert {one[1] for one in found.values()} == {"127.0.0.1"}
    assert len({one[2] for one in found.values()}) == 1


def test_a_search_sets_nothing_of_a_training_and_the_other_way_round(launcher):
    assert not any("TF_CONFIG" in role for role in launcher.search_roles(2).values())
    assert not any(name.startswith("KERASTUNER") for role in launcher.training_roles(2).values() for name in role)


def test_lines_of_both_outputs_are_told_under_the_name_whatever_they_hold():
    code = "import sys; print('out'); sys.stderr.write('to err\\n'); sys.stdout.buffer.write(b'\\xff last')"
    status, lines = run("training", 1, code)
    assert status == 0
    assert sorted(told(lines, "worker0")) == ["out", "to err", "\ufffd last"]


@pytest.mark.parametrize("engine", ["search", "training"])
def test_when_one_fails_the_others_are_stopped(engine):
    last = {"search": "tuner1", "training": "worker1"}[engine]
    mine = "os.environ.get('KERASTUNER_TUNER_ID', '') == 'tuner1' or '\"index\": 1' in os.environ.get('TF_CONFIG', '')"
    waits = WAITS.format(status=0, handler="stopped")
    status, lines = run(engine, 2, f"import os, sys\nif {mine}: sys.exit(3)\n{waits}")
    assert status == 3
    assert told(lines, "launch") == [f"{last} failed with status 3: the others are stopped"]
    others = {"search": ["chief", "tuner0"], "training": ["worker0"]}[engine]
    ways = {"", "waits", "got SIGTERM", "waitsgot SIGTERM"}  # stopped early, late, or between a word and its line's end
    assert {"".join(told(lines, name)) for name in others} <= ways


def test_the_chief_of_a_search_whose_workers_failed_is_stopped():
    waits = WAITS.format(status=0, handler="stopped")
    code = f"import os, sys\nif os.environ['KERASTUNER_TUNER_ID'] != 'chief': sys.exit('no trial')\n{waits}"
    status, lines = run("search", 3, code)
    assert status == 1
    assert "no trial" in told(lines, "tuner2") or "no trial" in told(lines, "tuner0")


def test_one_that_does_not_stop_is_killed(launcher, monkeypatch, capfd):
    monkeypatch.setattr("lesionkit.searching.launching.GRACE", 0.2)
    waits = WAITS.format(status=0, handler="signal.SIG_IGN")
    code = f"import json, os, sys\nif json.loads(os.environ['TF_CONFIG'])['task']['index']: sys.exit(4)\n{waits}"
    assert launcher.run([sys.executable, "-c", code], launcher.training_roles(2)) == 4


def test_one_that_was_killed_is_a_failure():
    status, lines = run("training", 1, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert status == 128 + signal.SIGKILL
    assert told(lines, "launch") == ["worker0 failed with status 137"]


def started(code):
    """Starts two workers, and returns the launcher's process once both wait."""
    process = subprocess.Popen(command("training", 2, code), stdout=subprocess.PIPE, text=True)
    found = set()
    for line in process.stdout:
        found.add(line)
        if {"[worker0] waits\n", "[worker1] waits\n"} <= found:
            return process
    raise AssertionError(found)


def test_ctrl_c_reaches_all_and_each_ends_in_its_own_way():
    process = started(WAITS.format(status=130, handler="stopped"))
    process.send_signal(signal.SIGINT)
    lines = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 130
    assert sorted(lines) == ["[worker0] got SIGINT", "[worker1] got SIGINT"]


def test_a_second_ctrl_c_kills():
    code = "print(__import__('os').getpid())\n" + WAITS.format(status=0, handler="signal.SIG_IGN")
    process = started(code)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.parametrize(
    "arguments", [["--engine", "training"], ["--engine", "search", "--workers", "0", "--", "true"]]
)
def test_a_command_line_that_is_none(launcher, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        launcher.main(arguments)
    assert stopped.value.code == 2
    assert "the command after --" in capsys.readouterr().err
