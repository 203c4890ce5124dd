"""Variants change the keys that they name and no other, and are refused before the first job."""

import json
from pathlib import Path

import pytest
import yaml

from dpam.errors import DpamError
from dpam.evaluation.formatting import method_name
from dpam.evaluation.methods import method_of, parts_of
from dpam.experiments.checks import refuse_impossible_backbone
from dpam.experiments.configuration import REPOSITORY, validate
from dpam.experiments.runs import runs_of
from dpam.experiments.variants import VARIED, config_of, pack_of, packing_options

SCHEMA = REPOSITORY / "workflow/schemas/config.schema.yaml"


def configured(variants: dict, used: list[str] | None = None, **block: object) -> dict:
    given = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    block = {"name": "a", "datasets": ["live"], "test_on": "self", **block}
    if used is not None:
        block["variants"] = used
    return validate({**given, "variants": variants, "experiments": [block]}, SCHEMA)


def test_the_options_of_a_pack_are_those_that_its_superpixels_read():
    config = configured({"a": {"stored_side": 512, "superpixels": {"backend": "opencv"}}})
    config["superpixels"]["ainet"] = "ainet.safetensors"
    config["superpixels"]["colour_profiles"] = "ignored"
    pixels = ["--resize", config["resize"], "--colour-profiles", "ignored"]
    both = [
        *("--statistics", config["superpixels"]["statistics"]),
        *("--texture", config["superpixels"]["texture"]),
    ]
    found = [packing_options(config, name) for name in ("none", "slic", "ainet")]
    assert found == [
        pixels,
        [*pixels, "--backend", "numba", *both],
        [*pixels, "--ainet", "ainet.safetensors", *both],
    ]
    stored = [*pixels, "--stored-side", "512"]
    assert packing_options(config, "slic+a") == [*stored, "--backend", "opencv", *both]
    assert packing_options(config, "none+a") == stored


def test_a_variant_changes_what_it_names_and_nothing_else():
    config = configured({"a": {"model": {"texture": "constant"}, "views": 1}})
    before = json.dumps(config)
    changed = config_of(config, "a")
    assert changed["model"] == config["model"] | {"texture": "constant"}
    assert changed["views"] == 1
    rest = config.keys() - {"model", "views"}
    assert {key: changed[key] for key in rest} == {key: config[key] for key in rest}
    assert config_of(config, "base") == config
    assert json.dumps(config) == before


def test_a_number_without_a_point_is_one():
    config = configured({"a": {"training": {"learning_rate": "1e-4"}}})
    assert config_of(config, "a")["training"]["learning_rate"] == 1e-4


@pytest.mark.parametrize("key", VARIED)
def test_every_key_that_may_vary_can(key):
    other = {"views": 1, "image_size": 64, "stored_side": 512, "resize": "antialias"}
    other |= {"model": {"dropout": 0}, "training": {"epochs": 3}}
    other |= {"superpixels": {"texture": "signed"}}
    config = configured({"a": {key: other[key]}}, ["base", "a"])
    assert len(runs_of(config)) == 2
    assert config_of(config, "a") != config


def test_runs_of_base_lie_where_they_lay_and_those_of_variants_beside_them():
    variants = {"a": {"model": {"dropout": 0}}, "b": {"training": {"watch_test": False}}}
    block = {"baselines": ["vit_ridge"], "methods": ["slic", "rim"]}
    config = configured(variants, ["base", "a", "b"], **block)
    runs = runs_of(config)
    methods = ["slic", "slic+a", "slic+b", "rim", "rim+a", "rim+b", "vit_ridge"]
    assert [run.method for run in runs] == methods  # a baseline is trained once
    assert runs[0].folder(config) == "results/runs/live/all/slic/split00/seed20"
    assert runs[1].folder(config) == "results/runs/live/all/slic+a/split00/seed20"
    assert [len(run.folders(config)) for run in runs[:3]] == [2, 2, 1]
    assert [run.method for run in runs_of(configured(variants))] == ["slic"]


