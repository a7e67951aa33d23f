"""The build context's digest and tar."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from engine.providers.docker import image
from engine.providers.docker.build_context import BuildContext, mode_string


@pytest.fixture
def context(tmp_path: Path) -> BuildContext:
    """Two files and a link in walking order a, b/c, b.d."""
    (tmp_path / "b").mkdir()
    for name, content in (("Dockerfile", "FROM scratch"), ("a", "1"), ("b/c", "2"), ("b.d", "3")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o644)
    (tmp_path / "link").symlink_to("/no/where")
    return BuildContext(tmp_path, tmp_path / "Dockerfile")


def test_the_digest_follows_the_official_rules(context):
    """Dockerfile first with mode 0, then each file's name, Go mode, content hash and a zero byte."""
    whole = hashlib.sha256()
    rows = [
        ("Dockerfile", "----------", "FROM scratch"),
        ("Dockerfile", "-rw-r--r--", "FROM scratch"),
        ("a", "-rw-r--r--", "1"),
        ("b/c", "-rw-r--r--", "2"),
        ("b.d", "-rw-r--r--", "3"),
        ("link", "Lrwxrwxrwx", "/no/where"),
    ]
    for name, mode, content in rows:
        whole.update(name.encode() + mode.encode() + hashlib.sha256(content.encode()).digest() + b"\0")
    assert context.digest() == whole.hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "a").write_text("x"),
        lambda top: (top / "a").chmod(0o755),
        lambda top: (top / "a").rename(top / "z"),
        lambda top: (top / "new").write_text(""),
        lambda top: (top / "Dockerfile").write_text("FROM other"),
    ],
)
def test_every_change_changes_the_digest(context, change):
    """Content, mode, name, a new file and the Dockerfile count."""
    before = context.digest()
    change(context.directory)
    assert context.digest() != before


def test_what_is_ignored_counts_for_nothing(context):
    """A file that .dockerignore names, and one that a later exception takes back."""
    (context.directory / ".dockerignore").write_text("# comment\nb\n!b/c\n/a\n")
    assert context.files() == [".dockerignore", "Dockerfile", "b/c", "b.d", "link"]


def test_the_dockerfiles_own_ignore_file_wins(context):
    """`Dockerfile.dockerignore` beats `.dockerignore`."""
    (context.directory / ".dockerignore").write_text("a\n")
    (context.directory / "Dockerfile.dockerignore").write_text("b.d\n")
    assert "a" in context.files()
    assert "b.d" not in context.files()


def test_the_tar_is_the_same_twice(context):
    """No times and no owners, so the same files are the same bytes; the Dockerfile has a name that COPY does not see."""
    stream, name = context.tar()
    with stream:
        first = stream.read()
    (context.directory / "a").touch()
    stream, _ = context.tar()
    with stream:
        assert stream.read() == first
        stream.seek(0)
        with tarfile.open(fileobj=stream) as archive:
            assert name in archive.getnames()
            ignore = archive.extractfile(".dockerignore")
            assert ignore is not None
            assert name in ignore.read().decode()


def test_modes_are_printed_as_go_does(context):
    """Set-user-id and sticky bits stand before the permissions, not in them."""
    (context.directory / "a").chmod(0o4755)
    assert mode_string(context.directory / "a") == "urwxr-xr-x"


def test_a_wrong_context_is_refused_in_check(tmp_path):
    """A missing directory and a Dockerfile that is meant relative to the context are named."""
    assert image.check({"build": {"context": "none"}}, tmp_path)[1][0].path == "build.context"
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM scratch")
    fault = image.check({"build": {"context": "app", "dockerfile": "Dockerfile"}}, tmp_path)[1][0]
    assert fault.path == "build.dockerfile"
    assert "app/Dockerfile" in fault.reason
    assert len(image.check({"build": {"context": "app"}}, tmp_path)[0]["build"]["contextDigest"]) == 64
