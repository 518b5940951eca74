"""The search for a CA on this machine by which the chain that a server presented verifies.

It reads, and changes nothing. It opens at most MOST_FILES files of at most 16 MiB each, 64 MiB in all, looks at the
first 1,000 entries of a folder, and ends after MOST_SECONDS, or a third of what is left of the check's time.
"""

from __future__ import annotations

import os
import time

from ..core.redaction import show_path
from ..sources import bundles
from ..sources.error import BundleError
from . import key_stores, names, paths, surroundings
from .deadline import within
from .findings import Setting, Unread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .deadline import Deadline
    from .settings import Named

MOST_FILES = 500
MOST_SECONDS = 3.0
_MOST_BYTES = 64 * 1024 * 1024
_LARGEST = 16 * 1024 * 1024


class Found:
    """A place on this machine that holds a certificate to which the chain leads.

    Attributes:
        title: the place, in a few words.
        path: what to give as ``cafile``.
        anchors: the certificates there to which the chain leads.
        certificates: all certificates there, or for a key store the one that *export* writes.
        export: the shell command that writes it to a file first; ``None`` where *path* is there already.
    """

    __slots__ = ("anchors", "certificates", "export", "path", "title")

    def __init__(
        self, title: str, path: str, anchors: tuple[bytes, ...], certificates: tuple[bytes, ...], export: str | None
    ) -> None:
        self.title: str = title
        self.path: str = path
        self.anchors: tuple[bytes, ...] = anchors
        self.certificates: tuple[bytes, ...] = certificates
        self.export: str | None = export


class Search:
    """One search, whose results stay though it is ended by its time.

    Attributes:
        found: the places that hold a certificate to which the chain leads.
        unread: stores that could not be read.
    """

    def __init__(self, chain: tuple[bytes, ...], named: tuple[Named, ...]) -> None:
        self.found: list[Found] = []
        self.unread: list[Unread] = []
        self._chain = chain
        self._named = named
        self._files = 0
        self._bytes = 0
        self._end = 0.0
        self._ended_by: str | None = None

    def run(self, deadline: Deadline) -> str:
        """Search; say how far it came.

        Raises:
            TimeoutError: no time is left.
        """
        seconds = min(MOST_SECONDS, deadline.left() / 3)
        self._end = time.monotonic() + seconds
        try:
            # In a thread, since a network folder whose server is gone answers nothing, for ever.
            within(deadline.at_most(seconds), self._look_everywhere)
        except TimeoutError:
            self._ended_by = "its time"
        count = f"{self._files} files that may hold CAs were read"
        return f"{count}; {self._ended_by} ended the search" if self._ended_by else count

    def _look_everywhere(self) -> None:
        try:
            for look in (self._in_named_files, self._in_known_places, self._in_java_stores, self._in_nss_databases):
                look()
        except _EndedError as ended:
            self._ended_by = str(ended)

    def _in_named_files(self) -> None:
        for name, path in surroundings.named_by_variables():
            self._in_path(f"{name}={show_path(path)}", path)
        for entry in self._named:
            title = f"{entry.program}'s {entry.name} in {entry.file}"
            if entry.path is None:
                assert entry.content
                self._in_content(title, entry.content, entry.command)
            else:
                self._in_path(f"{title}: {show_path(entry.path)}", entry.path)

    def _in_known_places(self) -> None:
        for owner, patterns in paths.HOLDERS:
            for file in paths.certificate_files(patterns):
                self._in_file(f"{file} ({owner})", file)

    def _in_path(self, title: str, path: str) -> None:
        named = os.path.expanduser(path)
        for file in paths.certificates_at((named,)):
            inside = "" if file == named else f" ({os.path.basename(file)})"
            self._in_file(f"{title}{inside}", file)

    def _in_file(self, title: str, path: str) -> None:
        if not self._may_read(path):
            return
        try:
            certificates = bundles.read_path(path).certificates
        except (OSError, BundleError):
            return
        anchors = names.leading_to(self._chain, certificates)
        if anchors:
            self.found.append(Found(title, os.path.abspath(path), anchors, certificates, None))

    def _in_content(self, title: str, content: bytes, command: str | None) -> None:
        try:
            certificates = bundles.read([content]).certificates
        except BundleError:
            return
        anchors = names.leading_to(self._chain, certificates)
        if anchors and command:
            export = f"{command} > {key_stores.EXPORTED}"
            self.found.append(Found(title, key_stores.EXPORTED, anchors, certificates, export))

    def _in_java_stores(self) -> None:
        self._in_stores("Java's key store", key_stores.java(), key_stores.read_java)

    def _in_nss_databases(self) -> None:
        self._in_stores("the browser's database", key_stores.nss(), key_stores.read_nss)

    def _in_stores(self, owner: str, stores: Iterator[str], read: Callable[[str], list[key_stores.Entry]]) -> None:
        for path in stores:
            if not self._may_read(path):
                continue
            try:
                entries = {entry.der: entry.command for entry in read(path)}
            except key_stores.UnreadableError as error:
                self.unread.append(Unread(path=path, reason=error.reason, command=error.command))
                continue
            except OSError:
                continue
            for der in names.leading_to(self._chain, entries):
                one = (der,)
                self.found.append(Found(f"{path} ({owner})", key_stores.EXPORTED, one, one, entries[der]))

    def _may_read(self, path: str) -> bool:
        """Count a file against the bounds; whether it is small enough.

        Raises:
            _EndedError: one of them is reached.
        """
        try:
            size = os.stat(path).st_size
        except OSError:
            return False
        if size > _LARGEST:
            return False
        if time.monotonic() > self._end:
            raise _EndedError("its time")
        if self._files >= MOST_FILES or self._bytes + size > _MOST_BYTES:
            raise _EndedError(f"the bound of {MOST_FILES} files and {_MOST_BYTES >> 20} MiB")
        self._files += 1
        self._bytes += size
        return True


class _EndedError(Exception):
    """A bound was reached."""


def as_settings(named: tuple[Named, ...]) -> tuple[Setting, ...]:
    """The entries of settings files, with what is there."""
    return tuple(map(_as_setting, named))


def _as_setting(entry: Named) -> Setting:
    if entry.path is None:
        return Setting(
            name=f"{entry.program} {entry.name}",
            file=entry.file,
            value="",
            usable=True,
            finding="holds a certificate itself",
        )
    usable, finding = surroundings.read(entry.name, entry.path)
    value = show_path(entry.path)
    return Setting(name=f"{entry.program} {entry.name}", file=entry.file, value=value, usable=usable, finding=finding)
