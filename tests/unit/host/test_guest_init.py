"""The guest's first program, piece by piece, compiled for this machine; it cannot power it off."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from host.guest import build

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler here; vmlab host up guest")
SETTINGS = {
    "PLAIN": "value",
    "EMPTY": "",
    "HOSTILE": "a\\b \"c\" 'd' $e  ",
    "SHELL": "  # `date` ${HOME} = \\n \\",
}
# What its functions give, one by one. `reboot` and `sync` are taken away before anything of it is compiled.
HARNESS = """
#define _GNU_SOURCE
#include <sys/reboot.h>
#include <unistd.h>
#define reboot(how) ((void)(how))
#define sync() ((void)0)
#define main init_main
#include "init.c"
#undef main
int main(int count, char **words) {
    static char given[1 << 16];
    size_t size = fread(given, 1, sizeof given - 1, stdin), length;
    if (count > 2) {
        read_config(words[2]);
        puts("read");
    } else if (!strcmp(words[1], "quoted")) {
        char *made = quoted(given, size, &length);
        fwrite(made, 1, length, stdout);
    } else if (!strcmp(words[1], "lines")) {
        char **found = lines(given);
        for (length = 0; found[length]; length++)
            continue;
        printf("%zu %s\\n", length, found[length - 1]);
    } else {
        int64_t start = now_ms(), never = rest_ms(0), past = rest_ms(start), soon = rest_ms(start + 1000);
        printf("%d %d %d\\n", (int)never, (int)past, soon > 500 && soon <= 1000);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that calls them."""
    folder = tmp_path_factory.mktemp("init")
    (folder / "pieces.c").write_text(HARNESS)
    command = ["gcc", "-Wall", "-Wno-format-truncation", "-I", str(build.INIT.parent)]
    subprocess.run([*command, "-o", str(folder / "pieces"), str(folder / "pieces.c")], check=True, timeout=60)
    return folder / "pieces"


def said(pieces: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What it prints."""
    return subprocess.run(
        [str(pieces), *words], input=given, capture_output=True, text=True, timeout=20, check=False
    )


def test_settings_are_quoted_for_systemd(pieces: Path) -> None:
    """Between double quotes with what is special there escaped, as systemd's env-file.c reads it, and a shell likewise."""
    given = "".join(f"{name}={value}\n" for name, value in SETTINGS.items())
    made = said(pieces, "quoted", given=given).stdout

    assert made.splitlines()[:3] == [
        'PLAIN="value"', 'EMPTY=""', "HOSTILE=\"a\\\\b \\\"c\\\" 'd' \\$e  \""
    ]  # fmt: skip
    show = "".join(f'printf "%s\\n" "${name}"\n' for name in SETTINGS)
    shell = subprocess.run(["sh", "-c", made + show], capture_output=True, text=True, check=True)
    assert shell.stdout.split("\n") == [*SETTINGS.values(), ""]
    assert said(pieces, "quoted").stdout == ""


@pytest.mark.parametrize(("size", "fits"), [(2**18 - 1, True), (2**18, False), (2**20, False)])
def test_a_configuration_is_never_cut(pieces: Path, tmp_path: Path, size: int, fits: bool) -> None:
    """One that does not fit ends the guest with a line that says so."""
    (tmp_path / "config").write_bytes(b"x" * size)
    done = said(pieces, "config", str(tmp_path / "config"))

    wrong = f"vmlab-guest error: read {tmp_path}/config: File too large\n"
    assert (done.returncode, done.stdout) == ((0, "read\n") if fits else (1, wrong))


def test_a_disk_that_cannot_be_read_ends_the_guest(pieces: Path, tmp_path: Path) -> None:
    """An error is no empty configuration."""
    assert said(pieces, "config", str(tmp_path)).stdout.startswith("vmlab-guest error: read ")


def test_no_line_is_left_out(pieces: Path) -> None:
    """A command or an environment may have as many as there are."""
    given = "".join(f"NAME{number}=x\n" for number in range(1000))

    assert said(pieces, "lines", given=given).stdout == "1000 NAME999=x\n"


def test_the_wait_for_a_clean_end_has_one_deadline(pieces: Path) -> None:
    """For ever before the button, nothing once it has passed, and otherwise what is left of it."""
    assert said(pieces, "rest").stdout == "-1 0 1\n"
