"""docs/add_superpixel_method.md, followed to the letter, ends with a report."""

import re
import shlex
import shutil

import pytest
from checkout import TOP, Checkout
from PIL import Image
from samples import photograph

PAGE = (TOP / "docs/add_superpixel_method.md").read_text(encoding="utf-8")
PLACE = re.compile(r"# (\S+\.(?:py|yaml))(?:, (above|below) the line: (.*))?\n")


def write(checkout: Checkout, block: str) -> None:
    """Do what a block says whose first line names a file: write it, or put it beside a line."""
    place = PLACE.match(block)
    assert place, block
    file, text = checkout.folder / place[1], block[place.end() :]
    if place[2]:
        before, line, after = file.read_text(encoding="utf-8").partition(f"\n{place[3]}\n")
        assert line, f"{file} has no line {place[3]}"
        text = f"\n{text}{line[1:]}" if place[2] == "above" else f"{line}{text}"
        text = before + text + after
    file.write_text(text, encoding="utf-8")


@pytest.mark.tutorial
def test_the_page_ends_with_a_report(tmp_path):
    checkout = Checkout(tmp_path)
    # Smaller than the page's, and without the judge's network; the page itself is not changed.
    shutil.copy(TOP / "tests/workflow/tiny.yaml", checkout.folder)
    Image.fromarray(photograph(0)).save(checkout.folder / "photograph.jpg")
    for language, block in re.findall(r"```(python|yaml|sh)\n(.*?)```", PAGE, re.DOTALL):
        if language != "sh":
            write(checkout, block)
            continue
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            if program == "snakemake":
                arguments.insert(arguments.index("my.yaml"), "tiny.yaml")
                arguments += ["--cores", "2", "--set-threads", "pack_superpixels=1"]
            answer = checkout.run(program, *arguments)
            assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (checkout.folder / "photograph-squares.png").exists()
    report = (checkout.folder / "results/demo/report/index.html").read_text(encoding="utf-8")
    assert "DPAM, SLIC" in report
    assert "DPAM, squares" in report
