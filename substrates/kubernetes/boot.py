"""One boot of a copy, stamped: its Service first, then the pod, then the first valid answer through the Service.

`accepted` is when the API server has the pod, `sandboxed` when the kubelet reports that it looks for the image, because the
sandbox with its address exists by then. `ready` and the rest are a second account of the boot.

What dominates, on the lab's own cluster (2 cores): the sandbox, 0.4 s (scheduler, kubelet, pause container, CNI), and from
listening to ready, 0.3 or 1.3 s: the kubelet looks at containers and probes them once a second, and a service that does not
listen yet at its first probe waits for the second. So boots are 1.0 or 2.0 s. kube-proxy follows within 50 ms.
Out of scope: removing a copy whose boot fails (substrate.py).
"""

from __future__ import annotations

import socket
import time
from dataclasses import replace

from clients.http_probe import first_answer
from clients.kubernetes.api import Api
from clients.kubernetes.choice import shared
from machine.errors import VmlabError
from machine.waiting import Deadline
from substrates.contract import Boot, Request, Slot, never_answered, service_stamps
from substrates.kubernetes.copies import CORE, Definition, Handle, pod_of, service_of
from substrates.kubernetes.watch import Watch

ACCOUNT = ("scheduled", "pulled", "started", "ready")
SETTLE_SECONDS = 10.0
EVENT_SECONDS = 0.5  # in which the kubelet's event of the start comes after the first answer
# Between the rule that refuses and the one that forwards, kube-proxy has neither for a moment: a connection of that moment
# waits for an address that does not exist, and came through 1.0 s late in four boots of four. A good one takes 0.2 ms.
CONNECT_SECONDS, FAR_SECONDS = 0.02, 1.0


def booted(definition: Definition, copy: Handle, slot: Slot, request: Request) -> Boot:
    """Create the pod and ask through its Service once the pod is ready, which is before the Service forwards to it."""
    api, namespace = shared(definition.choice), definition.namespace
    url = _service(api, definition, copy)
    pod = pod_of(definition.template, slot.name, request.nonce)
    with Watch(api, namespace, slot.name, request.seconds) as watch:
        stamps = {"requested": time.monotonic_ns()}
        made = api.create(f"{CORE}/namespaces/{namespace}/pods", pod)
        stamps["accepted"] = time.monotonic_ns()
        copy = replace(copy, uid=made["metadata"]["uid"])
        deadline = stamps["requested"] + int(request.seconds * 1e9)
        ready = watch.until("ready", deadline)
        near = CONNECT_SECONDS if definition.choice.ours else FAR_SECONDS
        asked = f"{url}{request.path}"
        answer = first_answer(asked, deadline, request.expected, connect_seconds=near) if ready else None
        watch.until("started", time.monotonic_ns() + int(EVENT_SECONDS * 1e9) if answer else 0)
        seen, events, trouble = dict(watch.stamps_ns), list(watch.events), watch.trouble
    stamps |= _sandboxed(seen)
    log = _log(api, copy)
    if definition.choice.ours:  # another cluster may have another clock
        stamps |= service_stamps(log)
    if answer is None:
        lines = [*events, *([trouble] if trouble else []), *log.splitlines()]
        raise never_answered(slot, request, stamps, lines)
    account = {name: (seen[name] - stamps["requested"]) / 1e9 for name in ACCOUNT if name in seen}
    return Boot(copy, {**stamps, "answered": answer.at_ns}, url=url, checks_seconds=account)


def _service(api: Api, definition: Definition, copy: Handle) -> str:
    """Create the copy's Service and wait until connections to it are refused, as it has no pod yet; its URL."""
    made = api.create(
        copy.service.rpartition("/")[0],
        service_of(definition.template, copy.name, definition.address),
    )
    deadline = Deadline(SETTLE_SECONDS)
    while not (url := definition.address.url(made)) or (definition.choice.ours and not _refuses(url)):
        if not deadline.pause(0.02):
            raise VmlabError(
                f"the Service {copy.name} has no address after {SETTLE_SECONDS:g} s; is kube-proxy up? vmlab host status"
            )
        made = api.get(copy.service)
    return url


def _refuses(url: str) -> bool:
    """Whether a connection is refused at once. One to a Service that kube-proxy does not know waits."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), 0.05).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _sandboxed(seen: dict[str, int]) -> dict[str, int]:
    found = [seen[name] for name in ("pulling", "pulled", "created", "started") if name in seen]
    return {"sandboxed": min(found)} if found else {}


def _log(api: Api, copy: Handle) -> str:
    try:
        return api.text(f"{copy.pod}/log", tailLines="40")
    except VmlabError:  # a container that was never created has none
        return ""
