"""Variants: the configuration with a few keys changed, by name, for experiments that compare.

`config` is everywhere a configuration as `dpam.experiments.configuration.validate` returns it. The
variant `base` is the configuration as it is; `dpam.evaluation.methods` has the names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dpam.evaluation.methods import BASE, method_of, parts_of

PACKED = ("superpixels", "image_size", "stored_side", "resize")  # keys that packs depend on
VARIED = ("model", "training", "views", *PACKED)  # keys that a variant may change


def config_of(config: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """The configuration of a variant: of each section it keeps what the variant does not name."""
    changed = dict(config)
    for key, value in ({} if variant == BASE else config["variants"][variant]).items():
        changed[key] = config[key] | value if isinstance(value, dict) else value
    return changed


def pack_of(config: Mapping[str, Any], method: str) -> str:
    """The name of the pack that a method reads: that of the first variant that packs alike."""
    superpixels, variant = parts_of(method)
    wanted = packing(config, variant)
    return next(
        method_of(superpixels, other)
        for other in (BASE, *config["variants"])
        if packing(config, other) == wanted
    )


def packing(config: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """What a variant's packs depend on."""
    changed = config_of(config, variant)
    return {key: changed[key] for key in PACKED}


def packing_options(config: Mapping[str, Any], method: str) -> list[str]:
    """The options of `dpam pack-superpixels` that say how a method's pack is made: those that its
    superpixels read, and how pixels are kept."""
    superpixels, variant = parts_of(method)
    settings = packing(config, variant)
    profiles = settings["superpixels"]["colour_profiles"]
    words = ["--resize", settings["resize"], "--colour-profiles", profiles]
    if settings["stored_side"] is not None:
        words += ["--stored-side", str(settings["stored_side"])]
    if superpixels != "none":
        own = "backend" if superpixels == "slic" else superpixels
        for name in (own, "statistics", "texture"):
            if value := settings["superpixels"].get(name):
                words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def wrong_variants(config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the variants themselves, a line each."""
    known = {BASE: config_of(config, BASE)}
    for name in config["variants"]:
        changed = config_of(config, name)
        same = [other for other, settings in known.items() if settings == changed]
        if same:
            yield f"variants.{name}: expected a change, found the settings of {same[0]}"
        known[name] = changed
