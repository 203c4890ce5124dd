"""What numba compiles is kept where that is safe, and else compiled anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534  # reads all, so that it finds Python in root's home; writes what nobody may
SETPRIV = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups".split() + [
    f"--{kind}=-all,+dac_read_search" for kind in ("inh-caps", "ambient-caps", "bounding-set")
]
PROGRAM = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
from dpam.imaging import crops
from dpam.superpixels import kernels
print(kernels.root(0.0))
kernels.root(1)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv (util-linux)")
def test_a_user_without_a_home_compiles_without_keeping(tmp_path: Path) -> None:
    """As `docker run --user` starts it."""
    without = {"HOME": "/nonexistent", "NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
    answer = subprocess.run(
        [*SETPRIV, sys.executable, "-c", PROGRAM],
        env=os.environ | without,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert float(answer.stdout) == pytest.approx(4 / 29)
    assert answer.stderr.count("compiled code cannot be kept") == 1
    assert answer.stderr.count("compiling loops") == 1
