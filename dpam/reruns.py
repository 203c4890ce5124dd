"""What Snakemake would run again, and why, in words.

Snakemake keeps the parameters and inputs of each output's last run. What differs from the present
ones is said by name: the changed keys of the configuration, the changed files of the code.
"""

import ast
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_args
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from dpam.errors import DpamError

SHOWN = 3  # names in one sentence; the rest is counted
LONGEST = 60  # characters of a value that is shown
MISSING = object()


class Planned(NamedTuple):
    """A job that would run.

    Attributes:
        rule: its name.
        of: values of its wildcards, such as the dataset; empty if it has none.
        causes: why it would run by itself; empty if it only follows another job.
    """

    rule: str
    of: str
    causes: tuple[str, ...]


def planned(configfiles: Sequence[str | Path] = ()) -> list[Planned]:
    """The jobs that `snakemake` would run now in the current folder, upstream first.

    Args:
        configfiles: as for `snakemake --configfile`.

    Raises:
        DpamError: there is no Snakefile here, or it cannot be read; Snakemake has said why.
        SystemExit: the configuration or a dataset is not as it should be; says what is wrong.
    """
    if not Path("Snakefile").is_file():
        raise DpamError(f"{Path.cwd()}: no Snakefile here; run this in the repository's top folder")
    logging.disable(logging.INFO)  # all that a dry run prints
    _, args = parse_args(["-n", "--configfile", *map(str, configfiles)] if configfiles else ["-n"])
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        try:
            workflow_api = api.workflow(
                ResourceSettings(cores=1),
                config_settings=ConfigSettings(configfiles=list(map(Path, configfiles))),
                snakefile=Path("Snakefile"),
            )
            # What the profile says of reruns counts here, too.
            settings = DAGSettings(
                force_incomplete=args.rerun_incomplete,
                max_checksum_file_size=args.max_checksum_file_size,
                rerun_triggers=args.rerun_triggers,
            )
            workflow_api.dag(settings).execute_workflow(executor="dryrun")
        except Exception as error:
            api.print_exception(error)
            raise DpamError("Snakemake cannot tell what would run, see above") from error
        workflow = workflow_api._workflow
        return [
            Planned(job.rule.name, " ".join(job.wildcards), tuple(causes(job, workflow)))
            for level in workflow.dag.toposorted()
            for job in sorted(level, key=lambda job: (job.rule.name, *job.wildcards))
            if workflow.dag.needrun(job) and not job.rule.norun
        ]


def causes(job: Any, workflow: Any) -> Iterable[str]:
    """Why a job of Snakemake's would run by itself, one clause each."""
    reason, memory = workflow.dag.reason(job), workflow.persistence
    if reason.forced:
        yield "it was asked for"
    if reason.nooutput or reason.noio:
        yield "it has no output and always runs"
    if missing := sorted(map(str, reason.missing_output)):
        known = any(memory.metadata(path) for path in reason.missing_output)
        yield f"{some(missing)} is gone" if known else "there is no output yet"
    if incomplete := sorted(map(str, reason.incomplete_output)):
        yield f"{some(incomplete)} was left unfinished"
    if updated := sorted(map(str, reason.updated_input)):
        yield f"{some(updated)} changed"
    if not memory.has_metadata(job):
        return
    before = {str(path) for output in job.output for path in memory.input(output) or []}
    now = {str(path) for path in job.input}
    if any(memory.input_changed(job)):
        yield f"its inputs are others: {', '.join(listing(before, now))}"
    if change := memory.params_changed(job):
        names = {repr(value): name for name, value in job.params.items()}
        yield from differences(names, change.only_old, change.only_new)
    if any(memory.code_changed(job)):
        yield "the rule's command changed (workflow/rules)"
    if any(memory.software_stack_changed(job)):
        yield "its conda environment or container changed"


