"""What happens to a pod, stamped on this host when the API server reports it.

Never from the API's own times, which are whole seconds. Two watches, of the pod and of its events, each in a thread that
only stamps and records; a waiting caller is woken. A stamp is late by what the kubelet and the API server take to report,
some milliseconds each; what the service prints itself has its own stamp. Out of scope: reading the service's log (boot.py).
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from clients.kubernetes.api import Api, Changes
from machine.errors import VmlabError

# By the reason of the kubelet's event. The sandbox, with the pod's address, is there before it looks for the image.
EVENTS = {"Pulling": "pulling", "Pulled": "pulled", "Created": "created", "Started": "started"}
HOPELESS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CrashLoopBackOff",
}
END_SECONDS = 1.0  # for a thread whose connection has been ended


class Watch:
    """Watches one pod that need not exist yet, from the `with` on; `stamps_ns` has what was seen so far, by name.

    After the `with` neither threads nor connections are left: the next boot is timed."""

    def __init__(self, api: Api, namespace: str, pod: str, seconds: float) -> None:
        self._api, self._seconds = api, seconds
        self._paths = {
            f"/api/v1/namespaces/{namespace}/pods": f"metadata.name={pod}",
            f"/api/v1/namespaces/{namespace}/events": f"involvedObject.name={pod}",
        }
        self._changed = threading.Condition()
        self._ended = False
        self._open: list[Changes] = []
        self.threads: list[threading.Thread] = []
        self.stamps_ns: dict[str, int] = {}
        self.events: list[str] = []  # the kubelet's and the scheduler's, as `reason: message`
        self.trouble = ""

    def __enter__(self) -> Self:
        """Watch from now on: what happened before is not reported again."""
        versions = {
            path: self._api.get(path, limit="1")["metadata"]["resourceVersion"] for path in self._paths
        }
        for path, version in versions.items():
            arguments = (path, self._paths[path], version)
            self.threads.append(threading.Thread(target=self._follow, args=arguments, daemon=True))
            self.threads[-1].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connections, and with them the threads."""
        with self._changed:
            self._ended, still_open = True, list(self._open)
        for changes in still_open:
            changes.close()
        for thread in self.threads:
            thread.join(END_SECONDS)

    def until(self, name: str, deadline_ns: int) -> bool:
        """Wait for a stamp; False when its time is over or the pod will never be ready."""
        with self._changed:
            while name not in self.stamps_ns and not self.trouble:
                left = (deadline_ns - time.monotonic_ns()) / 1e9
                if left <= 0 or not self._changed.wait(left):
                    return name in self.stamps_ns
            return name in self.stamps_ns

    def _follow(self, path: str, selector: str, version: str) -> None:
        """One watch. A lost one is a stamp that does not come: the deadline passes."""
        try:
            changes = self._api.watch(
                path,
                self._seconds,
                fieldSelector=selector,
                resourceVersion=version,
                allowWatchBookmarks="false",
            )
            if not self._keep(changes):
                return
            for change in changes:
                self._note(time.monotonic_ns(), change["type"], change["object"])
        except VmlabError as error:
            with self._changed:
                self.events.append(f"the watch ended: {error}")

    def _keep(self, changes: Changes) -> bool:
        """Register it to be closed at the end; False when that is now."""
        with self._changed:
            if not self._ended:
                self._open.append(changes)
            else:
                changes.close()
            return not self._ended

    def _note(self, at: int, type_: str, seen: dict[str, Any]) -> None:
        with self._changed:
            if seen.get("kind") == "Event":
                self.events.append(f"{seen.get('reason')}: {seen.get('message')}")
                names = [EVENTS.get(str(seen.get("reason")), "")]
            else:
                names = [name for name, is_so in _reached(seen, type_).items() if is_so]
                self.trouble = self.trouble or _trouble(seen)
            for name in filter(None, names):
                self.stamps_ns.setdefault(name, at)
            self._changed.notify_all()


def _reached(pod: dict[str, Any], type_: str) -> dict[str, bool]:
    status = pod.get("status") or {}
    held = {row["type"]: row["status"] == "True" for row in status.get("conditions") or []}
    return {
        "seen": True,
        "scheduled": bool((pod.get("spec") or {}).get("nodeName")),
        "addressed": bool(status.get("podIP")),
        "ready": held.get("Ready", False),
        "gone": type_ == "DELETED",
    }


def _trouble(pod: dict[str, Any]) -> str:
    """Why the pod will never be ready; "" while it may be."""
    for row in (pod.get("status") or {}).get("containerStatuses") or []:
        state = row.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason") in HOPELESS:
            return f"{waiting['reason']}: {waiting.get('message', '')}"
        if ended:
            return f"the container ended with exit code {ended.get('exitCode')}"
    return ""
