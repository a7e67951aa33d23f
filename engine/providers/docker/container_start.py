"""From a created container to one that runs and is well: connect, start, wait.

Whatever fails here leaves a container behind, so it is answered with reasons, never with a plain error. The
reasons hold Docker's words and the last lines of the container's own log.
"""

from __future__ import annotations

import grpc
from docker.errors import APIError, NotFound
from requests.exceptions import ConnectionError, RequestException  # noqa: A004 - the name it has there

from engine.providers.docker.container_config import endpoint
from engine.providers.docker.container_outputs import must_run
from engine.providers.docker.docker_daemon import RefusalError, translated, words_of
from engine.providers.docker.kind import Call, Plain

LINES_SHOWN = 20
WAIT_SECONDS = 60
NEVER_STARTED = "created"


def bring_up(call: Call, id_: str) -> list[str]:
    """Do all that is missing; the reasons why it is not ready, none when it is."""
    try:
        _connect(call, id_)
        if should_run(call.inputs) and not call.daemon.client.inspect_container(id_)["State"]["Running"]:
            call.daemon.run(lambda client: client.start(id_), call.deadline(WAIT_SECONDS))
            _see_running(call, id_)
        if call.inputs.get("wait") and call.inputs.get("start") is not False:
            _wait_healthy(call, id_)
    except NotFound as error:
        if call.inputs.get("rm"):
            return []  # it ran to its end and Docker removed it, as configured
        return [words_of(error), *_log(call, id_)]
    except (APIError, RefusalError, RequestException) as error:
        words = translated(error, call.daemon) if isinstance(error, ConnectionError) else words_of(error)
        return [str(words), *_log(call, id_)]
    return []


def should_run(inputs: Plain) -> bool:
    """`start` makes it run at create, `mustRun` keeps it so; without the first nothing is ever started."""
    return inputs.get("start") is not False


def missing_networks(call: Call, found: Plain) -> list[Plain]:
    """The wanted networks to which it is not connected."""
    connected = found["NetworkSettings"].get("Networks") or {}
    known = set(connected) | {row.get("NetworkID") for row in connected.values()}
    if found["State"]["Status"] == NEVER_STARTED:
        # Until then Docker knows an endpoint by the name or id that it was given, and no more.
        known.add(found["HostConfig"]["NetworkMode"])
    return [network for network in call.inputs.get("networksAdvanced") or [] if network["name"] not in known]


def half_made(call: Call, found: Plain) -> list[str]:
    """Why a container that Read found is not what create was to make."""
    reasons = []
    if found["State"]["Status"] == NEVER_STARTED and should_run(call.inputs):
        words = found["State"].get("Error") or "its creation was interrupted"
        reasons.append(f"the container exists and was never started: {words}")
    missing = [network["name"] for network in missing_networks(call, found)]
    if missing:
        reasons.append(f"the container is not connected to {', '.join(missing)}")
    return reasons


def _connect(call: Call, id_: str) -> None:
    found = call.daemon.client.inspect_container(id_)
    for network in missing_networks(call, found):
        settings = endpoint(network)
        call.daemon.client.connect_container_to_network(
            id_,
            network["name"],
            aliases=settings["Aliases"],
            ipv4_address=network.get("ipv4Address"),
        )


def _see_running(call: Call, id_: str) -> None:
    """A command that cannot run at all has ended by now; one that ends later is drift, which Read finds."""
    state = call.daemon.client.inspect_container(id_)["State"]
    if must_run(call.inputs) and state["Status"] == "exited" and (call.inputs.get("restart") or "no") == "no":
        words = f"the container exited at once with code {state['ExitCode']}"
        raise RefusalError(grpc.StatusCode.UNKNOWN, words)


def _wait_healthy(call: Call, id_: str) -> None:
    def healthy() -> bool:
        state = call.daemon.client.inspect_container(id_)["State"]
        health = state.get("Health")
        if health is None:
            raise RefusalError(
                grpc.StatusCode.UNKNOWN,
                "wait is set, and neither the container nor its image has a healthcheck",
            )
        if health["Status"] == "unhealthy":
            last = (health.get("Log") or [{}])[-1].get("Output", "").strip()
            raise RefusalError(
                grpc.StatusCode.UNKNOWN, f"the container is unhealthy; its health check printed: {last}"
            )
        if not state["Running"]:
            raise RefusalError(
                grpc.StatusCode.UNKNOWN,
                f"the container ended with code {state['ExitCode']} before it was healthy",
            )
        return bool(health["Status"] == "healthy")

    call.daemon.until(healthy, call.inputs.get("waitTimeout") or WAIT_SECONDS, "the container's health")


def _log(call: Call, id_: str) -> list[str]:
    try:
        log = call.daemon.client.logs(id_, tail=LINES_SHOWN).decode(errors="replace").strip()
    except (APIError, RequestException):
        return []  # a log driver that cannot be read, or a container that is gone
    return [f"the last lines of its log:\n{log}"] if log else []
