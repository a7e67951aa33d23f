"""Building and pushing an image: what `image.py` asks of Docker.

The classic builder answers with a stream of lines; a failure is one of them, not an HTTP status. Its last
lines go into the error, because they hold the compiler's words and Docker's own message holds only an exit
code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from docker import APIClient
from docker.utils import parse_repository_tag

from engine.providers.docker import ownership
from engine.providers.docker.build_context import BuildContext
from engine.providers.docker.docker_daemon import BUILD_SECONDS, RefusalError
from engine.providers.docker.kind import Call

LINES_SHOWN = 15


def build(call: Call, context: BuildContext) -> str:
    """Build it under its name; the image's id."""
    options = call.inputs.get("build") or {}
    labels = ownership.labels_of(call.urn)
    stream, dockerfile = context.tar(labels)

    def start(client: APIClient) -> list[Any]:
        answers = client.build(
            fileobj=stream,
            custom_context=True,
            dockerfile=dockerfile,
            tag=call.inputs["imageName"],
            buildargs=options.get("args") or {},
            target=options.get("target") or "",
            platform=options.get("platform"),
            labels=labels,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=BUILD_SECONDS,
        )
        return list(_until_cancelled(call, answers))

    with stream:
        lines = call.daemon.run(start, call.deadline(BUILD_SECONDS))
    _refuse_errors(lines, f"cannot build {call.inputs['imageName']}")
    return str((call.daemon.image(call.inputs["imageName"]) or {})["Id"])


def push(call: Call) -> str:
    """Push it; its digest in the registry, as `repository@sha256:...`."""
    name = call.inputs["imageName"]
    repository, tag = parse_repository_tag(name)
    account = call.inputs.get("registry") or {}
    auth = {
        "username": account.get("username"),
        "password": account.get("password"),
        "serveraddress": account.get("server"),
    }

    def start(client: APIClient) -> list[Any]:
        answers = client.push(
            repository,
            tag=tag or "latest",
            stream=True,
            decode=True,
            auth_config=auth if account.get("username") else None,
        )
        return list(_until_cancelled(call, answers))

    lines = call.daemon.run(start, call.deadline(BUILD_SECONDS))
    _refuse_errors(lines, f"cannot push {name}")
    digests = [line["aux"]["Digest"] for line in lines if "Digest" in (line.get("aux") or {})]
    if not digests:
        raise RefusalError(grpc.StatusCode.INTERNAL, f"the registry named no digest for {name}")
    return f"{repository}@{digests[-1]}"


def _until_cancelled(call: Call, answers: Any) -> Iterator[Any]:
    """Leaving the stream closes the connection, and that ends the build in Docker."""
    for line in answers:
        yield line
        if call.daemon.cancelled.is_set():
            return


def _refuse_errors(lines: list[Any], what: str) -> None:
    for line in lines:
        if "error" in line:
            log = "".join(str(each.get("stream", "")) for each in lines).strip().splitlines()
            tail = "\n".join(log[-LINES_SHOWN:])
            message = f"{what}: {line['error']}" + (f"\nthe last lines of its log:\n{tail}" if tail else "")
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, message)
