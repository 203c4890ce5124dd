"""Make the pictures of README and docs from a finished demonstration: `make docs`.

    python docs/make.py results/demo

Each is what a command of the package, or the browser, shows of real results; nothing is drawn by
hand. Chromium takes the screenshots.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import sklearn.datasets
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests"))

from browser import CHROMIUM, Browser  # noqa: E402

IMAGES = HERE / "images"
LARGEST = 150_000  # bytes of a picture


def main(results: Path) -> None:
    """Make all pictures."""
    if CHROMIUM is None:
        sys.exit("make docs: Chromium is needed for the screenshots; `make chromium` installs it")
    run = results / "runs/demo_synthetic/all/slic/split00/seed20"
    if not (results / "report/index.html").exists():
        sys.exit(f"make docs: {results} holds no finished demonstration; run `make demo` first")
    table = pd.read_csv(run / "on-demo_synthetic.csv")
    table = table[table["subset"] == "test"].sort_values(["label", "image"])
    tested = results / "datasets/demo_synthetic" / table["image"].iloc[len(table) // 2]
    photo = Path(sklearn.datasets.__file__).parent / "images/china.jpg"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = ["--checkpoint", run / "model.safetensors"]
        dpam("predict", tested, *checkpoint, "--views", 9, "--maps", folder / "maps")
        (maps,) = (folder / "maps").iterdir()
        save("maps", Image.open(maps))
        for method in ("slic", "rim"):
            dpam("superpixels", photo, "--method", method, "--output-dir", folder)
        found = [folder / f"{photo.stem}-{method}.png" for method in ("slic", "rim")]
        save("superpixels", beside(*map(Image.open, found)))
        sheet = folder / "sheet.png"
        dpam("inspect", results / "data/demo_authentic/slic.h5", "--contact-sheet", sheet)
        save("contact_sheet", Image.open(sheet))
    with Browser() as browser:
        page = (results / "report/index.html").resolve().as_uri()
        browser.open(page, 1200)
        save("report", shown(browser, longest=1500))
        browser.open(f"{page}#maps", 1200)
        save("report_maps", shown(browser, "#maps figure svg"))
        browser.open(page, 780, dark=True)
        dark = shown(browser, "#results", longest=900)
        browser.open(f"{page}#maps", 390)
        save("report_narrow", beside(dark, shown(browser, "#maps", longest=900)))


def dpam(*arguments: object) -> None:
    """Run a command of the package.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([sys.executable, "-m", "dpam.cli", *map(str, arguments)], check=True)


def shown(browser: Browser, selector: str | None = None, longest: int | None = None) -> Image.Image:
    """What the browser shows of an element, at most `longest` pixels high."""
    return Image.open(io.BytesIO(browser.picture(selector, longest)))


def beside(*pictures: Image.Image) -> Image.Image:
    """Pictures side by side on white, their upper edges aligned."""
    gap = 16
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width + gap
    return whole


def save(name: str, picture: Image.Image) -> None:
    """Write docs/images/NAME.jpg, as good as it can be in LARGEST bytes."""
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    flat.thumbnail((1200, 1500))
    for quality in (90, 85, 80, 70, 60, 50, 40):
        file = io.BytesIO()
        flat.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() < LARGEST:
            break
    (IMAGES / f"{name}.jpg").write_bytes(file.getvalue())
    print(f"docs/images/{name}.jpg: {flat.width}x{flat.height}, {file.tell() / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
