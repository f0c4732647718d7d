"""The sbatch file under a real Slurm of one machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..nodes.hosts import Host, in_tmp, privileged
from ..nodes.study_run import ROOT
from ..study.conftest import TINY

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None for name in PROGRAMS),
        reason="Slurm is not installed (Debian: slurm-wlm)",
    ),
    pytest.mark.skipif(not privileged(), reason="only root can start Slurm apart from the machine's own"),
    pytest.mark.skipif(in_tmp(), reason="the host has a /tmp of its own: this code or this Python is in it"),
]

ADDRESS = "10.77.1.1"

CONFIGURATION = f"""
ClusterName=test
SlurmctldHost=node({ADDRESS})
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=/tmp/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
GresTypes=gpu
ReturnToService=2
StateSaveLocation=/tmp/state
SlurmdSpoolDir=/tmp/spool
SlurmctldPidFile=/tmp/slurmctld.pid
SlurmdPidFile=/tmp/slurmd.pid
SlurmctldLogFile=/tmp/slurmctld.log
SlurmdLogFile=/tmp/slurmd.log
NodeName=node NodeAddr={ADDRESS} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
"""

START = """
mkdir -p /tmp/munge /tmp/state /tmp/spool && dd if=/dev/urandom of=/tmp/munge/key bs=1k count=1 status=none
chmod 400 /tmp/munge/key && mount -t tmpfs run /run && printf '127.0.0.1 localhost\\n%s node\\n' "$1" > /tmp/hosts
mount --bind /tmp/hosts /etc/hosts
munged --force --key-file=/tmp/munge/key --socket=/tmp/munge.socket --pid-file=/tmp/munge/pid \
  --log-file=/tmp/munge/log --seed-file=/tmp/munge/seed
slurmctld && slurmd -N node
"""


class Slurm:
    """A Slurm of one machine, in namespaces of its own."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        (shared / "slurm.conf").write_text(CONFIGURATION)
        self.host = Host("node", shared, ADDRESS)
        self.host.net("link", "add", "eth0", "type", "veth", "peer", "name", "nobody")
        self.host.net("address", "add", f"{ADDRESS}/24", "dev", "eth0")
        for device in ("eth0", "nobody"):
            self.host.net("link", "set", device, "up")
        self.run("sh", "-c", START, "sh", ADDRESS)

    def run(self, *words: str) -> str:
        """Run a command there, as a user with the tests' Python would; its output."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"PATH": path, "SLURM_CONF": "/mnt/slurm.conf", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(self.host.command(*words), capture_output=True, text=True, env=environment, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Slurm]:
    slurm = Slurm(tmp_path)
    yield slurm
    slurm.host.power_cut()


def test_the_sbatch_file_runs_a_study_to_its_end(slurm: Slurm, jet_folder: Path) -> None:
    shutil.copytree(jet_folder, slurm.shared / "jets")
    study = [word for name, value in TINY.items() for word in (f"--{name}", value)]
    study += ["--search.trials", "1", "--search.prune", "false", "--name", "scan"]
    machine = ["--nodes=1", "--cpus-per-task=2", "--gpus-per-node=0", "--chdir", str(ROOT), "--output=/mnt/job.log"]
    slurm.run("sbatch", *machine, "cluster/slurm/study.sbatch", "/mnt/jets", "/mnt/results", *study)
    log, end = slurm.shared / "job.log", time.monotonic() + 400
    while slurm.run("squeue", "--noheader").strip():
        assert time.monotonic() < end, log.read_text()
        time.sleep(1)
    assert "\n/mnt/results/scan/report/index.html\n" in log.read_text()
    assert (slurm.shared / "results" / "scan" / "report" / "index.html").stat().st_size > 10000
