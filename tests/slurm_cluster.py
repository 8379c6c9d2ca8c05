"""A real Slurm on this machine: munge, slurmctld and slurmd with one node, in one folder."""

import os
import platform
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
_CONF = """ClusterName=mrjax
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
ReturnToService=2
KillWait=5
MinJobAge=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=second Nodes=ALL MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """What a cluster here would lack; "" if nothing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if absent:
        return f"needs slurm (apt-get install slurm-wlm munge): no {absent[0]}"
    return "" if os.geteuid() == 0 else "needs slurm's daemons, which only root can start"


class Cluster:
    """Daemons that run from `start` to `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        self.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        self.environ["PATH"] += ":/usr/sbin:/sbin"
        self._daemons: list[subprocess.Popen] = []

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        conf = _CONF.format(folder=self.folder, host=platform.node(), ports=free_ports(2))
        (self.folder / "slurm.conf").write_text(conf)
        names = ("key-file=munge.key", "socket=munge.socket", "pid-file=munge.pid")
        names += ("log-file=munge.log", "seed-file=munge.seed")
        options = [f"--{name.replace('=', f'={self.folder}/')}" for name in names]
        self._daemon("munged", "--foreground", "--force", *options)
        self._until(lambda: (self.folder / "munge.socket").exists(), "munge's socket")
        self._daemon("slurmctld", "-D", "-i")
        self._daemon("slurmd", "-D", "-N", platform.node())
        self._until(lambda: "idle" in self.call("sinfo", "-h", "-o", "%T", check=False), "a node")

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def call(self, *command: str, check: bool = True) -> str:
        """Output of a command that finds this cluster."""
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def _daemon(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as log:
            self._daemons.append(
                subprocess.Popen(
                    command, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            )

    def _until(self, condition, what: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            ended = [d.args[0] for d in self._daemons if d.poll() is not None]
            logs = "".join(
                p.read_text()[-2000:] for p in sorted(self.folder.glob("*.[lo][ou][gt]"))
            )
            assert not ended, f"{ended} ended: {logs}"
            assert time.monotonic() < deadline, f"no {what}: {logs}"
            time.sleep(0.1)


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
