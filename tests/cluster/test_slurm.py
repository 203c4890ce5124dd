"""`profiles/slurm` on a real, private Slurm: `make slurm-test` (Debian, as root)."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from private_slurm import PrivateSlurm, missing
from safetensors.torch import load_file

TOP = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "dpam"]
RUN = "results/demo/runs/demo_synthetic/all/slic/split00/seed20"
LOG = "results/demo/logs/train/demo_synthetic-all-slic-split00-seed20.log"
CONFIGURATION = ["--configfile", "workflow/presets/demo.yaml", "tiny.yaml"]
# Sums of several threads come in another order on another number of them.
THREADS = ["--set-threads", "train=1", "test=1"]
# Fails once, as a node may.
FAILING_ONCE = """#!/bin/sh
if [ "$1" = extract-brisque ] && mkdir "{folder}/failed" 2>/dev/null; then
  echo "this node has a fault" >&2
  exit 1
fi
exec {python} -m dpam.cli "$@"
"""

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        bool(missing()) or os.geteuid() != 0,
        reason="needs Debian's packages slurmctld, slurmd, slurm-client, munge, and root",
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with PrivateSlurm(tmp_path_factory.mktemp("cluster") / "slurm") as running:
        yield running


class Snakemake:
    """Snakemake at work in a folder; all that it said since the beginning is in its file."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        programs = Path(sys.executable).parent
        search = [str(folder / "bin"), environment["PATH"], str(programs)]
        # A shell that starts the tests in the background lets its children ignore SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.file = folder / "snakemake.txt"
        with self.file.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "quick_snakemake.py"), *arguments],
                cwd=folder,
                env={
                    **environment,
                    "PYTHONPATH": str(folder),
                    "PATH": os.pathsep.join(search),
                    "OMP_NUM_THREADS": "1",
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.file.read_text()

    @property
    def blocks(self) -> list[str]:
        """What Snakemake wrote about each job to its log files, one of each start."""
        return [file.read_text() for file in sorted(self.file.parent.glob(".snakemake/log/*.log"))]

    def until(self, condition, seconds: float = 1200):
        """What the condition answers once it holds; fails when Snakemake has ended before."""
        end = time.monotonic() + seconds
        while not (answer := condition()):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.2)
        return answer

    def ended(self) -> int:
        return self.process.wait(1800)

    def kill(self) -> None:
        """Nothing more is submitted; what runs is the caller's business."""
        self.process.kill()
        self.process.wait()


def checkout(folder: Path) -> Path:
    """A copy of what the workflow consists of, with the configuration of these tests."""
    for name in PARTS:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(TOP / name, folder / name)
    shutil.copy(HERE / "tiny.yaml", folder)
    return folder


