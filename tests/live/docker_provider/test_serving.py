"""The provider as a process, and without a Docker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from engine.values.wire import to_struct

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[3]


def test_it_serves_alone(image):
    """Started as a plugin it prints its port, answers, creates nothing of its own, and ends on SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.providers.docker", "127.0.0.1:1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        assert stub.GetPluginInfo(empty_pb2.Empty(), timeout=10).version == "5.2.0"
        urn = "urn:pulumi:s::p::docker:index/container:Container::c"
        request = provider_pb2.CheckRequest(urn=urn, news=to_struct({"image": image}))
        assert not stub.Check(request, timeout=10).failures
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()


def test_no_docker_is_said_before_anything_is_created(stub, tmp_path):
    """Configure does not need Docker; Check and Delete say how to start it."""
    host = f"unix://{tmp_path}/none.sock"
    stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"host": host})))
    urn = "urn:pulumi:s::p::docker:index/volume:Volume::v"
    says = f"cannot reach Docker at {host}: .*start it with: vmlab host up docker"
    with pytest.raises(grpc.RpcError, match=says) as refused:
        stub.Check(provider_pb2.CheckRequest(urn=urn, news=to_struct({})))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.RpcError, match=says):
        stub.Delete(provider_pb2.DeleteRequest(urn=urn, id="v"))


def test_importing_it_is_light():
    """Importing the servicer does not import the Docker SDK."""
    code = "import sys, engine.providers.docker.servicer; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
