"""Packs (HDF5): damaged, of another shape, with links to elsewhere."""

import shutil

import h5py
import numpy as np
import pytest
from damage import flipped, truncated
from running import call
from samples import ABOUT, labels_table, photograph, preparation, write_pack

from dpam.pack.preparing import prepare

KIND = "corrupt HDF5"
COUNT = 12


def make(path, how) -> None:
    labels = labels_table(COUNT)
    images = (prepare(photograph(number), how) for number in range(COUNT))
    write_pack(path, labels, how, ABOUT | {"preparation": vars(how)}, images)


def edits():
    """What to do to an open pack that is whole."""

    def of(name, value):
        def edit(file):
            del file[name]
            file[name] = value

        return edit

    def attribute(name, value):
        return lambda file: file.attrs.__setitem__(name, value)

    for name in ("pixels", "offset", "height", "width", "mean", "packed", "labels", "labels/label"):
        yield f"no {name}", lambda file, name=name: file.__delitem__(name)
    far = np.arange(COUNT, dtype=np.int64) + 2**40
    yield "offsets beyond the end", of("offset", far)
    yield "offsets below 0", of("offset", -far)
    yield "offsets too few", of("offset", np.zeros(3, np.int64))
    yield "offsets in words", of("offset", ["a"] * COUNT)
    yield "heights of 2^31", of("height", np.full(COUNT, 2**31))
    yield "heights of 0", of("height", np.zeros(COUNT, np.int64))
    yield "pixels as floats", of("pixels", np.zeros(99))
    yield "means of another shape", of("mean", np.zeros((COUNT, 3, 3), np.float32))
    yield "means that are NaN", of("mean", np.full((COUNT, 12, 3), np.nan, np.float32))
    yield "scores in words", of("labels/label", ["good"] * COUNT)
    yield "scores too few", of("labels/label", np.zeros(3))
    yield "packed: not all", of("packed", np.zeros(COUNT, np.uint8))
    yield "packed: a matrix", of("packed", np.ones((3, 3), np.uint8))
    for value in ("", "{", "[]", "{}", '{"preparation": {}}', '{"preparation": "whole"}', 7):
        yield f"settings: {value}", attribute("settings", value)
    yield "another format", attribute("format", "dpam-pack-0")

    def external(file):
        del file["pixels"]
        file["pixels"] = h5py.ExternalLink("/etc/hostname", "pixels")

    def outside(file):
        shape = file["pixels"].shape
        del file["pixels"]
        file.create_dataset("pixels", shape, np.uint8, external=[("/etc/passwd", 0, shape[0])])

    def dangling(file):
        del file["pixels"]
        file["pixels"] = h5py.SoftLink("/nowhere")

    def circular(file):
        del file["pixels"]
        file["pixels"] = h5py.SoftLink("/pixels")

    yield "pixels: a link to another file", external
    yield "pixels: the content of another file", outside
    yield "pixels: a link to nowhere", dangling
    yield "pixels: a link to itself", circular


def copies(good, damaged):
    """Damaged copies of a pack, one after the other under the same name: what was done."""
    content = good.read_bytes()
    for what, data in [
        *truncated(content, (0.0, 0.001, 0.01, 0.5, 0.999)),
        *(("beginning, " + what, data) for what, data in flipped(content, range(24), 1, 0, 4000)),
        *(
            ("beginning, " + what, data)
            for what, data in flipped(content, range(24, 30), 40, 0, 9000)
        ),
        *flipped(content, range(30, 42), 1),
        ("text", b"no HDF5\n"),
        ("HDF5's signature alone", b"\x89HDF\r\n\x1a\n"),
    ]:
        damaged.write_bytes(data)
        yield what
    for what, edit in edits():
        shutil.copy(good, damaged)
        with h5py.File(damaged, "r+") as file:
            edit(file)
        yield what


@pytest.mark.parametrize("network_input", ["whole", pytest.param("crop", marks=pytest.mark.faults)])
def test_a_broken_pack_is_refused_or_harmless(network_input, model, tmp_path, note):
    good, damaged = tmp_path / "good.h5", tmp_path / "x.h5"
    make(good, preparation(network_input))
    subsets = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    labels_table(COUNT)[["image"]].assign(split00=subsets).to_csv("splits.csv", index=False)
    problems = []

    def test(pack, output):
        return call("test", model, pack, "--splits", "splits.csv", "--output", output)

    assert test(good, "good.csv").status == 0
    expected = (tmp_path / "good.csv").read_bytes()
    for what in copies(good, damaged):
        answer = test(damaged, "x.csv")
        tried = f"{network_input}: {what}"
        if not answer.is_clear():
            problems.append((tried, answer))
        elif answer.status == 0:
            if (tmp_path / "x.csv").read_bytes() == expected:
                note(KIND, tried, "harmless: the same predictions")
            else:
                problems.append((tried, "other predictions"))
            (tmp_path / "x.csv").unlink()
        elif "x.h5: " in answer.err and not (tmp_path / "x.csv").exists():
            note(KIND, tried, f"refused: {answer.err.splitlines()[0].partition('x.h5: ')[2][:160]}")
        else:
            problems.append((tried, answer))
    assert not problems, "\n".join(map(str, problems))
