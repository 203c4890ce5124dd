"""A file system without locks, such as NFS without its lock service, serves like any other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

int flock(int file, int operation) { errno = ENOLCK; return -1; }

static int other(const char *name, int file, int command, void *argument) {
    if (command == F_SETLK || command == F_SETLKW || command == F_GETLK ||
        command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK) {
        errno = ENOLCK;
        return -1;
    }
    return ((int (*)(int, int, void *))dlsym(RTLD_NEXT, name))(file, command, argument);
}

int fcntl(int file, int command, ...) {
    va_list rest;
    va_start(rest, command);
    return other("fcntl", file, command, va_arg(rest, void *));
}

int fcntl64(int file, int command, ...) {
    va_list rest;
    va_start(rest, command);
    return other("fcntl64", file, command, va_arg(rest, void *));
}
"""

PROGRAM = """
import errno, fcntl, sys
sys.path.insert(0, sys.argv[1])
from samples import labels_table, photograph, preparation
from dpam.utils.locks import exclusive
from dpam.pack.preparing import prepare
from dpam.pack.store import Pack, hdf5
from dpam.pack.writing import join
from samples import write_pack

for lock in (fcntl.flock, fcntl.lockf):
    try:
        lock(0, fcntl.LOCK_EX)
    except OSError as error:
        assert error.errno == errno.ENOLCK, error
    else:
        sys.exit("there are locks")

how = preparation("crop")
images = [prepare(photograph(i), how) for i in range(4)]
with exclusive("a.h5"):
    write_pack("a.h5", labels_table(4), how, {"preparation": vars(how)}, images)
join(["a.h5", "a.h5"], "b.h5")
with Pack("b.h5") as pack:
    assert len(pack) == 8
    pack.check()
    pack.example(pack.examples[0])
    assert (pack.image(5) == images[1][0].pixels).all()
hdf5("c.h5", "w").close()
print("served")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to build what refuses locks")
def test_packs_where_there_are_no_locks(tmp_path: Path) -> None:
    (tmp_path / "without.c").write_text(WITHOUT_LOCKS)
    library = tmp_path / "without.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "without.c", "-ldl"], check=True
    )
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1])],
        env=os.environ | {"LD_PRELOAD": str(library)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == "served\n", answer.stderr
