"""What a tree has beyond Debian's packages: the service's files, its user's account, and the unit that starts it in a guest.

Out of scope: what a guest receives at boot (its address, its nonce), which comes from its configuration disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from host.artifact.definition import INSIDE_DATA, Definition
from machine.addresses import USER

UNIT = "vmlab-service.service"
_EMPTY = {"data": 0o755, "dev": 0o755, "proc": 0o755, "run": 0o755, "sys": 0o755, "tmp": 0o1777}
_ACCOUNT = f"service:x:{USER}:{USER}:service:/data:/usr/sbin/nologin\n"
_GROUP = f"service:x:{USER}:\n"
_UNIT = """[Unit]
Description=vmlab: {name}
After=local-fs.target

[Service]
User={user}
Group={user}
{environment}
EnvironmentFile=-/run/vmlab/service.env
ExecStart={command}
StandardOutput=journal+console
NoNewPrivileges=yes
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""


def add(definition: Definition, root: Path) -> None:
    """The service's files, and the directories that every substrate expects."""
    for name, mode in _EMPTY.items():
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    for target, source in definition.files.items():
        _put(root / target.lstrip("/"), source)
    for target, text in definition.templates().items():
        (root / target.lstrip("/")).write_text(definition.inside(text))
    for name in definition.writable:
        folder = root / name.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.chown(folder, USER, USER)


def add_accounts(root: Path) -> None:
    """root and the service's user; no login is possible."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/usr/sbin/nologin\n" + _ACCOUNT)
    (root / "etc/group").write_text("root:x:0:\n" + _GROUP)


def append_account(root: Path) -> None:
    """The service's user beside Debian's; no password opens root."""
    for name, line in (("passwd", _ACCOUNT), ("group", _GROUP), ("shadow", "service:!*:1::::::\n")):
        path = root / "etc" / name
        lines = [row for row in path.read_text().splitlines(keepends=True) if not row.startswith("service:")]
        if name == "shadow":
            lines = [":".join([row.split(":")[0], "!*", "1", *row.split(":")[3:]]) for row in lines]
        path.write_text("".join([*lines, line]))


def add_unit(definition: Definition, root: Path) -> None:
    """The service as systemd starts it, enabled."""
    settings = {"PORT": str(definition.port), "DATA_DIR": INSIDE_DATA, **definition.environment}
    text = _UNIT.format(
        name=definition.name,
        user=USER,
        environment="\n".join(
            f"Environment={_quoted(f'{name}={value}')}" for name, value in settings.items()
        ),
        command=" ".join(map(_quoted, definition.command_inside())),
    )
    units = root / "etc/systemd/system"
    (units / UNIT).write_text(text)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / UNIT).symlink_to(f"/etc/systemd/system/{UNIT}")


def disable_units(root: Path, packages: Sequence[str]) -> None:
    """A package's own unit (nginx.service) must not start the service a second time."""
    shipped = set()
    for package in packages:
        for path in (root / "var/lib/dpkg/info").glob(f"{package}*.list"):
            if path.name.partition(".list")[0].partition(":")[0] == package:
                shipped |= {
                    Path(line).name for line in path.read_text().splitlines() if line.endswith(".service")
                }
    for link in (root / "etc/systemd/system").glob("*.wants/*"):
        if link.name in shipped:
            link.unlink()


def _put(target: Path, source: Path) -> None:
    """Belongs to root; executable if the source is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _quoted(word: str) -> str:
    """As systemd reads it: `%` and `$` doubled, the rest between quotes."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
