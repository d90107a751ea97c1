"""Two hosts, as far as one machine can be two: network namespaces with a cable between them, and a rank in each.

It needs Linux, root, iproute2 and MPICH: else it says so. Where it runs, nothing is shared but the file system.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_ranks import MPI, MPIEXEC, bits, end, run, start, wait_for

HOSTS = "10.77.0.1", "10.77.0.2"
NAMES = [f"minivit-{os.getpid()}-{number}" for number in (1, 2)]
# What mpiexec calls in place of ssh: options, the host, then the command.
LAUNCHER = f"""#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do shift; done
host=$1; shift
[ $host = {HOSTS[0]} ] && name={NAMES[0]} || name={NAMES[1]}
exec ip netns exec $name sh -c "$*"
"""


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


@pytest.fixture(scope="module")
def mpiexec(tmp_path_factory):
    """The command that starts ranks on both hosts, from the first one."""
    if not (sys.platform == "linux" and MPI and shutil.which("ip") and os.geteuid() == 0):
        pytest.skip("needs Linux, root, iproute2 and MPI")
    if "HYDRA" not in subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True).stdout:
        pytest.skip("needs the mpiexec of MPICH")
    launcher = tmp_path_factory.mktemp("hosts") / "launcher"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    cables = f"mv{os.getpid() % 10**6}a", f"mv{os.getpid() % 10**6}b"
    try:
        done = [ip("netns", "add", name) for name in NAMES]
        done.append(ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1]))
        for name, cable, host in zip(NAMES, cables, HOSTS, strict=True):
            done.append(ip("link", "set", cable, "netns", name))
            done.append(ip("-n", name, "link", "set", cable, "name", "cable"))
            done.append(ip("-n", name, "addr", "add", f"{host}/24", "dev", "cable"))
            done += [ip("-n", name, "link", "set", device, "up") for device in ("lo", "cable")]
        if wrong := [one.stderr.strip() for one in done if one.returncode]:
            pytest.skip(f"no network namespaces here: {wrong[0]}")
        os.environ["UCX_TLS"] = "tcp,self"  # else MPICH finds the memory that both share, and uses no network
        yield [
            *("ip", "netns", "exec", NAMES[0], MPIEXEC, "-localhost", HOSTS[0], "-hosts", ",".join(HOSTS)),
            *("-launcher", "ssh", "-launcher-exec", str(launcher)),
        ]
    finally:
        os.environ.pop("UCX_TLS", None)
        for name in NAMES:
            ip("netns", "del", name)


def sent(number):
    """Bytes that a host has sent to the other."""
    path = "/sys/class/net/cable/statistics/tx_bytes"
    return int(subprocess.check_output(["ip", "netns", "exec", NAMES[number], "cat", path]))


def test_two_hosts_give_the_bits_of_one_process_and_send_what_the_docs_say(mpiexec, tmp_path):
    before = [sent(0), sent(1)]
    run(2, tmp_path / "two", mpiexec=mpiexec)
    traffic = [sent(0) - before[0], sent(1) - before[1]]
    run(1, tmp_path / "one")
    assert bits(tmp_path / "two") == bits(tmp_path / "two", 1) == bits(tmp_path / "one")
    with np.load(tmp_path / "one" / "rank0.npz") as arrays:
        gradient = arrays["mean"].nbytes
    # Of seven shards a step, rank 0 takes four and sends their gradients to the one other; rank 1 takes three. 6 steps.
    for bytes_, shards in zip(traffic, (4, 3), strict=True):
        assert 6 * shards * gradient < bytes_ < 6 * shards * gradient + 200_000, (traffic, gradient)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_on_one_host_ends_the_job_on_both(mpiexec, tmp_path, rank):
    status, out, _ = end(start(2, tmp_path, mpiexec=mpiexec, wrong="kill", rank=rank, step=5))
    assert status != 0 and out.count("epoch ") == 1
    pids = [int((tmp_path / f"pid{rank}").read_text()) for rank in (0, 1)]
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    run(2, tmp_path, mpiexec=mpiexec, resume=str(tmp_path / "checkpoint.npz"))
    assert bits(tmp_path) == bits(tmp_path, 1)
