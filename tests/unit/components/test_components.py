"""Both components with Pulumi's mocks: the same outputs, names that stay, and a container that is shut in as promised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import Mocks, set_mocks
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs
from pulumi.runtime.stack import wait_for_rpcs

from components import spec
from components.docker import DockerService
from components.process import ProcessService
from components.spec import ServiceArgs
from substrates.inputs.artifact import Artifact

SLIM = {"image": "127.0.0.1:5000/vmlab/try:abc", "image_digest": "sha256:" + "1" * 64}
ARTIFACT = Artifact(
    name="try",
    version="1",
    digest="sha256:" + "0" * 64,
    root=Path("/tree"),
    command=["{root}/bin/serve", "--port={port}", "{rendered}/etc/try.conf"],
    loader="lib/ld.so",
    library_path=["lib"],
    port=8080,
    health="/readyz",
    echoes_nonce=True,
    environment={"LC_ALL": "C"},
    variants={"slim": SLIM},
    templates={"/etc/try.conf": "{root}/x {port}"},
)
PORT = 18999


@dataclass
class Recorder(Mocks):
    """Answers each registration with its inputs, and remembers them by type."""

    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """The inputs are the outputs."""
        self.made[args.typ] = args.inputs
        return f"{args.name}-id", {**args.inputs, "imageId": "sha256:id", "url": "http://x", "pid": 1}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """No functions are called."""
        del args
        return {}, None


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The event loop that the SDK finds. Its mocks make one more in each thread and close none: that is done here."""
    made = [asyncio.new_event_loop()]
    asyncio.set_event_loop(made[0])

    def ensure() -> None:
        try:
            asyncio.get_event_loop()
        except RuntimeError:
            made.append(asyncio.new_event_loop())
            asyncio.set_event_loop(made[-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulumi.runtime.mocks._ensure_event_loop", ensure)
        yield made[0]
        made[0].run_until_complete(made[0].shutdown_default_executor())
    asyncio.set_event_loop(None)
    for one in made:
        one.close()


@pytest.fixture
def recorder(loop: asyncio.AbstractEventLoop) -> Recorder:
    """Mocks that remember what was declared."""
    found = Recorder()
    set_mocks(found, project="vmlab", stack="try")
    return found


def declared(component: type[DockerService | ProcessService], **more: Any) -> dict[str, Any]:
    """The outputs of a component, once everything is registered."""
    found: dict[str, Any] = {}

    async def declare() -> None:
        service = component("service", ServiceArgs(ARTIFACT, PORT, **more))
        for name, value in service.outputs.items():
            found[name] = await pulumi.Output.from_input(value).future()
        await wait_for_rpcs()

    asyncio.get_event_loop().run_until_complete(declare())
    return found


def test_same_outputs(recorder: Recorder) -> None:
    """Both export the names of the contract, and artifact and limits are told in the same form."""
    docker, process = declared(DockerService), declared(ProcessService)
    assert docker.keys() == process.keys() == set(spec.OUTPUTS)
    assert docker["artifact"] == process["artifact"] == ARTIFACT.digest
    assert docker["conditions"].keys() == process["conditions"].keys()
    assert {"path", "echoes_nonce", "name"} <= docker["instance"].keys() & process["instance"].keys()
    assert docker["limits"] == {"cpus": 1.0, "memory_bytes": 512 * 1024**2, "enforced": True}


def test_container_is_shut_in(recorder: Recorder) -> None:
    """Read-only root, no capabilities, no new privileges, no root, a port on loopback only, limits, and /data on a volume."""
    declared(DockerService)
    made = recorder.made["docker:index/container:Container"]
    assert made["readOnly"] is True
    assert made["user"] == "65532:65532"
    assert made["capabilities"] == {"drops": ["ALL"]}
    assert made["securityOpts"] == ["no-new-privileges"]
    assert made["ports"] == [{"internal": 8080, "external": PORT, "ip": "127.0.0.1"}]
    assert (made["memory"], made["memorySwap"], made["cpus"]) == (512, 512, "1.0")
    assert [(mount["type"], mount["target"]) for mount in made["mounts"]] == [("volume", "/data")]
    assert not made.get("privileged")
    assert made.get("networkMode") is None


def test_container_runs_the_artifact(recorder: Recorder) -> None:
    """The image by its digest, the command as it is where the tree is the root, and no secret in the environment."""
    declared(DockerService)
    made = recorder.made["docker:index/container:Container"]
    image = recorder.made["docker:index/remoteImage:RemoteImage"]
    assert image["name"] == f"127.0.0.1:5000/vmlab/try@{SLIM['image_digest']}"
    assert [*made["entrypoints"], *made["command"]] == ["/bin/serve", "--port=8080", "/etc/try.conf"]
    assert made["envs"] == ["DATA_DIR=/data", "LC_ALL=C", "PORT=8080"]


def test_process_runs_the_same_bytes_in_place(recorder: Recorder) -> None:
    """Through the tree's loader; port and rendered files are left to each copy."""
    declared(ProcessService)
    made = recorder.made["pulumi-python:dynamic/vmlab:Process"]
    assert made["command"][:3] == ["/tree/lib/ld.so", "--library-path", "/tree/lib"]
    assert made["command"][3:] == ["/tree/bin/serve", "--port={port}", "{rendered}/etc/try.conf"]
    assert made["templates"] == {"/etc/try.conf": "/tree/x {port}"}
    assert made["port"] == PORT


@pytest.mark.parametrize("component", [DockerService, ProcessService])
def test_names_are_the_same_each_time(recorder: Recorder, component: type[Any]) -> None:
    """Names follow from project, stack and component, and say whose they are."""
    declared(component)
    first = {kind: inputs.get("name") for kind, inputs in recorder.made.items()}
    declared(component)
    assert {kind: inputs.get("name") for kind, inputs in recorder.made.items()} == first
    named = [n for kind, n in first.items() if n and "Image" not in kind]
    assert named
    assert all(name.startswith("vmlab-try-") for name in named)
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("component", [DockerService, ProcessService])
def test_secret_is_a_file_and_nothing_else(recorder: Recorder, component: type[Any]) -> None:
    """A secret is given to the file's resource alone; the service gets its path."""
    declared(component, secret=pulumi.Output.secret("hunter2"))
    assert recorder.made["pulumi-python:dynamic/vmlab:SecretFile"]["value"]["value"] == "hunter2"
    others = {kind: made for kind, made in recorder.made.items() if "SecretFile" not in kind}
    assert "hunter2" not in json.dumps(others, default=str)
