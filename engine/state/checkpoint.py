"""State files and exports: Pulumi's JSON documents around a snapshot.

On disk `{"version":3,"checkpoint":{"stack":…,"latest":{…}}}`, exported `{"version":3,"deployment":{…}}`; the
inner object is the same. Versions 0 (a stack that never ran) to 4 are read. 3 is written, or 4 where a kept
member needs it.

The texts of the resources come from `fragments`, which remembers them: a save is little more than a join.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from engine.errors import WrongUse
from engine.state import resource_json
from engine.state.fragments import CipherSource, fragment
from engine.state.property_json import Decrypt, compact
from engine.state.secrets import Cipher
from engine.state.snapshot import Snapshot, magic

ENGINE_VERSION = "v0.1.0-vmlab"  # the writer that the manifest names
KNOWN_FEATURES = {*resource_json.FEATURES.values(), "byteString"}
_DEPLOYMENT = {"manifest", "secrets_providers", "resources", "pending_operations", "metadata"}


def dump(snapshot: Snapshot, stack_reference: str, cipher: CipherSource = None) -> bytes:
    """The state file. `cipher`, or what makes one, is only touched when there is a secret."""
    version, features, deployment = _deployment(snapshot, cipher, show_secrets=False)
    checkpoint = f'{{"stack":{compact(stack_reference)},"latest":{deployment}}}'
    return f'{{"version":{version}{features},"checkpoint":{checkpoint}}}'.encode()


def export(snapshot: Snapshot, cipher: CipherSource = None, *, show_secrets: bool = False) -> bytes:
    """What `stack export` prints."""
    version, features, deployment = _deployment(snapshot, cipher, show_secrets)
    document = json.loads(f'{{"version":{version}{features},"deployment":{deployment}}}')
    return json.dumps(document, indent=4, ensure_ascii=False).encode("utf-8", "surrogatepass")


def load(data: bytes, open_cipher: Callable[[str], Cipher]) -> Snapshot:
    """The snapshot in a state file; `open_cipher` gets the salt, and only when there is a secret."""
    document = _document(data)
    version = document.get("version", 0)
    if (
        version == 0
    ):  # before versions: the checkpoint is the document itself; a fresh stack has none of its members
        return _snapshot(1, [], document.get("latest"), open_cipher)
    checkpoint = document.get("checkpoint") or {}
    return _snapshot(version, document.get("features"), checkpoint.get("latest"), open_cipher)


def load_export(data: bytes, open_cipher: Callable[[str], Cipher]) -> Snapshot:
    """The snapshot in an export, with encrypted or with shown secrets."""
    document = _document(data)
    if "deployment" not in document:
        raise WrongUse("this is not an exported stack: it has no member 'deployment'")
    return _snapshot(
        document.get("version", 0), document.get("features"), document["deployment"], open_cipher
    )


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise WrongUse(f"the state cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise WrongUse("the state cannot be read: it is not a JSON object")
    return document


def _snapshot(
    version: Any, features: list[str] | None, raw: dict[str, Any] | None, open_cipher: Callable[[str], Cipher]
) -> Snapshot:
    if version not in (1, 2, 3, 4):
        raise WrongUse(f"the state has version {version}; this engine reads 1 to 4: use the newer Pulumi CLI")
    if unknown := sorted(set(features or ()) - KNOWN_FEATURES):
        raise WrongUse(f"the state needs features that this engine does not have: {', '.join(unknown)}")
    raw = raw or {}
    salt = _salt(raw.get("secrets_providers") or {})
    decrypt = _decrypter(salt, open_cipher)
    resources = raw.get("resources") or []
    if version < 3:
        resources = [resource_json.upgraded(resource) for resource in resources]
    return Snapshot(
        resources=[resource_json.from_json(resource, decrypt) for resource in resources],
        pending=[
            resource_json.operation_from_json(it, decrypt) for it in raw.get("pending_operations") or []
        ],
        salt=salt,
        manifest=raw.get("manifest") or {},
        metadata=raw.get("metadata") or {},
        features=sorted(features or ()),
        extra={member: value for member, value in raw.items() if member not in _DEPLOYMENT},
    )


def _salt(provider: dict[str, Any]) -> str:
    kind = provider.get("type", "")
    if kind not in ("", "passphrase"):
        raise WrongUse(f"the stack's secrets are kept by {kind!r}; this engine only has 'passphrase'")
    return str((provider.get("state") or {}).get("salt", ""))


def _decrypter(salt: str, open_cipher: Callable[[str], Cipher]) -> Callable[[str], Decrypt]:
    def decrypt(ciphertext: str, urn: str) -> str:
        if not salt:
            raise WrongUse(f"{urn}: the state holds an encrypted value but no secrets provider")
        return open_cipher(salt).decrypt(ciphertext, urn)

    return lambda urn: lambda ciphertext: decrypt(ciphertext, urn)


def _deployment(snapshot: Snapshot, cipher: CipherSource, show_secrets: bool) -> tuple[int, str, str]:
    """Version, the member `features` and the deployment's text."""
    resources = [fragment(resource, cipher, show_secrets=show_secrets) for resource in snapshot.resources]
    pending = [
        fragment(operation.resource, cipher, show_secrets=show_secrets) for operation in snapshot.pending
    ]
    fragments = resources + pending
    salt = next((it.salt for it in fragments if it.salt), snapshot.salt)
    features = sorted(frozenset(snapshot.features).union(*(it.features for it in fragments)))
    operations = [
        f'{{"resource":{made.text},"type":{compact(operation.type)}}}'
        for made, operation in zip(pending, snapshot.pending, strict=True)
    ]
    parts = [f'"manifest":{compact(_manifest())}']
    if salt:
        parts.append(f'"secrets_providers":{compact({"type": "passphrase", "state": {"salt": salt}})}')
    if resources:
        parts.append(f'"resources":[{",".join(it.text for it in resources)}]')
    if operations:
        parts.append(f'"pending_operations":[{",".join(operations)}]')
    parts.append(f'"metadata":{compact(snapshot.metadata)}')
    parts.extend(f"{compact(member)}:{compact(value)}" for member, value in snapshot.extra.items())
    listed = f',"features":{compact(features)}' if features else ""
    return (4 if features else 3), listed, "{" + ",".join(parts) + "}"


def _manifest() -> dict[str, str]:
    time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"time": time, "magic": magic(ENGINE_VERSION), "version": ENGINE_VERSION}