def job_of(slurm: PrivateSlurm, rule: str) -> str:
    """The running Slurm job of a rule; empty if there is none."""
    lines = slurm.call("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines()
    return next((line.split()[0] for line in lines if f" rule_{rule}" in line), "")


def jobs_left(slurm: PrivateSlurm, seconds: float = 60) -> str:
    """What the queue still holds after a while; a cancelled job takes some to complete."""
    end = time.monotonic() + seconds
    while (left := slurm.call("squeue", "-h")) and time.monotonic() < end:
        time.sleep(0.5)
    return left


class Training:
    """The one training, seen from outside: through its log, which each attempt begins anew."""

    def __init__(self, folder: Path, slurm: PrivateSlurm) -> None:
        self.log, self.slurm = folder / LOG, slurm
        self.stopped: dict[str, int] = {}
        self.resumed: dict[str, int] = {}

    def _last(self, pattern: str) -> int:
        found = re.findall(pattern, self.log.read_text()) if self.log.exists() else []
        return int(found[-1]) if found else 0

    def under_way(self, how: str, snakemake: Snakemake) -> str:
        """Its Slurm job, once it has done some epochs since it began or went on."""
        before = self._last(r"resuming after epoch (\d+)")
        snakemake.until(lambda: self._last(r"epoch (\d+)/") > before + 2)
        self.stopped[how] = self._last(r"epoch (\d+)/")
        return snakemake.until(lambda: job_of(self.slurm, "train"))

    def goes_on(self, how: str, snakemake: Snakemake) -> None:
        """Wait until it has gone on, note after which epoch."""
        least = self.stopped[how]
        resumed = r"resuming after epoch (\d+)"
        snakemake.until(lambda: self._last(resumed) >= least)
        self.resumed[how] = self._last(resumed)


@pytest.fixture(scope="module")
def story(slurm, tmp_path_factory):
    """One run of the pipeline that is disturbed in every way, and what was seen meanwhile."""
    folder = checkout(tmp_path_factory.mktemp("story"))
    (folder / "bin").mkdir()
    wrapper = folder / "bin/dpam"
    wrapper.write_text(FAILING_ONCE.format(folder=folder, python=sys.executable))
    wrapper.chmod(0o755)
    options = ["--profile", "profiles/slurm", *CONFIGURATION, *THREADS]
    training = Training(folder, slurm)
    seen = SimpleNamespace(folder=folder, training=training)
    beside = checkout(tmp_path_factory.mktemp("local"))
    local = Snakemake(beside, dict(os.environ), "--cores", "2", *CONFIGURATION, *THREADS)
    snakemake = Snakemake(folder, slurm.environment, *options)
    try:
        job = training.under_way("cancelled", snakemake)
        seen.job = slurm.call("scontrol", "show", "job", job)
        slurm.call("scancel", job)
        training.goes_on("cancelled", snakemake)

        job = training.under_way("out of time", snakemake)
        slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=5")
        training.goes_on("out of time", snakemake)

        job = training.under_way("requeued", snakemake)
        slurm.call("scontrol", "requeue", job)

        def starts_now() -> bool:  # not after the minutes that Slurm waits otherwise
            slurm.call("scontrol", "update", f"JobId={job}", "StartTime=now")
            return job_of(slurm, "train") == job

        snakemake.until(starts_now)
        training.goes_on("requeued", snakemake)

        training.under_way("interrupted", snakemake)
        snakemake.process.send_signal(signal.SIGINT)
        seen.code_when_interrupted = snakemake.ended()
        seen.left = jobs_left(slurm)
        snakemake = Snakemake(folder, slurm.environment, *options)
        training.goes_on("interrupted", snakemake)
        seen.code = snakemake.ended()
        assert local.ended() == 0, local.said
    finally:
        snakemake.kill()
        local.kill()
    seen.local = beside
    seen.said = "".join(snakemake.blocks)
    seen.said_again = snakemake.blocks[-1]
    return seen


def test_it_ends_with_the_results_of_an_undisturbed_local_run(story):
    assert story.code == 0, story.said
    ours, theirs = story.folder, story.local
    for name in ("model.safetensors", "test_selected.safetensors"):
        one, other = (load_file(folder / RUN / name) for folder in (ours, theirs))
        assert one.keys() == other.keys()
        assert all(one[key].equal(other[key]) for key in one)
    tables = "results/demo/tables/metrics.csv"
    baseline = f"{RUN.replace('slic', 'brisque_svr')}/on-demo_synthetic.csv"
    for name in (f"{RUN}/on-demo_synthetic.csv", baseline, tables):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    columns = ["epoch", "loss", "validation_srcc", "test_srcc", "validation_selected"]
    one, other = (pd.read_csv(folder / RUN / "history.csv")[columns] for folder in (ours, theirs))
    pd.testing.assert_frame_equal(one, other)
    assert (ours / "results/demo/report/index.html").is_file()
    assert not list((ours / RUN).glob("*progress*"))


def test_jobs_ask_for_what_they_need(story):
    job = dict(re.findall(r"(\w+)=(\S+)", story.job))
    assert job["Partition"] == "gpu"
    assert "gres:gpu:1" in (job.get("TresPerJob") or job["TresPerNode"])
    assert job["TimeLimit"] == "00:20:00"
    assert 14_000 <= int(job["MinMemoryNode"].rstrip("M")) < 15_000
    assert job["Requeue"] == "1"


@pytest.mark.parametrize("how", ["cancelled", "out of time", "requeued", "interrupted"])
def test_training_goes_on_where_it_was_stopped(story, how):
    assert story.training.resumed[how] >= story.training.stopped[how] >= 3


def test_a_job_stops_before_its_time_is_over(story):
    logs = (story.folder / "results/logs/slurm/rule_train").rglob("*.log")
    texts = [log.read_text() for log in logs]
    assert any("SIGTERM: stopped in epoch" in text for text in texts)
    assert not any("DUE TO TIME LIMIT" in text for text in texts)


def test_no_finished_work_is_done_again(story):
    for rule, times in {"pack_superpixels": 1, "extract_brisque": 2, "make_demo_data": 1}.items():
        assert len(re.findall(rf"^ *rule {rule}:$", story.said, re.MULTILINE)) == times, rule
    assert "rule pack_superpixels:" not in story.said_again
    assert (story.folder / "failed").is_dir()
    assert "Trying to restart" in story.said


def test_an_interrupt_leaves_no_job_behind(story):
    assert story.code_when_interrupted != 0
    assert story.left == ""


def test_small_jobs_go_together(story):
    logs = story.folder / "results/demo/logs"
    assert {"prepare", "tests", "baselines", "report"} <= set(
        re.findall(r"Group job (\w+)", story.said)
    )
    assert (logs / "evaluate").is_dir()


# Sites differ in how a GPU is asked for; each line is a commented one in the profile.
WAYS = {
    "gpu": ([], "gres:gpu:1"),
    "model": (["gpu_model: a100"], "gres:gpu:a100:1"),
    "gres": (["gpu: 0", "gres: gpu:1"], "gres:gpu:1"),
}
TOY = """
rule train:
    output: "seen.txt"
    resources: gpu=1, mem_mb=500_000, runtime=100_000
    shell: "scontrol show job $SLURM_JOB_ID > {output}; echo GPU=$CUDA_VISIBLE_DEVICES >> {output}"
"""


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_ask_for_a_gpu(slurm, tmp_path, way):
    lines, request = WAYS[way]
    shutil.copytree(TOP / "profiles", tmp_path / "profiles")
    profile = tmp_path / "profiles/slurm/config.yaml"
    text = profile.read_text()
    for line in lines:
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line, 1)
    profile.write_text(re.sub(r"(?s)\ngroups:.*?\n\n", "\n\n", text))  # rules that are not here
    (tmp_path / "Snakefile").write_text(TOY)
    snakemake = Snakemake(tmp_path, slurm.environment, "--profile", "profiles/slurm")
    assert snakemake.ended() == 0, snakemake.said
    seen = (tmp_path / "seen.txt").read_text()
    job = dict(re.findall(r"(\w+)=(\S+)", seen))
    assert request in (job.get("TresPerJob") or job["TresPerNode"])
    assert job["GPU"] in ("0", "1")
    assert job["MinMemoryNode"] == "180000M"  # cut to what the profile allows
    assert job["TimeLimit"] == "1-00:00:00"


