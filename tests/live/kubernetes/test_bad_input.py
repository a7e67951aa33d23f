"""Bad input: a cluster that is not there is refused with exit code 2; a pod that does not come up ends with 1, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import places
from tests.live.kubernetes.cluster import CORE, Stack, answers, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def down(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A stack that is not up; and may not be afterwards."""
    stack = new_stack(replicas=1)
    yield stack
    assert not _namespaces(stack)


@pytest.fixture
def kubeconfig() -> dict[str, object]:
    """The lab's own kubeconfig, to be spoilt."""
    found: dict[str, object] = json.loads((places.run() / "cluster" / "kubeconfig").read_text())
    return found


def test_no_such_kubeconfig(down: Stack) -> None:
    """A path at which there is nothing."""
    done = down.run("up", "--kubeconfig", "/nowhere/kubeconfig")

    assert done.returncode == 2
    assert (
        done.stderr.strip()
        == "error: there is no kubeconfig /nowhere/kubeconfig; next: give --kubeconfig a file"
    )


def test_kubeconfig_that_points_nowhere(down: Stack, tmp_path: Path, kubeconfig: dict[str, object]) -> None:
    """An address at which no server answers: reported in one line, before anything is created."""
    text = json.dumps(kubeconfig).replace("198.18.3.1:6443", "127.0.0.1:9")
    (tmp_path / "kubeconfig").write_text(text)

    done = down.run("up", f"--kubeconfig={tmp_path / 'kubeconfig'}")

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert (
        "points at https://127.0.0.1:9, which does not answer: Connection refused; next: give --kubeconfig"
        in done.stderr
    )


def test_no_such_context(down: Stack, tmp_path: Path, kubeconfig: dict[str, object]) -> None:
    """A context that the kubeconfig has not: those that it has are named."""
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))

    done = down.run("up", "--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "other")

    assert done.returncode == 2
    assert "has no context 'other'; it has: " in done.stderr


def test_what_is_no_kubeconfig(down: Stack, tmp_path: Path) -> None:
    """A file of something else, and a setting that is none."""
    (tmp_path / "kubeconfig").write_text("hello: world\n")

    done = down.run("up", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert done.returncode == 2
    assert "it is not a kubeconfig" in done.stderr
    done = down.run("up", "--kubeconfig")
    assert done.returncode == 2
    assert "--kubeconfig requires a file" in done.stderr


def test_image_that_cannot_be_pulled(new_stack: Callable[..., Stack]) -> None:
    """The engine ends with 1 and says which image, in the words of the pod's state and of its event."""
    stack = new_stack(replicas=1, image="127.0.0.1:5000/vmlab/nobody-has-this")

    done = stack.run("up", "--skip-preview", VMLAB_TIMEOUT="8")

    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "nobody-has-this" in said
    assert "ErrImagePull" in said or "ImagePullBackOff" in said
    assert "Failed: Failed to pull image" in said


def test_pod_that_crashes(new_stack: Callable[..., Stack]) -> None:
    """The engine ends with 1, the container's exit code and last output, and the event; repaired, the same stack comes up."""
    stack = new_stack(replicas=1, environment={"BIND": "203.0.113.9"})

    done = stack.run("up", "--skip-preview", VMLAB_TIMEOUT="8")

    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "exit code 1" in said
    assert "Cannot assign requested address" in said
    assert "BackOff: Back-off restarting failed container" in said
    stack.configure(environment={})
    stack.up()
    until(lambda: answers(stack.outputs["url"]), 20, "an answer")


def _namespaces(stack: Stack) -> list[str]:
    label = f"vmlab.stack=vmlab.{stack.name}"
    return [row["metadata"]["name"] for row in stack.api.listed(f"{CORE}/namespaces", labelSelector=label)]
