"""The connection to the system's libvirtd: one a process, opened again when libvirtd was restarted.

Errors of libvirt become ours here, and nothing of it is printed: its own handler writes to standard error.
Left out: other hypervisors and remote hosts.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    It is asked something small first (46 microseconds): a connection to a libvirtd that has ended still looks open."""
    libvirt = _library()
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
            raise Unavailable(f"libvirtd does not answer ({_words(error)})", FIX) from None
        return _open[URI]


def _library() -> Any:
    """libvirt-python; Unavailable where it is not installed, so that the rest of the lab works without it."""
    try:
        import libvirt
    except ImportError:
        raise Unavailable("libvirt-python is not installed", FIX) from None
    return libvirt


def _answers(connection: Any) -> bool:
    libvirt = _library()

    try:
        connection.getLibVersion()
    except libvirt.libvirtError:
        _close(connection)
        return False
    return True


def close() -> None:
    """Close it; the next `open` makes another. At exit, because libvirt-python cannot do it any more by then."""
    while _open:
        _close(_open.popitem()[1])


def _close(connection: Any) -> None:
    libvirt = _library()

    try:
        connection.close()
    except libvirt.libvirtError:
        pass


@contextmanager
def asked(what: str) -> Iterator[None]:
    """What libvirt refuses inside becomes a VmlabError that begins with `what`."""
    libvirt = _library()

    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_domain() == libvirt.VIR_FROM_RPC:
            raise Unavailable(f"{what}: libvirtd went away ({_words(error)})", FIX) from None
        raise VmlabError(f"{what}: {_words(error)}") from None


def found(look_up: Callable[[str], T], key: str) -> T | None:
    """What a look-up finds; None when libvirt says that there is no such thing."""
    libvirt = _library()

    absent = {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
    }
    try:
        return look_up(key)
    except libvirt.libvirtError as error:
        if error.get_error_code() in absent:
            return None
        raise VmlabError(f"looking for {key}: {_words(error)}") from None


def unless_gone(action: Callable[..., object], *arguments: Any) -> bool:
    """Do something to a thing that may have gone meanwhile, or not run any more; whether it was done."""
    libvirt = _library()

    gone = {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
        libvirt.VIR_ERR_OPERATION_INVALID,
    }
    try:
        action(*arguments)
    except libvirt.libvirtError as error:
        if error.get_error_code() in gone:
            return False
        raise VmlabError(_words(error)) from None
    return True


def qemu_user() -> tuple[int, int]:
    """The user and the group that QEMU runs as, as libvirt says it."""
    if URI not in _users:
        capabilities = ElementTree.fromstring(open().getCapabilities())
        models = {
            model.findtext("model"): model.findtext("baselabel") for model in capabilities.iter("secmodel")
        }
        user, _, group = (models.get("dac") or "+0:+0").partition(":")
        _users[URI] = int(user.lstrip("+")), int(group.lstrip("+"))
    return _users[URI]


def _words(error: Any) -> str:
    return str(error.get_error_message() or error)
