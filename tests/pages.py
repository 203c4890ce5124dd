"""What README and docs show: the blocks of a page, their commands, and which cannot run here."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in TOP.glob("docs/*.md"))]
# Pages with commands that no test follows, and why.
NOT_FOLLOWED = {
    "CONTRIBUTING.md": "for developers: it runs the tests themselves",
    "docs/judge.md": "measures the judge again: BIQ2021 (424 MB), and an hour",
}

INDEX, SERVER = "needs a package index", "needs the server of a dataset or of weights"
DAYS, SLURM = "hours or days on a GPU", "needs Slurm: make slurm-test runs the profile"
DEMO = "workflow/presets/demo.yaml tiny.yaml"
# Commands of the other pages that cannot run as they stand: why, and what runs instead, if anything
# does. All others run, so a new command either runs or stands here.
NOT_RUN: dict[str, tuple[str, str]] = {
    "source .venv/bin/activate": ("the environment of the tests is active", ""),
    "snakemake": (DAYS, "snakemake -n"),
    "snakemake --configfile my.yaml": (
        DAYS,
        "snakemake results/data/holiday/slic.h5 --configfile my.yaml",
    ),
    "snakemake --configfile mine.yaml": (DAYS, "snakemake --configfile mine.yaml small.yaml"),
    "snakemake --configfile workflow/presets/demo.yaml my.yaml": (
        "ten minutes; here with a smaller network",
        f"snakemake --configfile {DEMO} my.yaml",
    ),
    "snakemake --configfile workflow/presets/finetune.yaml my.yaml": (
        "minutes; here one epoch of its ten",
        "snakemake --configfile workflow/presets/finetune.yaml my.yaml short.yaml",
    ),
    "make demo": ("ten minutes; here with a smaller network", f"make demo DEMO='{DEMO}'"),
    "dpam train-ainet photographs/ --output ainet.safetensors": (
        "4,000 steps, a second or more each; here two",
        "dpam train-ainet photographs/ --output ainet.safetensors --steps 2 --batch-size 1",
    ),
    # Here the demonstration has finished, not the paper's experiment.
    "snakemake --nolock --config finished_only=True": (
        DAYS,
        f"snakemake --nolock --config finished_only=True --configfile {DEMO}",
    ),
    "snakemake --report report.zip": (DAYS, f"snakemake --report report.zip --configfile {DEMO}"),
    "tensorboard --logdir results/runs": (
        "serves until it is stopped",
        "tensorboard --inspect --logdir results/demo/runs/demo_synthetic",
    ),
    "pip install .": (INDEX, ""),
    "pip install '.[onnx]'": (INDEX, "python -c 'import onnx'"),
    "make setup": (INDEX, "make -n setup"),
    "dpam download kadid10k": (SERVER, ""),
    "snakemake download": (SERVER, "snakemake -n download"),
    # docs/cluster.md
    "git clone ... dpam && cd dpam": (INDEX, ""),
    "python3.12 -m venv .venv && source .venv/bin/activate": (INDEX, ""),
    "pip install --constraint envs/constraints.txt --editable '.[pipeline,slurm,parquet]'": (
        INDEX,
        "",
    ),
    "python -c \"import timm; timm.create_model('vit_base_patch8_224', pretrained=True)\"": (
        SERVER,
        "python -c \"import timm; timm.create_model('vit_base_patch8_224')\"",
    ),
    "tmux new -s dpam": ("needs a terminal", ""),
    "snakemake --profile profiles/slurm": (SLURM, ""),
    "snakemake --profile profiles/slurm --unlock": (SLURM, "snakemake --unlock"),
    "snakemake score_photographs --configfile mine.yaml --profile profiles/slurm": (
        SLURM,
        "snakemake score_photographs --configfile mine.yaml",
    ),
    'squeue --me -o "%.10i %.9P %.8T %.10M %.10l %k"': (SLURM, ""),
    "squeue --me -h -o %j | sort -u": (SLURM, ""),
    "scancel --name dpam_1b2c...": (SLURM, ""),
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of a page, such as `README.md` or `docs/reruns.md`."""
    text = (TOP / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def blocks_in(language: str, page: str) -> list[str]:
    """The blocks of a page in one language."""
    return [block for found, block in blocks(page) if found == language]


def commands(block: str) -> list[str]:
    """The commands of a block of sh, less comments; a backslash ends a line that goes on."""
    lines = block.replace("\\\n", " ").splitlines()
    found = [" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines]
    return [command for command in found if command]
