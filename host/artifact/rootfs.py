"""From Debian packages to a tree: mmdebstrap unpacks, then everything goes that the next build would have otherwise.

`slim` is unpacked only: no maintainer script runs, so nothing is there that only those need. `full` is installed as a
machine's own Debian is, with systemd. mmdebstrap gets this machine's sources and package lists, so that it fetches the
versions that `apt` resolved, from whichever mirror is configured. Out of scope: the kernel of a guest.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from host.artifact import apt, contents
from host.artifact.definition import Definition
from host.artifact.tree import SECONDS, normalise
from machine import commands

BUILD_SECONDS = 900
# A whole guest: what `slim` has, and what boots it. `?essential` is what mmdebstrap's variant installs.
GUEST_PACKAGES = ("systemd-sysv", "udev", "kmod")
GUEST_RESOLVED = ("?essential", "usr-is-merged", *GUEST_PACKAGES)
# A build that is killed, with whatever dpkg started: its first process dies with us, and its namespaces with that.
_ENDS_WITH_US = (
    "setpriv",
    "--pdeathsig",
    "KILL",
    "--",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--",
)
_MERGED = Path("/usr/share/mmdebstrap/hooks/merged-usr")
_NOT_UNPACKED = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
# Of the machine that built it, of the moment, or of the package manager, which is not there.
_DROPPED = (
    "etc/.pwd.lock", "etc/apt", "etc/fstab", "etc/hostname", "etc/resolv.conf", "etc/*-", "etc/dpkg",
    "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/doc-base",
    "var/backups/*", "var/cache/*", "var/lib/apt", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed",
    "var/lib/systemd/catalog/*", "var/log/*", "dev/*", "run/*", "tmp/*",
)  # fmt: skip
_DROPPED_OF_SLIM = ("etc/machine-id", "var/lib/dpkg")
_EMPTY_IF_MERGED = ("lib32", "libx32")


def build_slim(definition: Definition, root: Path, status: Path) -> None:
    """Only what the service needs; `status` names the packages that count as there already."""
    hook = f"--setup-hook=upload {shlex.quote(str(status))} /var/lib/dpkg/status"
    _mmdebstrap(root, "extract", definition.packages, [hook])
    _drop(root, (*_DROPPED, *_DROPPED_OF_SLIM))
    _drop_links(root)
    _drop_documentation(root)
    contents.add(definition, root)
    contents.add_accounts(root)
    normalise(root, setuid=False)


def build_full(definition: Definition, root: Path, slim_packages: Sequence[str]) -> dict[str, str]:
    """A whole guest around the same service; name and version of its packages."""
    _mmdebstrap(root, "essential", [*definition.packages, *GUEST_PACKAGES], [])
    installed = _installed(root)
    contents.disable_units(root, slim_packages)
    _drop(root, (*_DROPPED, *_DROPPED_OF_SLIM))
    _drop_documentation(root)
    contents.add(definition, root)
    contents.append_account(root)
    contents.add_unit(definition, root)
    (root / "etc/machine-id").write_bytes(b"")  # systemd makes one in memory at each boot
    normalise(root, setuid=True)
    return installed


def _mmdebstrap(root: Path, variant: str, packages: Sequence[str], hooks: Sequence[str]) -> None:
    """Without mounts in the tree, so that removing it after a kill can never reach this machine's own /dev."""
    command = [
        *_ENDS_WITH_US,
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--format=directory",
        f"--variant={variant}",
    ]
    command += ["--skip=update,chroot/mount", "--setup-hook=copy-in /var/lib/apt/lists /var/lib/apt"]
    command += hooks
    command += ["--dpkgopt=force-unsafe-io"]  # a build that did not end is thrown away
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_UNPACKED]
    command += [f"--hook-dir={_MERGED}", f"--include={','.join(packages)}", "", str(root)]
    command += [str(path) for path in apt.sources()]
    commands.run(
        command, timeout_seconds=BUILD_SECONDS, environment={"SOURCE_DATE_EPOCH": str(SECONDS), "TZ": "UTC"}
    )


def _installed(root: Path) -> dict[str, str]:
    text = (root / "var/lib/dpkg/status").read_text()
    return dict(sorted(re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", text, re.MULTILINE | re.DOTALL)))


def _drop(root: Path, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _drop_links(root: Path) -> None:
    """The folders of other word sizes that the hook links and nothing fills."""
    for name in _EMPTY_IF_MERGED:
        if (root / name).is_symlink() and not any((root / "usr" / name).iterdir()):
            (root / name).unlink()
            (root / "usr" / name).rmdir()


def _drop_documentation(root: Path) -> None:
    """Only the licences stay."""
    for folder, _, names in os.walk(root / "usr/share/doc", topdown=False):
        for name in names:
            if name != "copyright":
                (Path(folder) / name).unlink()
        if not any(Path(folder).iterdir()):
            Path(folder).rmdir()
