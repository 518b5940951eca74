"""The TLS versions of a context, set without what is deprecated."""

from __future__ import annotations

import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OPTIONS = {
    ssl.TLSVersion.TLSv1: ssl.OP_NO_TLSv1,
    ssl.TLSVersion.TLSv1_1: ssl.OP_NO_TLSv1_1,
    ssl.TLSVersion.TLSv1_2: ssl.OP_NO_TLSv1_2,
    ssl.TLSVersion.TLSv1_3: ssl.OP_NO_TLSv1_3,
}
_VERSIONS = tuple(_OPTIONS)
_ALL_OPTIONS = sum(_OPTIONS.values())
# OpenSSL 3.0 speaks no version below TLS 1.2 but at security level 0: SSL_CTX_set_security_level(3).
_LEVELS_FORBID_OLD = ssl.OPENSSL_VERSION_INFO >= (3,)


def without_deprecated(settings: dict[str, Any], level: int | None) -> dict[str, Any]:
    """The same *settings* of a context, with its TLS versions told by the lowest and the highest of them alone.

    Python warns at each setting of an option that turns a version off, and of a lowest version below TLS 1.2, that it
    is deprecated; which is an error under ``-W error``. The context's owner was warned when setting it.

    Where that cannot be told, the versions that OpenSSL does not speak at this security *level* are passed over. What
    is left and cannot be told stays as it is: no version at all, and at level 0 one that is left out in the middle, and
    TLS 1.1 as the lowest.
    """
    allowed = [
        version
        for version in _VERSIONS
        if _number(settings["minimum_version"]) <= version <= _number(settings["maximum_version"])
        and not settings["options"] & _OPTIONS[version]
    ]
    if level and _LEVELS_FORBID_OLD and (not _are_in_a_row(allowed) or allowed[0] is ssl.TLSVersion.TLSv1_1):
        allowed = [version for version in allowed if version >= ssl.TLSVersion.TLSv1_2]
    if not _are_in_a_row(allowed):
        return settings
    lowest, highest = allowed[0], allowed[-1]
    return settings | {
        "options": settings["options"] & ~_ALL_OPTIONS,
        # Python turns SSL 3.0 off in each new context.
        "minimum_version": ssl.TLSVersion.MINIMUM_SUPPORTED if lowest is _VERSIONS[0] else lowest,
        "maximum_version": ssl.TLSVersion.MAXIMUM_SUPPORTED if highest is _VERSIONS[-1] else highest,
    }


def _are_in_a_row(versions: list[ssl.TLSVersion]) -> bool:
    places = [_VERSIONS.index(version) for version in versions]
    return bool(places) and len(places) == 1 + places[-1] - places[0]


def _number(version: ssl.TLSVersion) -> int:
    known = {ssl.TLSVersion.MINIMUM_SUPPORTED: _VERSIONS[0], ssl.TLSVersion.MAXIMUM_SUPPORTED: _VERSIONS[-1]}
    return int(known.get(version, version))
