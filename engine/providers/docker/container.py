"""Container: `docker:index/container:Container`.

Its inputs are in `container_inputs`, their JSON in `container_config`, what Docker answers in
`container_outputs`, and the way from created to running in `container_start`. A replacement deletes first:
name and ports cannot be had twice.
A limit that is removed needs a new container, because `docker update` reads "none" as "leave it".
Out of scope: see `container_inputs`.
"""

from __future__ import annotations

from pathlib import Path

import grpc
from docker import errors
from docker.errors import APIError, NotFound
from requests.exceptions import HTTPError, RequestException

from engine.providers.docker import (
    container_config,
    container_inputs,
    container_outputs,
    container_start,
    ownership,
    remote_image,
)
from engine.providers.docker.docker_daemon import ANSWER_SECONDS, RefusalError, words_of
from engine.providers.docker.forms import Applied, Fault
from engine.providers.docker.kind import Call, Kind, Made, Plain
from engine.values import UNKNOWN, Unknown, contains_unknown

TYPE = "docker:index/container:Container"
INPUTS = container_inputs.INPUTS
COMPUTED = ("bridge", "networkDatas")
DELETE_SECONDS = 60.0


def check(inputs: Plain, directory: Path) -> tuple[Plain, list[Fault]]:
    """What only two inputs together show."""
    faults = []
    inputs = {
        key: value for key, value in inputs.items() if not isinstance(value, Unknown)
    } | _unknown_as_fit(inputs)
    if inputs.get("maxRetryCount") and inputs.get("restart") != "on-failure":
        faults.append(Fault("maxRetryCount", "has a meaning only with restart: on-failure"))
    if inputs.get("rm") and (inputs.get("restart") or "no") != "no":
        faults.append(Fault("rm", "cannot be combined with restart"))
    if inputs.get("networksAdvanced") and (inputs.get("networkMode") or "bridge") not in (
        "bridge",
        "default",
    ):
        faults.append(Fault("networkMode", "cannot be combined with networksAdvanced"))
    for index, volume in enumerate(_rows(inputs, "volumes")):
        if not volume.get("containerPath") and not volume.get("fromContainer"):
            faults.append(Fault(f"volumes[{index}].containerPath", "is required"))
    for index, mount in enumerate(_rows(inputs, "mounts")):
        if mount.get("type") == "bind" and not mount.get("source"):
            faults.append(Fault(f"mounts[{index}].source", "is required of a bind mount"))
    return {}, faults


def how(key: str, olds: Plain, news: Plain) -> Applied:
    """By the table, except where `docker update` cannot go back."""
    if INPUTS[key].applied is not Applied.UPDATE or INPUTS[key].default is not None:
        return INPUTS[key].applied
    if news.get(key) in (None, 0):
        return Applied.REPLACE
    if key in ("cpus", "cpuPeriod", "cpuQuota") and bool(olds.get("cpus")) != bool(news.get("cpus")):
        quota = olds.get("cpuPeriod") or olds.get("cpuQuota")
        return Applied.REPLACE if quota or olds.get("cpus") else Applied.UPDATE
    return Applied.UPDATE


def drift(outputs: Plain, news: Plain) -> list[str]:
    """Read found it stopped although it must run."""
    stopped = outputs.get("mustRun") is False and container_outputs.must_run(news)
    return ["mustRun"] if stopped and container_start.should_run(news) else []


def preview(call: Call) -> Plain:
    """An update keeps what is known; addresses of a new one come from Docker."""
    known = {**call.outputs, **call.inputs}
    if any(not port.get("external") for port in _rows(call.inputs, "ports")):
        known["ports"] = call.outputs.get("ports") or UNKNOWN  # Docker chooses the host's port
    return known


def create(call: Call) -> Made:
    """Make it, after removing our own leftover; then connect, start and wait."""
    name = call.inputs["name"]
    found = _inspect(call, name)
    if found is not None:
        if not ownership.is_ours(found["Config"].get("Labels"), call.urn):
            message = f"a container named {name} exists and is not ours: choose another name or remove it"
            raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, message)
        _remove(call, found["Id"], volumes=True)
    id_ = _create(call, name)
    reasons = container_start.bring_up(call, id_)
    return Made(id_, _outputs(call, id_), reasons)


