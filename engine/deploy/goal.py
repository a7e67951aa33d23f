"""A goal: what the program asks of one resource, read from its RegisterResource request.

Also the place where options that this engine does not carry out are refused, so that none is silently ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pulumi.runtime.proto import alias_pb2, resource_pb2

from engine.errors import WrongUse
from engine.values import Properties
from engine.values.wire import from_struct


@dataclass
class Goal:
    """The desired state of one resource and the options it was registered with."""

    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    protect: bool | None = None  # None: not set, so inherited from the parent
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    providers: dict[str, str] = field(default_factory=dict)
    version: str = ""
    plugin_download_url: str = ""
    delete_before_replace: bool | None = None  # None: the provider decides
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)  # seconds
    aliases: list[alias_pb2.Alias] = field(default_factory=list)
    import_id: str = ""


def from_request(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Read a registration. WrongUse for an option that is not carried out."""
    _refuse_unsupported(request)
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        deleted_with=request.deletedWith,
        dependencies=sorted(set(request.dependencies)),
        property_dependencies={k: sorted(v.urns) for k, v in request.propertyDependencies.items()},
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        plugin_download_url=request.pluginDownloadURL,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        custom_timeouts=_timeouts(request.customTimeouts),
        aliases=[*request.aliases, *(alias_pb2.Alias(urn=urn) for urn in request.aliasURNs)],
        import_id=request.importId,
    )


def _refuse_unsupported(request: resource_pb2.RegisterResourceRequest) -> None:
    asked = {
        "remote components": request.remote,
        "transforms": bool(request.transforms),
        "resource hooks": request.HasField("hooks") and request.hooks.ByteSize() > 0,
        "replaceWith": bool(request.replace_with),
        "replacementTrigger": request.HasField("replacement_trigger"),
        "stateMigrations": bool(request.state_migrations),
        "parameterized packages": bool(request.packageRef),
    }
    refused = [name for name, present in asked.items() if present]
    if refused:
        raise WrongUse(
            f"{request.type} {request.name!r} uses {', '.join(refused)}, which the embedded engine does not support",
            "run the program with the official engine: vmlab --engine official",
        )


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def seconds(duration: str) -> float:
    """The length of a Go duration such as `1h30m` or `2.5s`; 0 for an empty one. WrongUse if it is none."""
    parts = re.findall(r"([0-9.]+)(h|ms|m|us|ns|s)", duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise WrongUse(f"not a duration: {duration!r} (use a Go duration such as 90s or 1h30m)")
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _timeouts(message: resource_pb2.RegisterResourceRequest.CustomTimeouts) -> dict[str, float]:
    named = {"create": message.create, "update": message.update, "delete": message.delete}
    return {action: seconds(text) for action, text in named.items() if text}
