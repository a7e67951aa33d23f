"""The connection to the system's libvirtd: one per process, opened again after a restart of libvirtd.

libvirt's errors become ours here, and nothing of libvirt is printed: its own handler writes to standard error.
Out of scope: other hypervisors and remote hosts.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from xml.etree import ElementTree

from machine.errors import Unavailable, VmlabError

URI = "qemu:///system"
FIX = "vmlab host up libvirt"
NAMESPACE = "https://vmlab.invalid/1"
T = TypeVar("T")
_open: dict[str, Any] = {}
_users: dict[str, tuple[int, int]] = {}
_lock = threading.Lock()


def open() -> Any:  # noqa: A001 - called as connection.open()
    """The connection (a virConnect); Unavailable when there is no libvirt-python or no libvirtd.

    A small request tests it first (46 microseconds): the connection to a libvirtd that has exited still looks open."""
    libvirt = library()
    with _lock:
        found = _open.get(URI)
        if found is not None and _answers(found):
            return found
        if found is None:
            libvirt.registerErrorHandler(lambda *_: None, None)
            atexit.register(close)
        try:
            _open[URI] = libvirt.open(URI)
        except libvirt.libvirtError as error:
            raise Unavailable(f"libvirtd does not answer ({_message(error)})", FIX) from None
        return _open[URI]


def library() -> Any:
    """libvirt-python; Unavailable where it is not installed, so that the rest of the lab works without it."""
    try:
        import libvirt
    except ImportError:
        raise Unavailable("libvirt-python is not installed", FIX) from None
    return libvirt


def close() -> None:
    """Close it; the next `open` makes another. At exit, because libvirt-python cannot do it later."""
    while _open:
        _close(_open.popitem()[1])


@contextmanager
def asked(what: str) -> Iterator[None]:
    """What libvirt refuses inside becomes a VmlabError that begins with `what`; Unavailable when libvirtd has exited."""
    libvirt = library()
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_domain() == libvirt.VIR_FROM_RPC:
            raise Unavailable(
                f"{what}: the connection to libvirtd was lost ({_message(error)})", FIX
            ) from None
        raise VmlabError(f"{what}: {_message(error)}") from None


def found(look_up: Callable[[str], T], key: str) -> T | None:
    """What a look-up finds; None when libvirt reports that the object does not exist."""
    libvirt = library()
    try:
        return look_up(key)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _absent(libvirt):
            return None
        raise VmlabError(f"looking for {key}: {_message(error)}") from None


def present(found: T | None, what: str) -> T:
    """What was found; VmlabError when the object does not exist any more."""
    if found is None:
        raise VmlabError(f"the {what} does not exist any more; refresh, then up")
    return found


def unless_gone(action: Callable[..., object], *arguments: Any) -> bool:
    """Act on an object that may have been removed meanwhile, or not run any more; whether it was done."""
    libvirt = library()
    try:
        action(*arguments)
    except libvirt.libvirtError as error:
        if error.get_error_code() in {*_absent(libvirt), libvirt.VIR_ERR_OPERATION_INVALID}:
            return False
        raise VmlabError(_message(error)) from None
    return True


def qemu_user() -> tuple[int, int]:
    """The uid and the gid that QEMU runs as, as libvirt reports them."""
    if URI not in _users:
        capabilities = ElementTree.fromstring(open().getCapabilities())
        models = {
            model.findtext("model"): model.findtext("baselabel") for model in capabilities.iter("secmodel")
        }
        user, _, group = (models.get("dac") or "+0:+0").partition(":")
        _users[URI] = int(user.lstrip("+")), int(group.lstrip("+"))
    return _users[URI]


def _absent(libvirt: Any) -> set[int]:
    return {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
    }


def _answers(connection: Any) -> bool:
    try:
        connection.getLibVersion()
    except library().libvirtError:
        _close(connection)
        return False
    return True


def _close(connection: Any) -> None:
    with suppress(library().libvirtError):
        connection.close()


def _message(error: Any) -> str:
    return str(error.get_error_message() or error)
