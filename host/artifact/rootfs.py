"""Making a tree: mmdebstrap unpacks Debian packages, then everything that would differ next time is taken out.

The result is a tar whose entries are sorted, whose times are one fixed second and whose content depends on package versions
and the service's files alone; built twice it is the same bytes. mmdebstrap copies resolv.conf and hostname of this
machine and leaves logs and caches: those go, and so do documentation and translations.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from host import run
from host.artifact.definition import Definition

SECONDS = 1_700_000_000  # of every file: SOURCE_DATE_EPOCH
USER = 65532
SUITE = "bookworm"
BUILD_SECONDS = 900
# A whole guest: what `slim` has, and what boots it.
GUEST_PACKAGES = ("systemd", "systemd-sysv", "udev", "kmod", "util-linux", "mount")
_DROPPED = (
    "usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/",
    "var/cache/", "var/log/", "var/lib/apt/", "var/lib/dpkg/", "var/backups/", "tmp/", "run/", "dev/",
    "etc/resolv.conf", "etc/hostname", "etc/machine-id", "var/lib/dbus/machine-id", "etc/.pwd.lock",
    "var/lib/systemd/random-seed", "etc/ld.so.cache", "var/lib/systemd/catalog/", "etc/passwd-", "etc/group-",
    "etc/shadow-", "etc/gshadow-",
)  # fmt: skip
_DIRECTORIES = {"data": 0o700, "dev": 0o755, "proc": 0o755, "run": 0o755, "sys": 0o755, "tmp": 0o1777}
_UNIT = """[Unit]
Description=the service of the lab
After=network.target
[Service]
EnvironmentFile=-/etc/vmlab-service.env
ExecStart={command}
User={user}
Group={user}
NoNewPrivileges=yes
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""


def build(definition: Definition, tar: Path, *, guest: bool) -> None:
    """Write the tree as a tar: `slim`, or with `guest` the whole system."""
    raw = tar.with_suffix(".raw")
    packages = [*definition.packages, *(GUEST_PACKAGES if guest else ())]
    variant = "essential" if guest else "extract"
    command = [
        "mmdebstrap",
        "--quiet",
        f"--variant={variant}",
        f"--include={','.join(packages)}",
        "--format=tar",
    ]
    sources = _sources()
    run.run([*command, SUITE, str(raw), *(["-"] if sources else [])], timeout=BUILD_SECONDS, given=sources,
            environment={"SOURCE_DATE_EPOCH": str(SECONDS)})  # fmt: skip
    with tarfile.open(raw) as source, tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as target:
        _copy(source, target, dict(_added(definition, guest)))
    raw.unlink()


def _sources() -> str:
    """The machine's own package sources, whichever mirror they name."""
    old = Path("/etc/apt/sources.list")
    texts = [old.read_text()] if old.exists() else []
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*")):
        if path.suffix == ".sources":
            texts.append(_one_line_style(path.read_text()))
        elif path.suffix == ".list":
            texts.append(path.read_text())
    lines = [line for line in "\n".join(texts).splitlines() if line.startswith("deb ") and SUITE in line]
    return "\n".join(lines) + "\n" if lines else ""


def _one_line_style(text: str) -> str:
    """deb822 paragraphs as `deb` lines, which can be concatenated."""
    lines = []
    for paragraph in text.split("\n\n"):
        pairs = (
            row.split(":", 1) for row in paragraph.splitlines() if ":" in row and not row.startswith("#")
        )
        fields = {key.strip().lower(): value.strip() for key, value in pairs}
        if "deb" not in fields.get("types", "").split():
            continue
        signed = f"[signed-by={fields['signed-by']}] " if "signed-by" in fields else ""
        for uri in fields.get("uris", "").split():
            lines += [
                f"deb {signed}{uri} {suite} {fields.get('components', '')}"
                for suite in fields["suites"].split()
            ]
    return "\n".join(lines)


def _copy(source: tarfile.TarFile, target: tarfile.TarFile, added: dict[str, tuple[int, bytes]]) -> None:
    entries = {_name(entry): entry for entry in source if _kept(entry)}
    for name in _parents(added) - set(entries):
        entries[name] = _directory(name, 0o755)
    for name, mode in _DIRECTORIES.items():
        entries[name] = _directory(name, mode, USER if name == "data" else 0)
    for name in sorted({*entries, *added}):
        if name in added:
            mode, content = added[name]
            target.addfile(_normal(_file(name, mode, len(content))), io.BytesIO(content))
        elif entries[name].isreg() and not entries[name].islnk():
            target.addfile(_normal(entries[name], name), source.extractfile(entries[name]))
        else:
            target.addfile(_normal(entries[name], name))


def _kept(entry: tarfile.TarInfo) -> bool:
    name = _name(entry)
    if not name or entry.ischr() or entry.isblk() or entry.isfifo() or "__pycache__" in name:
        return False
    return not any(name == drop or (drop.endswith("/") and f"{name}/".startswith(drop)) for drop in _DROPPED)


def _name(entry: tarfile.TarInfo) -> str:
    return entry.name.removeprefix("./").strip("/").removeprefix(".")


def _added(definition: Definition, guest: bool) -> Iterator[tuple[str, tuple[int, bytes]]]:
    """The service's files and its user's account."""
    for target, source in definition.files.items():
        yield target.lstrip("/"), (0o644, source.read_bytes())
    account = f"root:x:0:0:root:/root:/usr/sbin/nologin\nservice:x:{USER}:{USER}::/data:/usr/sbin/nologin\n"
    group = f"root:x:0:\nservice:x:{USER}:\n"
    if not guest:
        yield "etc/passwd", (0o644, account.encode())
        yield "etc/group", (0o644, group.encode())
    else:
        command = " ".join(word.replace("{root}", "") for word in definition.command)
        yield (
            "etc/systemd/system/vmlab-service.service",
            (0o644, _UNIT.format(command=command, user=USER).encode()),
        )
        yield "usr/lib/sysusers.d/vmlab.conf", (0o644, f"u service {USER} - /data\n".encode())


def _parents(names: dict[str, tuple[int, bytes]]) -> set[str]:
    return {str(parent) for name in names for parent in Path(name).parents if str(parent) != "."}


def _directory(name: str, mode: int, owner: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
    return entry


def _file(name: str, mode: int, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, size
    return entry


def _normal(entry: tarfile.TarInfo, name: str = "") -> tarfile.TarInfo:
    """The same entry without what differs from build to build."""
    entry.name = name or entry.name
    if entry.islnk():
        entry.linkname = entry.linkname.removeprefix("./")
    entry.mtime = SECONDS
    entry.uname = entry.gname = ""
    entry.pax_headers = {}
    return entry