def test_several_seeds_give_an_ensemble_of_each_method():
    config = configured({"a": {"views": 1}}, ["base", "a"], seeds=[20, 22], baselines=["vit_ridge"])
    runs = runs_of(config)
    ensembles = [run for run in runs if run.method.endswith("+ensemble")]
    assert [(run.method, run.seed) for run in ensembles] == [
        ("slic+ensemble", "20+22"),
        ("slic+a+ensemble", "20+22"),
    ]
    assert len(runs) == 8
    (folder,) = ensembles[1].folders(config)
    assert folder == "results/runs/live/all/slic+a+ensemble/split00/seed20+22"
    assert parts_of("slic+a+ensemble") == ("slic", "a")
    assert parts_of("slic+ensemble") == ("slic", "base")
    assert method_name("slic+a+ensemble") == "DPAM, SLIC, a, ensemble"
    assert not ensembles[0].is_network


def test_a_method_s_name_and_its_parts():
    for method, parts in {"slic": ("slic", "base"), "slic+a_b": ("slic", "a_b")}.items():
        assert parts_of(method) == parts
        assert method_of(*parts) == method
    assert method_name("slic+a_b") == "DPAM, SLIC, a b"


def test_variants_that_pack_alike_share_a_pack():
    variants = {
        "a": {"model": {"dropout": 0}},
        "b": {"image_size": 64},
        "c": {"image_size": 64, "views": 1},
        "d": {"superpixels": {"texture": "signed"}},
    }
    config = configured(variants)
    methods = ["slic", "slic+a", "slic+b", "slic+c", "rim+c", "slic+d"]
    expected = ["slic", "slic", "slic+b", "slic+b", "rim+b", "slic+d"]
    assert [pack_of(config, method) for method in methods] == expected


@pytest.mark.parametrize(
    ("variants", "used", "line"),
    [
        ({}, ["no_texture"], "experiment a: variants: there is no no_texture; known are base"),
        ({"a": {"model": {"dropout": 0.1}}}, ["a"],
         "variants.a: expected a change, found the settings of base"),
        ({"a": {"views": 1}, "b": {"views": 1}}, ["a"],
         "variants.b: expected a change, found the settings of a"),
        ({"a": {"model": {"textur": "constant"}}}, ["a"],
         "variants.a.model: unknown key textur; known: network, "),
        ({"a": {"splits": {"seed": 1}}}, ["a"], "variants.a: unknown key splits; known: model, "),
        ({"a": {"training": {"epochs": 0}}}, ["a"],
         "variants.a.training.epochs: 0 is less than the minimum of 1"),
        ({"a": {"training": {"selection": "last", "patience": 3}}}, ["a"],
         "variants.a: training.patience: 0 was expected (with selection last"),
        ({"base": {"views": 1}}, ["base"], "variants: 'base' does not match"),
        ({"ensemble": {"views": 1}}, ["base"], "variants: 'ensemble' does not match"),
        ({"a": {}}, ["a"], "variants.a: {} should be non-empty"),
        ({"a": {"image_size": 100}}, ["a"], "variants.a: image_size: expected a multiple of 8"),
        ({"a": {"model": {"network": "pooled"}}}, ["base", "a"],
         "experiment a: variant a: model.network pooled: it does not read packs"),
        ({"a": {"training": {"degraded": 0.5}, "stored_side": 512}}, ["a"],
         "experiment a: variant a: training.crop, training.degraded: expected whole images"),
        ({"a": {"model": {"weights": "none.bin"}}}, ["a"],
         "variants.a: model.weights: none.bin: no such file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line_before_the_first_job(
    variants, used, line, tmp_path, monkeypatch
):
    monkeypatch.chdir(Path(tmp_path))
    with pytest.raises(DpamError) as caught:
        runs_of(configured(variants, used))
    assert str(caught.value).count("\n") == 1
    assert f"\n  - {line}" in str(caught.value)


def test_each_variant_s_backbone_is_looked_at():
    config = configured({"a": {"model": {"out_indices": [6, 12]}}})
    with pytest.raises(DpamError, match=r"^variants.a: model: out_indices \[6, 12\]: expected"):
        refuse_impossible_backbone(config)


def test_the_example_of_the_page_asks_for_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs/variants.md").read_text()
    example = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    given = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    config = validate({**given, **example}, SCHEMA)
    runs = runs_of(config)
    packs = dict.fromkeys(pack_of(config, run.method) for run in runs)
    assert (len(runs), list(packs)) == (20, ["slic", "slic+larger"])
    for said in (
        "# 20 trainings, two packs",
        "/slic+larger.h5",
        "/slic+no_texture/split00/seed20/",
    ):
        assert said in page
