"""A Slurm of two nodes on this one machine, for a while: all of its files in one folder."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
# A node claims more than the machine has, so that what a profile asks for can be had.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MailProg=/bin/true
ReturnToService=2
MinJobAge=3600
KillWait=5
SchedulerParameters=sched_interval=2,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=DEFAULT CPUs=16 Boards=1 SocketsPerBoard=1 \
CoresPerSocket=16 ThreadsPerCore=1 RealMemory=200000
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} Gres=gpu:a100:2
PartitionName=cpu Nodes=c1 Default=YES MaxTime=1440
PartitionName=gpu Nodes=g1 MaxTime=1440
"""


def missing() -> list[str]:
    """The programs that are needed and not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class PrivateSlurm:
    """Starts on entry; on exit its jobs are cancelled and its daemons ended.

    Partition cpu has node c1, partition gpu node g1 with two pretended GPUs.

    Attributes:
        environment: variables with which Slurm's commands find it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: list[subprocess.Popen[bytes]] = []
        programs = folder / "bin"
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }

    def __enter__(self) -> "PrivateSlurm":
        folder, host = self.folder, socket.gethostname().partition(".")[0]
        for name in ("state", "c1", "g1", "bin"):
            (folder / name).mkdir(parents=True)
        text = CONFIGURATION.format(folder=folder, host=host, ports=free_ports(3))
        (folder / "slurm.conf").write_text(text)
        (folder / "plugstack.conf").touch()
        for number in (0, 1):  # Slurm counts devices only; these are copies of /dev/null
            os.mknod(folder / f"gpu{number}", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        gpus = f"NodeName=g1 Name=gpu Type=a100 File={folder}/gpu[0-1]"
        (folder / "gres.conf").write_text(f"AutoDetect=off\n{gpus}\n")
        # Snakemake's step of a job drops SLURM_CONF before it calls srun.
        srun = folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec /usr/bin/srun "$@"\n')
        srun.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        files = [f"--{option}={folder}/munge.{name}" for option, name in names.items()]
        try:
            self._start("munged", "--foreground", "--force", *files)
            self._wait(lambda: (folder / "munge.socket").exists())
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D", "-N", "c1")
            self._start("slurmd", "-D", "-N", "g1")
            self._wait(lambda: self.call("sinfo", "-h", "-N", "-t", "idle").count("\n") == 2)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self.call("scancel", "--user", "root")
            self._wait(lambda: not self.call("squeue", "-h"))
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _start(self, name: str, *arguments: str) -> None:
        """Start a daemon in the foreground; what it says goes to a file."""
        log = self.folder / f"{len(self.daemons)}-{name}.log"
        with log.open("wb") as file:
            daemon = subprocess.Popen(
                [shutil.which(name) or name, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self.daemons.append(daemon)

    def _wait(self, condition) -> None:
        """Wait until something is true, half a minute at most.

        Raises:
            TimeoutError: with what the daemons said.
        """
        end = time.monotonic() + 30
        while not condition():
            if time.monotonic() > end:
                said = [path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log"))]
                raise TimeoutError("Slurm does not start:\n" + "\n".join(said))
            time.sleep(0.1)

    def call(self, *command: str) -> str:
        """What one of Slurm's commands prints; empty if it fails."""
        answer = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=False
        )
        return answer.stdout if answer.returncode == 0 else ""