def listing(before: set[str], now: set[str]) -> list[str]:
    """What is new and what is gone, a few of each."""
    sides = {"new": sorted(now - before), "no more": sorted(before - now)}
    return [f"{word} {some(paths)}" for word, paths in sides.items() if paths]


def some(names: Sequence[str]) -> str:
    """The first few of them, and how many there are more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def differences(
    names: Mapping[str, str], before: Iterable[str], now: Iterable[str]
) -> Iterable[str]:
    """What changed in a job's parameters.

    Args:
        names: of the present parameters by their representation.
        before: representations of former parameters that are none now.
        now: those of present ones that were none formerly.

    Returns:
        One clause for each parameter; for one that is a JSON object, for each of its keys.
    """
    old = [value_of(text) for text in sorted(before)]
    for text in sorted(now, key=lambda text: names.get(text, "")):
        name, new = names.get(text, "a parameter"), value_of(text)
        match = max(old, key=lambda value: alikeness(value, new), default=None)
        if match is None or not alikeness(match, new):
            yield f"{name} is now {shown(new)}"
            continue
        old.remove(match)
        if name == "code":
            yield f"the code changed: {some(changed_keys(match, new))}"
        elif name == "state":
            yield "the dataset's files changed"
        elif isinstance(new, dict):
            for key in changed_keys(match, new):
                former, present = (shown(value.get(key, MISSING)) for value in (match, new))
                yield f"{name}.{key} changed from {former} to {present}"
        elif len(str(new)) > LONGEST:
            yield f"{name} changed"
        else:
            yield f"{name} changed from {shown(match)} to {shown(new)}"
    for value in old:
        yield f"a parameter was {shown(value)}"


def value_of(text: str) -> Any:
    """A parameter from its representation; JSON objects as dictionaries, keys joined by dots."""
    value = ast.literal_eval(text)
    if isinstance(value, str) and value.startswith("{"):
        return flat(json.loads(value))
    return value


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested dictionary as one whose keys are joined by dots."""
    rows: dict[str, Any] = {}
    for key, inner in value.items():
        name = f"{prefix}{key}"
        rows |= flat(inner, f"{name}.") if isinstance(inner, dict) and inner else {name: inner}
    return rows


def alikeness(one: Any, other: Any) -> float:
    """How likely two values are of the same parameter; 0: they are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one.keys() & other.keys()) / len(one.keys() | other.keys() or {0})
    return float(type(one) is type(other))


def changed_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys whose value differs or that only one has, sorted."""
    keys = one.keys() | other.keys()
    return sorted(key for key in keys if one.get(key, MISSING) != other.get(key, MISSING))


def shown(value: Any) -> str:
    """A value in a sentence."""
    text = "nothing" if value is MISSING else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def explained(jobs: Sequence[Planned]) -> str:
    """What would run and why: sentences, by rule and cause.

    Args:
        jobs: as `planned` finds them.
    """
    if not jobs:
        return "Nothing would run: all results are up to date."
    groups: dict[tuple[str, tuple[str, ...]], list[Planned]] = defaultdict(list)
    for job in jobs:
        groups[job.rule, job.causes].append(job)
    lines = [f"{counted(len(jobs), 'job')} would run."]
    for (rule, why), members in groups.items():
        if why:
            lines.append(f"  - {rule}, {whose(members)}, because {'; '.join(why)}.")
    followers = {rule: len(members) for (rule, why), members in groups.items() if not why}
    if followers:
        names = ", ".join(f"{rule} ({count})" for rule, count in followers.items())
        lines.append(f"  - {names}: these follow from the others.")
    return "\n".join(lines)


def whose(jobs: Sequence[Planned]) -> str:
    """How many jobs, and of what if they are few."""
    names = [job.of for job in jobs if job.of]
    count = counted(len(jobs), "job")
    return f"{count} ({', '.join(names)})" if 0 < len(names) <= SHOWN else count


def counted(number: int, noun: str) -> str:
    """`1 job`, `1,200 jobs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
