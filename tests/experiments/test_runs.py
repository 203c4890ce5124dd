"""What a configuration asks for is listed, or refused before the first job: a line a fault."""

import json
from pathlib import Path

import miniatures
import pytest
import yaml

from dpam.datasets import DATASETS
from dpam.errors import DpamError
from dpam.experiments.checks import refuse_impossible_backbone
from dpam.experiments.configuration import REPOSITORY, validate
from dpam.experiments.places import root_of
from dpam.experiments.runs import Run, runs_of
from dpam.experiments.settings import JUDGE
from dpam.model.shapes import SHAPES

SCHEMA = REPOSITORY / "workflow/schemas/config.schema.yaml"
OWN = {"labels": "scores.csv", "score_range": [0, 5], "higher_is_better": True}


def configured(*experiments: dict, **more: object) -> dict:
    base = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    base["training"]["batch_size"] = 1  # as `mine` has four images
    blocks = [{"name": "a", "test_on": "self", **experiment} for experiment in experiments]
    return validate({**base, **json.loads(json.dumps(more)), "experiments": blocks}, SCHEMA)


@pytest.fixture(autouse=True)
def _own(tmp_path, monkeypatch):
    """In the current folder: data/mine with types and half a split, data/bare with neither."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{i}.png,{i},{('JPEG', 'blur-2')[i % 2]},{'train' if i else ''}" for i in range(4)]
    miniatures.write_text(Path("data/mine/scores.csv"), "image,score,distortion,split", *rows)
    miniatures.write_text(Path("data/bare/scores.csv"), "image,score", "a.png,1", "b.png,2")
    miniatures.koniq10k(Path("data/koniq10k"))


def custom(*names: str) -> dict:
    return dict.fromkeys(names, OWN)


def test_the_runs_of_the_paper():
    config = validate(yaml.safe_load((REPOSITORY / "config.yaml").read_text()), SCHEMA)
    runs = runs_of(config)
    assert len(runs) == len(set(runs)) == 7 * 10 + 7 * 6 + 24 + 6 + 7 * 3
    assert Run("individual", "live", "all", "slic", "split09", 20, "live") in runs
    assert Run("cross_dataset", "live", "all", "slic", "whole", 20, "spaq") in runs
    assert Run("single_distortion", "csiq", "jpeg", "slic", "split00", 20, "csiq") in runs
    run = runs[0]
    folder = "results/runs/live/all/slic/split00/seed20"
    assert run.folder(config) == folder
    assert run.folders(config) == [folder, f"{folder}/test_selected"]
    assert run._replace(split="whole").folders(config) == [folder.replace("split00", "whole")]
    assert len(run._replace(method="vit_ridge").folders(config)) == 1
    unwatched = config | {"training": config["training"] | {"watch_test": False}}
    assert run.folders(unwatched) == [folder]


def test_types_of_one_s_own_are_those_of_its_labels():
    for distortions in ("every", ["JPEG", "blur-2"]):
        experiment = {"datasets": ["mine"], "distortions": distortions, "splits": ["authors"]}
        config = configured(experiment, custom=custom("mine"))
        assert [run.distortion for run in runs_of(config)] == ["JPEG", "blur-2"]


def test_the_judge_is_a_start_in_any_folder():
    experiment = {"datasets": ["mine"]}
    assert runs_of(configured(experiment, custom=custom("mine"), model={"start": JUDGE}))


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        ({"datasets": ["koniq10k"], "distortions": "every"},
         "distortions: every, but koniq10k has none; leave `distortions` out"),
        ({"datasets": ["bare"], "distortions": "every"},
         "distortions: every, but bare has none; leave `distortions` out"),
        ({"datasets": ["gone"], "distortions": "every"},
         "distortions: every, but the labels of gone are not here to say which types there are"),
        ({"datasets": ["mine"], "distortions": ["jpeg"]},
         "mine has no distortion type jpeg; its labels name JPEG, blur-2"),
        ({"datasets": ["csiq"], "distortions": ["jpg"]},
         "csiq has no distortion type jpg; it has white_noise, jpeg"),
        ({"datasets": ["csiq", "mine"], "splits": ["split00", "whole"]},
         "splits: whole, tested on csiq itself: it has no test set"),
        ({"datasets": ["csiq"], "splits": ["whole"], "test_on": ["live", "csiq"]},
         "splits: whole, tested on csiq itself"),
        ({"datasets": ["csiq"], "test_on": "others"},
         "test_on: others, but csiq is its only dataset; name what to test on"),
        ({"datasets": ["spaq"], "splits": ["official"]}, "spaq: no official split; take split00"),
        ({"datasets": ["bare"], "splits": ["official"]},
         "bare: its labels (data/bare) have no official split; take split00"),
        ({"datasets": ["koniq10k"], "splits": ["official"]},
         "koniq10k: its labels (data/koniq10k) have no official split; take split00"),
        ({"datasets": ["mine"], "splits": ["official"]},
         "mine: its official split has no test set; take split00"),
        ({"datasets": ["biq2021"], "splits": ["official"], "test_on": ["spaq"]},
         "spaq: no official split"),
        ({"datasets": ["live"], "methods": ["slic", "none"]},
         "model.network dpam: it does not read packs of the method none; pooled needs"),
        ({"datasets": ["livee"]}, "livee: no such dataset; known are live, csiq"),
        ({"datasets": ["live"], "test_on": ["livee"]}, "livee: no such dataset"),
    ],
)  # fmt: skip
def test_experiments_that_would_vanish_or_fail_late(experiment, line):
    with pytest.raises(DpamError) as caught:
        runs_of(configured(experiment, custom=custom("mine", "bare", "gone")))
    assert f"\n  - experiment a: {line}" in str(caught.value)


UNION = {"train_on": ["koniq10k", "spaq"]}


def test_one_network_on_several_datasets_is_one_run_for_each_that_it_is_tested_on():
    config = configured({**UNION, "seeds": [1, 2]}, {**UNION, "test_on": ["live"]})
    runs = runs_of(config)
    both = "koniq10k+spaq"
    assert [run[1:] for run in runs] == [
        *((both, "all", "slic", "split00", seed, name) for seed in (1, 2) for name in KEYS),
        *((both, "all", "slic+ensemble", "split00", "1+2", name) for name in KEYS),
        (both, "all", "slic", "split00", 20, "live"),
    ]
    assert runs[0].folder(config) == f"results/runs/{both}/all/slic/split00/seed1"


KEYS = ["koniq10k", "spaq"]


@pytest.mark.parametrize(
    ("experiment", "more", "line"),
    [
        ({"distortions": ["jpeg"]}, {}, "distortions: with train_on, networks learn all images"),
        ({"baselines": ["vit_ridge"]}, {}, "baselines: they learn one dataset; name them in"),
        ({"test_on": "others"}, {}, "test_on: others, but koniq10k+spaq is its only dataset"),
        ({"splits": ["whole"]}, {}, "splits: whole, tested on koniq10k itself: it has no test set"),
        ({"splits": ["official"]}, {}, "spaq: no official split; take split00"),
        ({"train_on": ["koniq10k", "livee"]}, {}, "livee: no such dataset; known are live, csiq"),
        ({}, {"labels": {"scaling": "faithful"}}, "labels.scaling: faithful, as released, is of"),
        ({}, {"training": {"teacher": "t.csv", "teacher_weight": 0.5}},
         "training.teacher: it knows one scale of labels"),
        ({"train_on": ["koniq10k", "csiq"]}, {"training": {"crop": 0.5}, "stored_side": 512},
         "training.crop, training.degraded: expected whole images, of csiq the network reads"),
    ],
)  # fmt: skip
def test_what_is_not_to_be_had_of_several_datasets(experiment, more, line):
    with pytest.raises(DpamError) as caught:
        runs_of(configured({**UNION, **experiment}, **more))
    assert f"\n  - experiment a: {line}" in str(caught.value)


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        ({"train_on": ["spaq"]}, "experiments.0.train_on: ['spaq'] is too short (two or more diff"),
        ({"train_on": ["spaq", "spaq"]}, "experiments.0.train_on: ['spaq', 'spaq'] has non-unique"),
        ({**UNION, "datasets": ["live"]}, "experiments.0.datasets: ['live'] is expected to be"),
        ({}, "experiments.0.datasets: [] should be non-empty (dataset keys to train on, or else"),
    ],
)  # fmt: skip
def test_either_datasets_or_several_to_train_on(experiment, line):
    with pytest.raises(DpamError) as caught:
        configured(experiment)
    assert f"\n  - {line}" in str(caught.value)


def test_a_batch_that_no_split_fills_is_refused():
    """Of four images one is tested and one validated on; half of them are of each type."""
    experiment = {"datasets": ["mine"], "distortions": "every", "splits": ["split00", "whole"]}
    experiment["test_on"] = ["koniq10k"]
    own = {"custom": custom("mine"), "training": {"batch_size": 3}}
    with pytest.raises(DpamError) as caught:
        runs_of(configured(experiment, **own))
    lines = [line for line in str(caught.value).splitlines() if "batch_size" in line]
    assert len(lines) == 4
    assert "batch_size: 3, but whole of mine leaves 2 images of type JPEG to learn from" in lines[2]
    own["training"]["batch_size"] = 2
    assert runs_of(configured(experiment | {"distortions": ["all"]}, **own))
    own["training"]["batch_size"] = 3
    experiment |= {"distortions": ["all"], "splits": ["split00"]}
    with pytest.raises(DpamError, match="split00 of mine leaves 2 images to learn from; lower it"):
        runs_of(configured(experiment, **own))
    assert runs_of(configured(experiment, **own, splits={"validation": False}))
    # Near-duplicates may leave `authors` without a validation set.
    assert runs_of(configured(experiment | {"splits": ["authors"]}, **own))


def test_baselines_do_not_learn_labels_scaled_as_released():
    experiment = {"datasets": ["koniq10k"], "baselines": ["brisque_svr"]}
    as_released = {"labels": {"scaling": "faithful"}}
    with pytest.raises(DpamError, match="stretches labels of networks alone"):
        runs_of(configured(experiment, **as_released))
    assert runs_of(configured(experiment | {"baselines": []}, **as_released))


def test_a_batch_that_a_union_does_not_fill_is_refused():
    """Of twice four images two each are neither tested nor validated on."""
    miniatures.write_text(Path("data/more/scores.csv"), Path("data/mine/scores.csv").read_text())
    experiment = {"train_on": ["mine", "more"]}
    own = {"custom": custom("mine", "more")}
    assert runs_of(configured(experiment, **own, training={"batch_size": 4}))
    with pytest.raises(DpamError, match=r"batch_size: 5, but split00 of mine \+ more leaves 4 im"):
        runs_of(configured(experiment, **own, training={"batch_size": 5}))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"image_size": 100},
         "image_size: expected a multiple of 8, the patches of vit_base_patch8_224, at least 32; "
         "found 100; take 96 or 104"),
        ({"image_size": 230, "model": {"backbone": "vit_small_patch14_dinov2"}},
         "image_size: expected a multiple of 14, the patches of vit_small_patch14_dinov2, at least "
         "56; found 230; take 224 or 238"),
        ({"image_size": 48, "model": {"backbone": "test_vit"}}, "image_size: expected a multiple of"
         " 16, the patches of test_vit, at least 64; found 48; take 64"),
        ({"model": {"weights": "none.bin"}}, "model.weights: none.bin: no such file"),
        ({"model": {"start": "none.safetensors"}}, "model.start: none.safetensors: no such file"),
        ({"training": {"teacher": "none.csv", "teacher_weight": 0.5}},
         "training.teacher: none.csv: no such file"),
        ({"superpixels": {"ainet": "none"}}, "superpixels.ainet: none: no such file"),
        ({"scoring": {"checkpoint": "none"}}, "scoring.checkpoint: none: no such file"),
        ({"scoring": {"photographs": ["none"]}}, "scoring.photographs: none: no such file"),
        ({"training": {"crop": 0.5}},
         "training.crop, training.degraded: expected packs that keep images larger"),
        ({"roots": {"live": "my {x}"}}, "roots.live: my {x}: Snakemake takes braces for wildcards"),
        ({"data_root": "{x}"}, "data_root: {x}: Snakemake takes braces for wildcards"),
        ({"roots": {"lives": "x"}}, "roots.lives: no such dataset; known are live"),
        ({"allow": {"lives": ["odd_size"]}}, "allow.lives: no such dataset; known are live"),
        ({"pathvars": {"results": ".", "logs": "l", "benchmarks": "b"}},
         "pathvars.results: .: name a folder of its own"),
        ({"pathvars": {"results": "r", "logs": "..", "benchmarks": "b"}},
         "pathvars.logs: ..: name a folder of its own"),
        ({"roots": {"live": "results/data/live"}},
         "live: results/data/live lies where the workflow writes"),
        ({"scoring": {"photographs": ["a.txt", "results/photographs/lists"]}},
         "scoring.photographs: results/photographs/lists lies where the workflow writes"),
    ],
)  # fmt: skip
def test_settings_that_would_fail_late_or_write_over_data(more, line):
    with pytest.raises(DpamError) as caught:
        runs_of(configured({"datasets": ["live"]}, **more))
    assert f"\n  - {line}" in str(caught.value)


@pytest.mark.parametrize("name", ["significance", "metrics", "planned", "a_paper", "a_variants"])
def test_no_experiment_has_the_name_of_another_table(name):
    experiments = {"datasets": ["live"]}, {"datasets": ["live"], "name": name}
    with pytest.raises(DpamError, match=f"experiments: {name}: another table has that name"):
        runs_of(configured(*experiments))
    assert runs_of(configured(experiments[0], {"datasets": ["live"], "name": f"{name}_of_mine"}))


def test_links_to_where_the_workflow_writes_are_followed(tmp_path):
    """As where results and data are links to one large disk."""
    (tmp_path / "disk/data/live").mkdir(parents=True)
    for name, place in {"made": "disk", "read": "disk/data"}.items():
        Path(name).symlink_to(tmp_path / place)
    places = {"results": "made", "logs": "l", "benchmarks": "b"}
    with pytest.raises(DpamError, match="live: read/live lies where the workflow writes"):
        runs_of(configured({"datasets": ["live"]}, pathvars=places, data_root="read"))


def test_a_backend_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("dpam.experiments.checks.find_spec", lambda name: None)
    asked = {"superpixels": {"backend": "opencv"}}
    with pytest.raises(DpamError, match=r"superpixels.backend: opencv .* '\.\[opencv\]'"):
        runs_of(configured({"datasets": ["live"]}, **asked))
    assert runs_of(configured({"datasets": ["live"], "methods": ["rim"]}, **asked))


def test_degraded_copies_need_whole_images():
    """As soon as packs keep them, which is the other test's."""
    more = {"training": {"degraded": 0.3}, "stored_side": 512}
    assert runs_of(configured({"datasets": ["koniq10k"]}, **more))
    with pytest.raises(DpamError, match="expected whole images, of live the network reads crops"):
        runs_of(configured({"datasets": ["live"]}, **more))


