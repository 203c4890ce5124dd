"""`dpam inspect` prints what is inside a pack and draws its images."""

import numpy as np
from PIL import Image

from dpam.cli import main
from dpam.pack.store import Pack


def test_what_is_inside_is_printed_and_drawn(pack_file, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert main(["inspect", str(pack_file), "--contact-sheet", str(sheet)]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    found = {name.strip(): value.strip() for name, value in lines.items()}
    assert found["dataset"] == "tiny"
    assert found["images"] == "12"
    assert found["label"] == "0.100 to 0.900, MOS"
    assert found["superpixels"].startswith(f"{12 * 9 * 4} bytes per image")
    assert found["mean"] == f"{12 * 12 * 12 / 1000:.3g} kB, 144 bytes per image, float32"
    assert found["preparation: method"] == "slic"
    with Pack(pack_file) as pack:
        assert found["width"] == f"{pack.width[0]} pixels"
        best = pack.image(11)
    pixels = np.asarray(Image.open(sheet))
    assert pixels.shape == (3 * 264, 6 * 264, 3)
    # The best image is the first picture; compared in the middle, where nothing is interpolated
    # but alike.
    shown = pixels[24 + 90 : 24 + 110, 12 + 110 : 12 + 130].mean(axis=(0, 1))
    height, width = best.shape[:2]
    scale = 240 / max(height, width)
    y, x = int(100 / scale), int(120 / scale)
    reach = int(10 / scale)
    expected = best[y - reach : y + reach, x - reach : x + reach].mean(axis=(0, 1))
    assert np.abs(shown - expected).max() < 12


def test_what_is_no_pack_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "a.h5").write_text("nothing")
    assert main(["inspect", str(tmp_path / "a.h5")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a.h5: expected a pack (HDF5), found something else" in said
