"""Which cluster the lab works on, and what is wrong when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.kubernetes.choice import Choice, chosen, connect, shared
from machine.errors import InvalidInput, Unavailable
from tests.unit.clients.kubernetes.fake_api import kubeconfig


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A lab without a cluster, of a user who names none."""
    return tmp_path / "home"


def written(folder: Path) -> Choice:
    """A kubeconfig in this folder."""
    path = folder / "kubeconfig"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(kubeconfig("https://198.18.3.1:6443"))
    return Choice(path)


def test_the_labs_own_is_not_up() -> None:
    """Without a kubeconfig of the lab's the substrate is unavailable, and the fix brings it up."""
    for call in (chosen, lambda: connect(Choice(Path("/no/such/file")))):
        with pytest.raises(Unavailable) as raised:
            call()
        assert raised.value.fix == "vmlab host up kubernetes"


def test_the_labs_own(home: Path) -> None:
    """It is the default, and the lab's even when it is named by its path."""
    written(home / "run" / "cluster")

    assert chosen() == Choice(home / "run" / "cluster" / "kubeconfig", ours=True)


def test_another(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user names is not the lab's; the lab's own by another name is."""
    choice, own = written(tmp_path), written(home / "run" / "cluster")
    monkeypatch.setenv("VMLAB_CONTEXT", "x")

    monkeypatch.setenv("VMLAB_KUBECONFIG", str(choice.path))
    assert chosen() == Choice(choice.path, "x", ours=False)
    monkeypatch.setenv("VMLAB_KUBECONFIG", str(own.path))
    assert chosen().ours


def test_named_file_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig that the user names and that does not exist is bad input, and the file is named."""
    monkeypatch.setenv("VMLAB_KUBECONFIG", "/no/such/file")

    with pytest.raises(InvalidInput, match="there is no kubeconfig /no/such/file; next: give --kubeconfig"):
        chosen()


def test_one_client_for_each_kubeconfig(tmp_path: Path) -> None:
    """A client is shared until its kubeconfig is replaced: a new cluster has new keys."""
    choice = written(tmp_path)
    first = shared(choice)

    assert shared(choice) is first
    choice.path.unlink()
    choice.path.write_text(kubeconfig("https://198.18.3.2:6443"))
    assert shared(choice).access.server == "https://198.18.3.2:6443"