def test_all_faults_are_said_at_once():
    experiments = ({"datasets": ["csiq"], "test_on": "others"}, {"datasets": ["livee"]})
    with pytest.raises(DpamError) as caught:
        runs_of(configured(*experiments, image_size=100))
    assert str(caught.value).count("\n  - ") == 3


def test_nothing_is_made_where_datasets_lie():
    config = configured({"datasets": ["live"]}, data_root="else", roots={"csiq": "there"})
    assert root_of(config, "demo_authentic") == "results/datasets/demo_authentic"
    assert root_of(config, "csiq") == "there"
    assert root_of(config, "demo_mine") == "else/demo_mine"
    assert {root_of(config, name) for name in DATASETS if name.startswith("demo_")} == {
        "results/datasets/demo_authentic", "results/datasets/demo_synthetic"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"backbone": "vit_bse_patch8_224"}, "model: vit_bse_patch8_224: timm has no such model; "),
        ({"backbone": "resnet18"}, "model: resnet18: expected a Vision Transformer of timm, found"),
        ({"out_indices": [6, 12]}, "model: out_indices [6, 12]: expected ascending indices of the "
         "12 blocks of vit_base_patch8_224, 0 to 11"),
        ({"out_indices": [3, 2]}, "model: out_indices [3, 2]: expected ascending indices"),
        ({"backbone": "vit_tiny_patch16_224", "out_indices": [12]},
         "model: out_indices [12]: expected ascending indices of the 12 blocks"),
    ],
)  # fmt: skip
def test_a_backbone_or_blocks_that_are_not_there(model, line):
    with pytest.raises(DpamError) as caught:
        refuse_impossible_backbone(configured({"datasets": ["live"]}, model=model))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "model", [{}, {"out_indices": [0, 11]}, {"backbone": "vit_tiny_patch16_224"}]
)
def test_a_backbone_that_is_there(model):
    refuse_impossible_backbone(configured({"datasets": ["live"]}, model=model))


def test_backbones_used_most_are_not_built(monkeypatch):
    monkeypatch.setattr("dpam.model.backbone.Backbone", lambda *_: pytest.fail("built"))
    for name, depth in ((name, shape.depth) for name, shape in SHAPES.items()):
        for blocks in (None, [0, depth - 1]):
            refuse_impossible_backbone(
                configured({"datasets": ["live"]}, model={"backbone": name, "out_indices": blocks})
            )
