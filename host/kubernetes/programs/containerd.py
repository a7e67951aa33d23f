"""containerd: Debian's, with its own root, state and socket beside Docker's.

`restrict_oom_score_adj`: without CAP_SYS_RESOURCE a sandbox fails with "can't get final child's PID from pipe". Images
come from the loopback registry over plain http. Out of scope: other runtimes than runc.
"""

from __future__ import annotations

from clients.kubernetes import places as run_time
from host.kubernetes import layout, pause
from machine import addresses, commands

NAME = "containerd"
AFTER: tuple[str, ...] = ()
CONFIGURATION = """\
version = 2
root = "{data}/containerd"
state = "{run}/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."{registry}"]
    endpoint = ["http://{registry}"]
"""


def configure() -> None:
    layout.configuration("containerd.toml").write_text(
        CONFIGURATION.format(
            data=layout.data(),
            run=layout.run(),
            socket=run_time.containerd_socket(),
            pause=pause.name(),
            cni=layout.configuration("cni"),
            registry=addresses.REGISTRY,
        )
    )


def command() -> list[str]:
    path = commands.find(NAME) or f"/usr/bin/{NAME}"
    return [path, f"--config={layout.configuration('containerd.toml')}", "--log-level=warn"]


def ready() -> bool:
    return run_time.containerd_socket().is_socket()
