"""A stack of kind `kubernetes` on the lab's real cluster, and a census that must balance when a module is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from clients.kubernetes import places
from clients.kubernetes.api import Api
from clients.kubernetes.choice import CONTEXT, KUBECONFIG
from machine.errors import VmlabError
from tests.live.conftest import missing
from tests.live.kubernetes import cluster
from tests.live.kubernetes.cluster import Stack
from tests.live.lab.laboratory import Laboratory

SECRET = "hunter2-7e3b1c55d0a94f"


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """The lab's own cluster: never the one that KUBECONFIG or VMLAB_KUBECONFIG name, which may be in use."""
    path = places.kubeconfig()
    if not path.is_file():
        missing(f"no cluster: {path} is not there; start it with: vmlab host up kubernetes")
    found = cluster.api_of(path)
    try:
        found.get("/version")
    except VmlabError as error:
        missing(str(error))
    yield found
    found.close()


@pytest.fixture(scope="module")
def lab(api: Api) -> Iterator[Laboratory]:
    """A lab of its own that has the machine's cluster."""
    lab = Laboratory.make().with_copy()
    (lab.home / "run").mkdir()
    (lab.home / "run" / "cluster").symlink_to(places.kubeconfig().parent)
    with pytest.MonkeyPatch.context() as patch:
        for name in (KUBECONFIG, CONTEXT):  # the lab's commands inherit them
            patch.delenv(name, raising=False)
        patch.setenv("VMLAB_HOME", str(lab.home))  # for what the tests call themselves
        yield lab
    lab.remove()


@pytest.fixture(scope="module")
def new_stack(api: Api, lab: Laboratory) -> Iterator[Callable[..., Stack]]:
    """Makes stacks; each is destroyed, and nothing of them may be left."""
    before, made = cluster.take(api, lab), list[Stack]()

    def make(**settings: object) -> Stack:
        made.append(Stack.make(lab, api, **settings))
        return made[-1]

    yield make
    left = []
    for stack in made:
        done = stack.run("destroy", "--skip-preview") if stack.has_state else None
        left += [done.stdout + done.stderr] if done and done.returncode else []
    left += cluster.difference(api, lab, before, [stack.name for stack in made])
    for stack in made:
        cluster.sweep(stack)
    if left:
        pytest.fail("the census differs:\n" + "\n".join(left), pytrace=False)


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack]) -> Stack:
    """One that is up with two pods, a setting, a secret, and a pulse each minute."""
    stack = new_stack(environment={"SETTING_COLOUR": "blue"}, pulse="* * * * *")
    done = stack.lab.run("config", "set", "--stack", stack.name, "--secret", "secret", SECRET)
    assert done.returncode == 0, done.stderr
    stack.up()
    stack.settled()
    return stack
