"""A small API server in this process, for what a real one does not do on demand: refuse, stall, hang up, let objects
come late.

It has discovery as recorded from v1.35 (a few kinds), creates, server-side apply on maps (lists are leaves) with managers,
conflicts and dry run, deletes with finalizers, watches that report one change, and a list of faults. What controllers do,
a test does itself with `put`.
"""

from __future__ import annotations

import copy
import json
import re
import select
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.clients.kubernetes.completing import default, next_version, now, stamped
from tests.unit.clients.kubernetes.kinds import KINDS, VERBS
from tests.unit.clients.kubernetes.managed_fields import (
    Thing,
    at,
    entry,
    fields,
    leaves,
    less,
    merged,
    without,
)

_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<ns>[^/]+)(?=/[^/]+))?/(?P<plural>[^/]+)(/(?P<name>[^/]+))?(?P<log>/log)?"
)


@dataclass
class Fault:
    """What happens to the next request that matches, instead of or after carrying it out."""

    method: str
    path: str
    status: int = 0  # 0: the connection is cut
    message: str = "injected"
    done: bool = False  # whether the request is carried out all the same
    seconds: float = 0.0  # how long the answer takes; with status 200 that is all
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1


class Refused(Exception):
    def __init__(self, status: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status, self.reason, self.details = status, reason, details


def kubeconfig(url: str, **user: Any) -> str:
    """A kubeconfig for this server."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return json.dumps(content)


class FakeApi:
    """The server; `url`, `objects` by path, `requests` as (method, path), `faults`, other `answers` by path."""

    def __init__(self) -> None:
        self.objects: dict[str, Thing] = {}
        self.logs: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.faults: list[Fault] = []
        self.deletions: list[Thing] = []  # the options of each delete
        self.kinds = copy.deepcopy(KINDS)
        self.unknown_fields = {"bogus"}
        self.accepted_token = ""
        self.warning = ""
        self.answers: dict[str, Thing] = {"/version": {"gitVersion": "v1.2.3"}}
        self.watched = threading.Semaphore(0)  # a watch has begun
        self.let_go = threading.Semaphore(0)  # its client has ended it
        self.silence_seconds = 5.0  # before a watch reports its one change
        self.lock = threading.RLock()
        self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- for tests

    def path(self, thing: Thing) -> str:
        """Where this object is."""
        version = thing["apiVersion"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        plural, namespaced = next((row[0], row[2]) for row in self.kinds[root] if row[1] == thing["kind"])
        metadata = thing["metadata"]
        inner = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        return f"{root}{inner}/{plural}/{metadata['name']}"

    def put(self, thing: Thing, manager: str = "kubectl-create") -> Thing:
        """Somebody else makes or overwrites an object; their fields become theirs."""
        with self.lock:
            path = self.path(thing)
            old = self.objects.get(path, {})
            new = stamped({**copy.deepcopy(thing)}, old.get("metadata", {}))
            kept = [
                row for row in old.get("metadata", {}).get("managedFields", []) if row["manager"] != manager
            ]
            if manager:
                kept = (
                    [{**row, "fieldsV1": less(row["fieldsV1"], fields(thing))} for row in kept] if old else []
                )
                kept.append(entry(manager, "Update", thing))
            new["metadata"]["managedFields"] = kept
            self.objects[path] = new
            return new

    def status(self, path: str, **status: Any) -> None:
        """A controller writes a status."""
        with self.lock:
            thing = self.objects[path]
            thing["status"] = {**thing.get("status", {}), **status}
            thing["metadata"]["resourceVersion"] = next_version()

    def count(self, method: str, text: str) -> int:
        """How many requests of this method had this text in their path."""
        return sum(1 for m, path in self.requests if m == method and text in path)

    # -- requests

    def handle(self, method: str, url: str, body: Any) -> Thing | str:
        """Carry one out."""
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        with self.lock:
            if parts.path in self.answers:
                return self.answers[parts.path]
            if parts.path in self.kinds:
                return self._resources(parts.path)
            found = _PATH.fullmatch(parts.path)
            if found is None or found["root"] not in self.kinds:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            if found["log"]:
                previous = ":previous" if query.get("previous") else ""
                key = parts.path.removesuffix("/log") + previous
                if key not in self.logs:
                    raise Refused(400, "BadRequest", "no such log")
                return self.logs[key]
            if method == "GET" and not found["name"]:
                return self._listed(parts.path, query)
            answer: Thing = getattr(self, f"_{method.lower()}")(parts.path, query, body)
            return answer

    def _resources(self, root: str) -> Thing:
        rows = [
            {
                "name": plural,
                "kind": kind,
                "namespaced": namespaced,
                "verbs": VERBS if kind != "TokenReview" else ["create"],
            }
            for plural, kind, namespaced in self.kinds[root]
        ]
        status = [{**row, "name": f"{row['name']}/status", "verbs": ["get", "patch"]} for row in rows]
        return {"kind": "APIResourceList", "groupVersion": root.split("/", 2)[2], "resources": rows + status}

    def _listed(self, path: str, query: dict[str, str]) -> Thing:
        root, _, plural = path.rpartition("/")
        rows = [
            thing
            for where, thing in sorted(self.objects.items())
            if where.rpartition("/")[0] == path
            or (root in self.kinds and where.startswith(root) and f"/{plural}/" in where)
        ]
        labels = [part.split("=") for part in query.get("labelSelector", "").split(",") if "=" in part]
        rows = [
            row
            for row in rows
            if all(row["metadata"].get("labels", {}).get(key) == value for key, value in labels)
        ]
        for part in filter(None, query.get("fieldSelector", "").split(",")):
            key, value = part.split("=")
            rows = [row for row in rows if at(row, key.split(".")) == value]
        return {"kind": "List", "metadata": {"resourceVersion": "7"}, "items": copy.deepcopy(rows)}

    def _get(self, path: str, query: dict[str, str], body: Any) -> Thing:
        if path not in self.objects:
            raise Refused(
                404, "NotFound", f"{path} not found", name=path.rpartition("/")[2], kind=path.split("/")[-2]
            )
        return copy.deepcopy(self.objects[path])

    def _post(self, path: str, query: dict[str, str], body: Any) -> Thing:
        where = f"{path}/{body['metadata']['name']}"
        if where in self.objects:
            raise Refused(409, "AlreadyExists", f"{where} already exists")
        self.objects[where] = stamped(copy.deepcopy(body), {})
        default(self.objects[where])
        return {**copy.deepcopy(self.objects[where]), "_created": True}

    def _delete(self, path: str, query: dict[str, str], body: Any) -> Thing:
        thing = self._get(path, query, None)
        self.deletions.append(body)
        wanted = body.get("preconditions", {}).get("uid")
        if wanted and wanted != thing["metadata"]["uid"]:
            raise Refused(409, "Conflict", f"Precondition failed: UID in precondition: {wanted}")
        if thing["metadata"].get("finalizers"):
            self.objects[path]["metadata"]["deletionTimestamp"] = now()
        else:
            del self.objects[path]
        return thing

    def _patch(self, path: str, query: dict[str, str], body: Any) -> Thing:
        if isinstance(body, list):
            self.objects[path]["metadata"]["managedFields"] = body[0]["value"]
            return self.objects[path]
        return self._apply(path, query, body)

    def _apply(self, path: str, query: dict[str, str], body: Thing) -> Thing:
        namespace = re.search(r"/namespaces/([^/]+)/", path)
        if namespace and f"/api/v1/namespaces/{namespace[1]}" not in self.objects:
            raise Refused(404, "NotFound", f'namespaces "{namespace[1]}" not found', kind="namespaces")
        strict = query.get("fieldValidation") == "Strict"
        for key in self.unknown_fields & set(body.get("spec", {})) if strict else ():
            raise Refused(400, "BadRequest", f'strict decoding error: unknown field "spec.{key}"')
        old, manager = self.objects.get(path, {}), query["fieldManager"]
        rows = old.get("metadata", {}).get("managedFields", [])
        self._refuse_conflicts(old, body, rows, manager, query)
        mine: Thing = next(
            (row["fieldsV1"] for row in rows if row["manager"] == manager and row["operation"] == "Apply"), {}
        )
        others = [row for row in rows if row["manager"] != manager or row["operation"] != "Apply"]
        if query.get("force") == "true":
            others = [{**row, "fieldsV1": less(row["fieldsV1"], fields(body))} for row in others]
        new = merged(without(old, less(mine, fields(body)), others), body)
        new = stamped(new, old.get("metadata", {}))
        new["metadata"]["managedFields"] = [*others, entry(manager, "Apply", body)]
        if "spec" in new and new["spec"] != old.get("spec"):
            new["metadata"]["generation"] = old.get("metadata", {}).get("generation", 0) + 1
        default(new)
        if query.get("dryRun") != "All":
            self.objects[path] = new
        return {**copy.deepcopy(new), "_created": not old}

    def _refuse_conflicts(
        self, old: Thing, body: Thing, rows: list[Thing], manager: str, query: dict[str, str]
    ) -> None:
        causes = []
        for path in leaves(fields(body)):
            keys = [key.removeprefix("f:") for key in path]
            if at(old, keys) == at(body, keys):
                continue
            for row in rows:
                if row["manager"] != manager and at(row["fieldsV1"], path) is not None:
                    causes.append(
                        {
                            "reason": "FieldManagerConflict",
                            "message": row["manager"],
                            "field": "." + ".".join(keys),
                        }
                    )
        if causes and query.get("force") != "true":
            said = ", ".join(f'conflict with "{cause["message"]}": {cause["field"]}' for cause in causes)
            raise Refused(409, "Conflict", f"Apply failed with {len(causes)} conflict: {said}", causes=causes)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeApi
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Any:
        """Any method, `do_GET` and its likes."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.fake.requests.append((self.command, self.path))
        self.fake.tokens.append(self.headers.get("Authorization") or "")
        fault = self._fault()
        if fault is not None and not fault.done and fault.status != 200:
            self._fail(fault)
            return
        if "watch=true" in self.path:
            self._watch()
            return
        status, answer = self._carried_out(json.loads(body) if body else None)
        if fault is not None:
            time.sleep(fault.seconds)
            if fault.done:
                self._fail(fault)
                return
        self._answer(status, answer)

    def _watch(self) -> None:
        """Nothing changes for a while; then one object does, unless the client has closed the connection."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.fake.watched.release()
        if select.select([self.connection], [], [], self.fake.silence_seconds)[0]:
            self.fake.let_go.release()
            return
        line = json.dumps({"type": "ADDED", "object": {"kind": "Pod"}}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(line), line))

    def _carried_out(self, body: Any) -> tuple[int, Any]:
        try:
            if (
                self.fake.accepted_token
                and self.headers.get("Authorization") != f"Bearer {self.fake.accepted_token}"
            ):
                raise Refused(401, "Unauthorized", "Unauthorized")
            answer = self.fake.handle(self.command, self.path, body)
        except Refused as refused:
            status = {
                "kind": "Status",
                "message": str(refused),
                "reason": refused.reason,
                "details": refused.details,
            }
            return refused.status, {**status, "code": refused.status}
        created = isinstance(answer, dict) and answer.pop("_created", False)
        return 201 if created else 200, answer

    def _fault(self) -> Fault | None:
        with self.fake.lock:
            for fault in self.fake.faults:
                if fault.times > 0 and fault.method == self.command and re.search(fault.path, self.path):
                    fault.times -= 1
                    return fault
        return None

    def _fail(self, fault: Fault) -> None:
        if fault.status == 0:
            self.close_connection = True
            return
        self._answer(fault.status, {"kind": "Status", "message": fault.message}, fault.headers)

    def _answer(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if self.fake.warning and self.command == "PATCH":
            self.send_header("Warning", f'299 - "{self.fake.warning}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
