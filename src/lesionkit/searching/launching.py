"""The processes of a search or of a training, started on this machine, told apart and stopped together.

KerasTuner's find each other by the variables of ``lesionkit.searching.roles``, those of
``tf.distribute.MultiWorkerMirroredStrategy`` by TF_CONFIG.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from lesionkit.searching import roles

HERE = "127.0.0.1"

#: Seconds between being asked to end and being killed, of the processes that are left when one has failed.
GRACE = 10.0

Processes = Mapping[str, "subprocess.Popen[bytes]"]


def search_roles(workers: int) -> dict[str, dict[str, str]]:
    """Returns process -> its environment: a chief and ``workers`` tuners."""
    address = {roles.ADDRESS: HERE, roles.PORT: str(free_ports(1)[0])}
    names = ["chief", *(f"tuner{number}" for number in range(workers))]
    return {name: {roles.NAME: name, **address} for name in names}


def training_roles(workers: int) -> dict[str, dict[str, str]]:
    """Returns process -> its environment: ``workers`` workers, the first of which writes the files."""
    cluster = {"worker": [f"{HERE}:{port}" for port in free_ports(workers)]}
    tasks = ({"type": "worker", "index": number} for number in range(workers))
    return {f"worker{task['index']}": {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks}


def free_ports(count: int) -> list[int]:
    """Returns different ports that no process listens on now."""
    sockets = [socket.create_server((HERE, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run(command: Sequence[str], environments: Mapping[str, Mapping[str, str]]) -> int:
    """Runs ``command`` once in each environment and waits; returns the status of the first that failed, or 0."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    tellers: list[threading.Thread] = []
    presses: list[float] = []

    def pressed(*_: object) -> None:
        presses.append(time.monotonic())
        send(processes, signal.SIGINT if len(presses) == 1 else signal.SIGKILL)

    before = {number: signal.signal(number, pressed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for name, environment in environments.items():
            if not presses:
                processes[name] = start(command, environment)
                tellers.append(threading.Thread(target=tell, args=(name, processes[name]), daemon=True))
                tellers[-1].start()
        status = wait(processes, presses)
    finally:
        send(processes, signal.SIGKILL)
        for teller in tellers:
            teller.join(GRACE)  # not for ever: something that a process left behind may hold its output
        for number, handler in before.items():
            signal.signal(number, handler)
    return 130 if presses else status


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own, so that Ctrl-C reaches it once: from here."""
    whole = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    return subprocess.Popen(
        command, env=whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def tell(name: str, process: subprocess.Popen[bytes]) -> None:
    """Prints the lines of a process under its name, until it has no more."""
    if process.stdout is not None:
        with process.stdout as lines:
            for line in lines:
                say(name, line.decode(errors="replace").rstrip())


def wait(processes: Processes, presses: Sequence[float]) -> int:
    """Waits for all; when one fails of itself, the others are asked to end, and killed if they do not.

    Returns the status of the first that failed, as a shell tells it: 128 and more for a signal; 0 if none did.
    """
    status, stopped_at = 0, None
    running = True
    while running:
        time.sleep(0.05)
        codes = {name: process.poll() for name, process in processes.items()}
        running = None in codes.values()
        failed = {name: code if code > 0 else 128 - code for name, code in codes.items() if code}
        if failed and not presses and stopped_at is None:
            status, stopped_at = next(iter(failed.values())), time.monotonic()
            for name, code in failed.items():
                say("launch", f"{name} failed with status {code}" + (": the others are stopped" if running else ""))
            send(processes, signal.SIGTERM)
        if stopped_at is not None and time.monotonic() - stopped_at > GRACE:
            send(processes, signal.SIGKILL)
    return status


def send(processes: Processes, number: int) -> None:
    """Sends a signal to each process that runs, and to what it started."""
    for process in processes.values():
        if process.poll() is None:
            os.killpg(process.pid, number)


def say(name: str, line: str) -> None:
    """Prints a line under a name."""
    sys.stdout.write(f"[{name}] {line}\n")
    sys.stdout.flush()
