"""The machines of these tests are apart: by their networks, and by their clocks."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from support.machines import Machine, Network

import generor_async

TESTS = Path(__file__).parents[2]
ROOT = Path(generor_async.__file__).parents[1]
CLOCKS = "import time; print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"


def echo(machine: Machine) -> "socket.socket":
    """Listen on a machine."""
    with machine.entered():
        return socket.create_server((machine.address, 0))


def connected(machine: Machine, listening: socket.socket, timeout: float) -> tuple[socket.socket, socket.socket]:
    with machine.entered():
        calling = socket.create_connection(listening.getsockname(), timeout=timeout)
    answering, _ = listening.accept()
    answering.settimeout(timeout)
    return calling, answering


def test_machines_reach_each_other_alone(net: Network) -> None:
    one, two = net.machine(), net.machine()
    with closing(echo(one)) as listening:
        calling, answering = connected(two, listening, 10)
        with calling, answering:
            assert calling.getsockname()[0] == two.address
            calling.sendall(b"heron")
            assert answering.recv(9) == b"heron"
        with pytest.raises(OSError):
            socket.create_connection(listening.getsockname(), timeout=0.3)


def test_a_cut_link_drops_what_is_sent_and_a_mended_one_delivers_it(net: Network) -> None:
    one, two, three = net.machine(), net.machine(), net.machine()
    with closing(echo(one)) as listening:
        calling, answering = connected(two, listening, 0.3)
        with calling, answering:
            net.cut(two, one)
            calling.sendall(b"heron")
            with pytest.raises(TimeoutError):
                answering.recv(9)
            with pytest.raises(TimeoutError), two.entered():
                socket.create_connection(listening.getsockname(), timeout=0.3)
            for end in connected(three, listening, 10):
                end.close()
            net.mend(two, one)
            answering.settimeout(60)
            assert answering.recv(9) == b"heron"

            net.cut_answers(two, one)
            calling.sendall(b"egret")
            assert answering.recv(9) == b"egret"
            answering.sendall(b"bittern")
            with pytest.raises(TimeoutError):
                calling.recv(9)
            net.mend(two, one)
            calling.settimeout(60)
            assert calling.recv(9) == b"bittern"


def test_a_delayed_link_takes_its_time_in_both_directions(net: Network) -> None:
    one, two = net.machine(), net.machine()
    with closing(echo(one)) as listening:
        host, port = net.delayed(one, listening.getsockname()[1], 0.05)
        with two.entered():
            calling = socket.create_connection((host, port), timeout=60)
        answering, _ = listening.accept()
        with calling, answering:
            begun = time.monotonic()
            calling.sendall(b"heron")
            assert answering.recv(9) == b"heron"
            arrived = time.monotonic()
            answering.sendall(b"egret")
            assert calling.recv(9) == b"egret"
            assert arrived - begun >= 0.05
            assert time.monotonic() - arrived >= 0.05


@pytest.mark.parametrize("ahead", [70.0, -70.0, 0.0])
def test_a_machine_has_a_clock_of_its_own(ahead: float, net: Network) -> None:
    machine = net.machine(ahead=ahead)
    before = time.time(), time.monotonic()
    with machine.start([sys.executable, "-c", CLOCKS], stdout=subprocess.PIPE) as process:
        told, monotonic, boot = map(float, process.communicate()[0].split())
    after = time.time(), time.monotonic()
    assert before[0] <= told - ahead <= after[0]
    assert before[1] <= monotonic <= after[1]
    assert abs(boot - time.clock_gettime(time.CLOCK_BOOTTIME)) < after[0] - before[0] + 1


def test_servers_run_on_machines(net: Network, tmp_path: Path) -> None:
    store, api, worker = net.machine(), net.machine(), net.machine()
    with store.postgres(tmp_path) as postgres, store.redis(tmp_path) as redis, api.simulator() as simulator:
        with worker.entered():
            with psycopg.connect(postgres.url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            with Redis(host=redis.host, port=redis.port) as client:
                assert client.set("heron", "ada")
            with urllib.request.urlopen(f"{simulator.generor_url}/models", timeout=60) as answer:
                assert answer.status == 200
        with pytest.raises(OSError):
            urllib.request.urlopen(simulator.url, timeout=0.3)


PROGRAM = """
import time
from support.machines import network

with network() as joined:
    machine = joined.machine()
    started = machine.start(["sleep", "600"])
    print(machine._holder.pid, started.pid, flush=True)
    time.sleep(600)
"""


def test_machines_and_what_runs_on_them_end_with_the_tests_that_are_killed() -> None:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{TESTS}"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        pids = tests.stdout.readline().split()
        assert len(pids) == 2
        tests.send_signal(signal.SIGKILL)
    until = time.monotonic() + 60
    while any(Path("/proc", pid, "exe").exists() for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.02)
