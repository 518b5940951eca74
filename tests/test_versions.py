"""TLS versions, told by the lowest and the highest one where that says the same."""

import ssl
from itertools import chain, combinations

import pytest

from trusted_context.core.versions import without_deprecated

VERSIONS = [version for version in ssl.TLSVersion if version >= ssl.TLSVersion.TLSv1]
LOWEST = [ssl.TLSVersion.MINIMUM_SUPPORTED, *VERSIONS]
HIGHEST = [*VERSIONS, ssl.TLSVersion.MAXIMUM_SUPPORTED]
OPTIONS = [ssl.OP_NO_TLSv1, ssl.OP_NO_TLSv1_1, ssl.OP_NO_TLSv1_2, ssl.OP_NO_TLSv1_3]
OTHERS = ssl.OP_ALL | ssl.OP_NO_TICKET


def allowed(settings):
    """The versions that a context of these settings speaks."""
    lowest, highest = settings["minimum_version"], settings["maximum_version"]
    return [
        version
        for version, option in zip(VERSIONS, OPTIONS, strict=True)
        if (lowest is LOWEST[0] or lowest <= version)
        and (highest is HIGHEST[-1] or version <= highest)
        and not settings["options"] & option
    ]


@pytest.mark.parametrize("lowest", LOWEST)
@pytest.mark.parametrize("highest", HIGHEST)
def test_the_same_versions_are_allowed(lowest, highest):
    """Whatever the options turn off; and nothing else is touched."""
    for off in chain.from_iterable(combinations(OPTIONS, number) for number in range(5)):
        settings = {"options": OTHERS | sum(off), "minimum_version": lowest, "maximum_version": highest, "another": 1}
        found, told = without_deprecated(settings, 0), allowed(settings)
        assert allowed(found) == told
        assert found["another"] == 1
        if told and told == VERSIONS[VERSIONS.index(told[0]) : VERSIONS.index(told[-1]) + 1]:
            assert found["options"] == OTHERS
        else:
            assert found == settings


@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO < (3,), reason="OpenSSL 1.1.1 speaks TLS 1.1 at level 1 too")
@pytest.mark.parametrize("lowest", LOWEST)
@pytest.mark.parametrize("highest", HIGHEST)
def test_above_level_0_nothing_deprecated_is_left_where_a_version_can_be_spoken(lowest, highest):
    """Those that OpenSSL speaks at that level stay the same."""
    for off in chain.from_iterable(combinations(OPTIONS, number) for number in range(5)):
        settings = {"options": OTHERS | sum(off), "minimum_version": lowest, "maximum_version": highest}
        spoken = [version for version in allowed(settings) if version >= ssl.TLSVersion.TLSv1_2]
        found = without_deprecated(settings, 1)
        assert [version for version in allowed(found) if version >= ssl.TLSVersion.TLSv1_2] == spoken
        if spoken:
            assert found["options"] == OTHERS
            assert found["minimum_version"] in {LOWEST[0], *VERSIONS[2:]}