def read(call: Call) -> Made | None:
    """Look at it by id; by name only ours counts. One that was never started is half-made."""
    found = _inspect(call, call.id)
    by_name = found is not None and found["Id"] != call.id
    if found is None or (
        by_name and call.urn and not ownership.is_ours(found["Config"].get("Labels"), call.urn)
    ):
        return None
    if not call.inputs:
        inputs: Plain = {"image": found["Config"]["Image"], "name": found["Name"].removeprefix("/")}
        return Made(found["Id"], container_outputs.outputs_of(inputs, found), inputs=inputs)
    inputs = container_outputs.inputs_found(call.inputs, found)
    outputs = container_outputs.outputs_of(inputs, found)
    return Made(found["Id"], outputs, container_start.half_made(call, found), inputs)


def update(call: Call) -> Made:
    """Give Docker the new limits, and bring it up if it is down."""
    changed = [key for key, row in INPUTS.items() if row.applied is Applied.UPDATE]
    if any(call.inputs.get(key) != call.old_inputs.get(key) for key in changed):
        _post_update(call)
    reasons = [] if _left_alone(call) else container_start.bring_up(call, call.id)
    return Made(call.id, _outputs(call, call.id), reasons)


def delete(call: Call) -> None:
    """Stop it gently when asked to, remove it, and see it gone."""
    inputs = call.inputs or call.outputs
    grace = inputs.get("destroyGraceSeconds")
    if grace:
        try:
            call.daemon.run(lambda client: client.stop(call.id, timeout=grace), grace + DELETE_SECONDS)
        except NotFound:
            return
    _remove(call, call.id, volumes=inputs.get("removeVolumes") is not False)


def _create(call: Call, name: str) -> str:
    """An image that is not here is pulled first, as by the official provider."""
    image = call.inputs["image"]
    if call.daemon.image(image) is None and not image.startswith("sha256:"):
        remote_image.pull(call, image)
    body = container_config.create_body(call.inputs, call.urn)
    made = call.daemon.client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]  # stubs lack it
    return str(made["Id"])


def _left_alone(call: Call) -> bool:
    """Without `mustRun` one that ran may have ended; one that never did is half-made."""
    found = _inspect(call, call.id)
    created = found is not None and found["State"]["Status"] == container_start.NEVER_STARTED
    return not container_outputs.must_run(call.inputs) and not created


def _remove(call: Call, id_: str, *, volumes: bool) -> None:
    try:
        call.daemon.run(
            lambda client: client.remove_container(id_, force=True, v=volumes), call.deadline(DELETE_SECONDS)
        )
    except NotFound:
        return
    except APIError as error:
        if "already in progress" not in words_of(error):
            raise
    gone = call.deadline(DELETE_SECONDS)
    call.daemon.until(lambda: _inspect(call, id_) is None, gone, f"the end of container {id_[:12]}")


def _post_update(call: Call) -> None:
    """The SDK's own call has no NanoCpus; this is the same request with it."""
    client = call.daemon.client
    url = f"{client.base_url}/v{client.api_version}/containers/{call.id}/update"
    response = client.post(url, json=container_config.update_body(call.inputs), timeout=ANSWER_SECONDS)
    try:
        response.raise_for_status()
    except HTTPError as error:
        errors.create_api_error_from_http_exception(error)


def _inspect(call: Call, id_: str) -> Plain | None:
    return call.daemon.look(call.daemon.client.inspect_container, id_)


def _outputs(call: Call, id_: str) -> Plain:
    """Even when Docker went away just now: the answer must name what exists."""
    try:
        found = _inspect(call, id_)
    except (APIError, RequestException):
        found = None
    return dict(call.inputs) if found is None else container_outputs.outputs_of(call.inputs, found)


def _unknown_as_fit(inputs: Plain) -> Plain:
    """A preview cannot judge an unknown: it is taken for a value that fits."""
    fit = {"restart": "on-failure" if inputs.get("maxRetryCount") else "no"}
    return {key: value for key, value in fit.items() if isinstance(inputs.get(key), Unknown)}


def _rows(inputs: Plain, key: str) -> list[Plain]:
    rows = inputs.get(key)
    known = isinstance(rows, list) and not contains_unknown(rows)
    return [row for row in rows if isinstance(row, dict)] if known and rows else []


KIND = Kind(
    TYPE,
    INPUTS,
    COMPUTED,
    create,
    read,
    delete,
    update=update,
    preview=preview,
    check=check,
    changes=how,
    drift=drift,
    deletes_first=lambda olds, news: True,
)
