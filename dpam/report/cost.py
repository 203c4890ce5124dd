"""What the results took: time, memory, GPU time, disk; and what the whole reproduction would."""

from pathlib import Path
from typing import Any

import pandas as pd

from dpam.evaluation.formatting import DASH
from dpam.report.table import Table, link
from dpam.utils.files import write_csv
from dpam.utils.progress import duration
from dpam.utils.reading import read_csv

JOBS = ["rule", "job", "seconds", "memory_mb", "gpu_seconds"]
ESTIMATE = {
    "rule": "rule",
    "jobs": "jobs",
    "cpu_hours": "CPU hours",
    "gpu_hours": "GPU hours",
    "disk_gb": "disk, GB",
}


def jobs(
    benchmarks: Path, gpu_rules: list[str], origins: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """One row per job, from Snakemake's benchmark files.

    Args:
        benchmarks: their folder, RULE/*.tsv.
        gpu_rules: the rules that ask for a GPU.
        origins: run -> what its network says of the machine that trained it.

    Returns:
        JOBS; seconds and memory_mb are nan where a job was too short to be measured; gpu_seconds
        are those of jobs that ask for a GPU where networks were trained on one.
    """
    rows = []
    for file in sorted(benchmarks.glob("*/*.tsv")):
        measured = pd.read_csv(file, sep="\t").apply(pd.to_numeric, errors="coerce")  # "-" or NA
        for row in measured.to_dict("records"):
            rows.append([file.parent.name, file.stem, row["s"], row["max_rss"]])
    table = pd.DataFrame(rows, columns=JOBS[:-1])
    devices = {"-".join(Path(run).parts[-5:]): device_of(one) for run, one in origins.items()}
    seconds = table["seconds"].fillna(0.0)
    table["gpu_seconds"] = [
        time if rule in gpu_rules and had_gpu(job, devices) else 0.0
        for rule, job, time in zip(table["rule"], table["job"], seconds, strict=True)
    ]
    return table


def device_of(origin: dict[str, Any]) -> str:
    """The device that a network says it was trained on; empty text if it says none."""
    return str(origin.get("made_by", {}).get("device", ""))


def had_gpu(job: str, devices: dict[str, str]) -> bool:
    """Whether a job had a GPU: as the training of its run, or of every run if it names none."""
    own = [device for run, device in devices.items() if job.startswith(run)]
    asked = own or list(devices.values())
    return bool(asked) and all(device and not device.startswith("CPU") for device in asked)


def cost(table: pd.DataFrame, output: Path) -> Table | None:
    """Time and memory by rule, which are also written beside the page; None if nothing is known.

    Raises:
        DpamError: jobs.csv cannot be written.
    """
    path = output.with_name("jobs.csv")
    write_csv(path, table)
    if table.empty:
        return None
    rows, order = [], []
    groups = sorted(table.groupby("rule"), key=lambda item: -item[1]["seconds"].sum())
    for rule, group in groups:
        most = group["memory_mb"].max()
        rows.append(
            {
                "rule": str(rule),
                "jobs": f"{len(group):,}",
                "total time": duration(group["seconds"].sum()),
                "longest": duration(group["seconds"].max()),
                "largest memory, MB": DASH if pd.isna(most) else f"{most:.0f}",
                "GPU hours": f"{group['gpu_seconds'].sum() / 3600:.2f}",
            }
        )
        order.append((group["seconds"].sum(), group["seconds"].max()))
    gpu = table["gpu_seconds"].sum() / 3600
    text = (
        f"Time and memory by rule, {duration(table['seconds'].sum())} in all, from Snakemake's "
        f"benchmark files. {f'{gpu:.1f} GPU hours' if gpu else 'No GPU was used'}."
    )
    total, longest = (list(column) for column in zip(*order, strict=True))
    times = {"total time": total, "longest": longest}
    return Table(text, pd.DataFrame(rows), [(path.name, link(path, output))], order=times)


def disk(results: Path, output: Path) -> Table:
    """Files and size of each folder of the results; written beside the page, too.

    Raises:
        DpamError: disk.csv cannot be written.
    """
    rows = []
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
        rows.append({"folder": folder.name, "files": len(sizes), "bytes": sum(sizes)})
    table = pd.DataFrame(rows).sort_values("bytes", ascending=False, kind="stable")
    path = output.with_name("disk.csv")
    write_csv(path, table)
    text = pd.DataFrame(
        {
            "folder": table["folder"],
            "files": table["files"].map("{:,}".format),
            "MB": (table["bytes"] / 1e6).map("{:,.1f}".format),
        }
    )
    total = table["bytes"].sum() / 1e9
    about = f"Disk, {total:,.2f} GB in all: the folders of {results.name} when this page was made."
    return Table(about, text, [(path.name, link(path, output))])


def estimate(tables: Path, output: Path) -> Table | None:
    """What the whole configuration would take, as it was reckoned; None if it was not."""
    path = tables / "estimate.csv"
    if not path.exists():
        return None
    table = read_csv(path, list(ESTIMATE))
    numbers = table[list(ESTIMATE)[1:]].apply(pd.to_numeric, errors="coerce")
    numbers.loc[len(numbers)] = numbers.sum()
    text = pd.DataFrame({"rule": [*table["rule"].astype(str), "total"]})
    for name, heading in list(ESTIMATE.items())[1:]:
        style = "{:,.0f}" if name == "jobs" else "{:,.1f}"
        text[heading] = [DASH if pd.isna(value) else style.format(value) for value in numbers[name]]
    about = (
        "Estimate: all that the configuration asks for, from the first job to the last. Of the "
        "paper's experiment this is the full reproduction."
    )
    return Table(about, text, [(path.name, link(path, output))])
