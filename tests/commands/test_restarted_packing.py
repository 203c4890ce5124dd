"""Packing goes on after a kill and after a full disk, and ends as if nothing had happened."""

import json
import resource
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from samples import photograph

from dpam.pack.store import Pack

pytestmark = pytest.mark.xdist_group("packing")

COUNT = 60
# In a process of its own, with a limit on the size of files if one is given.
LIMITED = """
import resource, sys
from dpam.cli import main
if __name__ == "__main__":
    if sys.argv[1] != "0":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
    sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for row in range(COUNT):
        Image.fromarray(photograph(row, 240, 300)).save(folder / f"{row}.png")
    names = [f"{row}.png" for row in range(COUNT)]
    table = {"image": names, "label": np.linspace(0, 1, COUNT), "label_kind": "MOS"}
    pd.DataFrame(table).to_csv(folder / "labels.csv", index=False)
    (folder / "verified.json").write_text(json.dumps({"fingerprint": "0"}))
    (folder / "run.py").write_text(LIMITED)
    (folder / "scores.csv").write_text("image,score\n")
    return folder


def start(data, output, *more, limit=0, threads=1, network_input="crop"):
    custom = {
        "labels": str(data / "scores.csv"),
        "score_range": [0, 1],
        "higher_is_better": True,
        "network_input": network_input,
        "recipe": {"size": None, "count": 12, "region_size": 60, "pixels": 600},
    }
    arguments = [
        *("pack-superpixels", "mine", "--root", data, "--custom", json.dumps(custom)),
        *("--verified", data / "verified.json", "--labels", data / "labels.csv"),
        *("--image-size", 64, "--threads", threads, "--output", output, *more),
    ]
    command = [sys.executable, data / "run.py", str(limit), *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def packed(part):
    """How many images are in a file that may not be there yet."""
    try:
        with h5py.File(part, "r", locking=False) as file:
            return int(file["packed"][:].sum())
    except OSError:
        return 0


def assert_same_packs(first, second):
    with Pack(first) as one, Pack(second) as other:
        pd.testing.assert_frame_equal(one.labels, other.labels)
        assert one.rows.keys() == other.rows.keys()
        for name, rows in one.rows.items():
            np.testing.assert_array_equal(rows, other.rows[name], err_msg=name)
        assert one.examples == other.examples


@pytest.fixture(scope="module")
def undisturbed(data):
    process = start(data, data / "undisturbed.h5", threads=2)
    said = process.communicate()[1]
    assert said.endswith(" images packed; colour profiles in their files: converted to sRGB\n")
    assert said.count("\n") == 1
    assert process.returncode == 0
    return data / "undisturbed.h5"


def test_it_goes_on_after_a_kill(data, undisturbed, tmp_path):
    output, part = tmp_path / "slic.h5", tmp_path / ".slic.part.h5"
    process = start(data, output, threads=2)
    while packed(part) < 6 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    time.sleep(0.5)  # workers end with their parent
    done = packed(part)
    time.sleep(0.5)
    assert 6 <= packed(part) == done < COUNT

    # An image that is packed is not opened again, so that it may be gone now.
    with h5py.File(part, "r") as file:
        gone = int(np.flatnonzero(file["packed"][:])[0])
    (data / f"{gone}.png").rename(data / "gone")
    try:
        process = start(data, output)
        messages = process.communicate()[1]
    finally:
        (data / "gone").rename(data / f"{gone}.png")
    assert f"going on: {done} of {COUNT} are packed" in messages
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["slic.h5"]
    assert_same_packs(output, undisturbed)


def test_parts_that_are_packed_apart_and_joined_are_the_same_pack(data, undisturbed, tmp_path):
    shards = [tmp_path / f"slic-{number}of3.h5" for number in (1, 2, 3)]
    running = [
        start(data, shard, "--shard", f"{number}/3") for number, shard in enumerate(shards, 1)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert start(data, tmp_path / "slic.h5", "--shards", *shards).wait() == 0
    assert_same_packs(tmp_path / "slic.h5", undisturbed)
    with Pack(tmp_path / "slic.h5") as one, Pack(undisturbed) as other:
        for index in other.examples:
            for name, values in vars(other.example(index)).items():
                np.testing.assert_array_equal(getattr(one.example(index), name), values)

    otherwise = tmp_path / "otherwise.h5"
    assert start(data, otherwise, "--shard", "2/3", "--texture", "signed").wait() == 0
    process = start(data, tmp_path / "mixed.h5", "--shards", shards[0], otherwise)
    assert "made with other settings" in process.communicate()[1]
    assert process.returncode == 1
    assert not (tmp_path / "mixed.h5").exists()


@pytest.mark.parametrize("part", ["other", "broken"])
def test_a_part_of_something_else_is_removed(data, undisturbed, tmp_path, part):
    if part == "other":
        content = bytearray(undisturbed.read_bytes())
        (tmp_path / ".slic.part.h5").write_bytes(content)
        with h5py.File(tmp_path / ".slic.part.h5", "r+") as file:
            file.attrs["identity"] = "of other settings"
            file["pixels"][:1000] = 7
    else:
        (tmp_path / ".slic.part.h5").write_bytes(bytes(512) + b"nothing")
    (tmp_path / "..slic.part.0123abcd.part.h5").write_bytes(bytes(512) + b"half laid out")
    process = start(data, tmp_path / "slic.h5")
    assert "starting again" in process.communicate()[1]
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["slic.h5"]
    assert_same_packs(tmp_path / "slic.h5", undisturbed)


@pytest.mark.parametrize("name", ["slic.h5", ".slic.part.h5"])
def test_what_is_there_and_no_pack_is_left_alone(data, tmp_path, name):
    for there in (name, "..slic.part.0123abcd.part.h5"):
        (tmp_path / there).write_text("mine")
    process = start(data, tmp_path / "slic.h5")
    said = process.communicate()[1]
    assert process.returncode == 1
    assert said.count("\n") == 1, said
    assert f"{tmp_path}/{name}: " in said
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("limit", [2_000, 12_900_000])
def test_a_full_disk_ends_in_one_line_and_leaves_nothing(data, tmp_path, limit):
    process = start(data, tmp_path / "slic.h5", limit=limit)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert said.count("\n") == 1, said
    assert "cannot be written here" in said
    assert "make room" in said
    assert not list(tmp_path.iterdir())


def test_settings_that_a_pack_depends_on_are_in_it(data, undisturbed, tmp_path):
    process = start(
        *(data, tmp_path / "a.h5", "--texture", "signed", "--statistics", "sampled"),
        network_input="whole",
    )
    assert process.wait() == 0
    with Pack(tmp_path / "a.h5") as pack:
        assert pack.preparation.texture == "signed"
        assert pack.preparation.sample == 600
        assert pack.rows["texture"].min() < 0
    with Pack(undisturbed) as pack:
        assert pack.preparation.sample == 0
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