def lengthen(folder: Path) -> None:
    tiny = folder / "tiny.yaml"
    tiny.write_text(tiny.read_text().replace("epochs: 500", "epochs: 501"))


def edit_code(folder: Path) -> None:
    with (folder / "dpam/training/losses.py").open("a") as file:
        file.write("\nEDITED = True\n")


@pytest.mark.parametrize(
    ("edit", "what"), [(lengthen, "the configuration"), (edit_code, "the code")]
)
def test_a_job_refuses_what_was_edited_while_it_waited(slurm, tmp_path, edit, what):
    """It would compute with the new settings or code, and the old ones would be recorded."""
    folder = checkout(tmp_path)
    slurm.call("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    options = ["--profile", "profiles/slurm", *CONFIGURATION, *THREADS, "--retries", "0"]
    snakemake = Snakemake(folder, slurm.environment, f"{RUN}/history.csv", *options)
    try:
        waiting = ("squeue", "-h", "-t", "PD", "-o", "%k")
        snakemake.until(lambda: "rule_train" in slurm.call(*waiting))
        edit(folder)
        slurm.call("scontrol", "update", "PartitionName=gpu", "State=UP")
        assert snakemake.ended() != 0
    finally:
        slurm.call("scontrol", "update", "PartitionName=gpu", "State=UP")
        snakemake.kill()
    assert not (folder / RUN / "history.csv").exists()
    logs = (folder / "results/logs/slurm/rule_train").rglob("*.log")
    said = "".join(log.read_text() for log in logs)
    assert f"dpam: {what} edited since snakemake was started" in said
