"""The wire form of property values: protobuf Struct to `Properties` and back.

Numbers on the wire are doubles; whole ones become int here, as in the state's JSON. Secrets are sent as such only to a
peer that accepts them. Output values (`OUTPUT`) are read into what they say, a value, UNKNOWN or a Secret, and never
sent. Source: pulumi/pulumi sdk/go/common/resource/plugin/rpc.go.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2

from engine.values import (
    OUTPUT,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_SENTINEL,
    Properties,
    Secret,
    Unknown,
    Value,
)


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Read a message's properties."""
    return {key: _read(value) for key, value in struct.fields.items()}


def to_struct(properties: Properties, *, secrets: bool = True) -> struct_pb2.Struct:
    """Write properties; without `secrets`, what they hold goes out in the clear (the peer does not know secrets)."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _write(struct.fields[key], value, secrets)
    return struct


def _read(value: struct_pb2.Value) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_SENTINEL else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_read(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _read_object(from_struct(value.struct_value))
    return None


def _read_object(members: Properties) -> Value:
    signature = members.get(SIGNATURE)
    if signature == SECRET:
        return Secret(members.get("value"))
    if signature == OUTPUT:
        value = members.get("value", UNKNOWN)
        return Secret(value) if members.get("secret") is True else value
    return members


def _write(target: struct_pb2.Value, value: Value, secrets: bool) -> None:
    if isinstance(value, Secret):
        if secrets:
            target.struct_value.fields[SIGNATURE].string_value = SECRET
            target = target.struct_value.fields["value"]
        _write(target, value.value, secrets)
    elif isinstance(value, list):
        target.list_value.SetInParent()
        for item in value:
            _write(target.list_value.values.add(), item, secrets)
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _write(target.struct_value.fields[key], item, secrets)
    else:
        _write_scalar(target, value)


def _write_scalar(target: struct_pb2.Value, value: Any) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, Unknown):
        target.string_value = UNKNOWN_SENTINEL
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    else:
        target.string_value = value
