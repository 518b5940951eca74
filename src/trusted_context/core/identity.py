"""What is known of objects that other code made, whatever these say of their equality."""

from __future__ import annotations

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class IdentityMap:
    """Values by the object itself, for as long as that lives.

    A subclass may say that two contexts are equal, or that one has no hash.
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def get(self, key: object) -> Any:
        """The value of *key*, or ``None``."""
        held, value = self._values.get(id(key), (None, None))
        return value if held is not None and held() is key else None

    def keys(self) -> list[Any]:
        """Every object that has a value."""
        # In one step, also without the global interpreter lock: others may come meanwhile.
        return [key for held, _ in list(self._values.values()) if (key := held()) is not None]

    def discard(self, key: object) -> None:
        """Forget the value of *key*, if it has one."""
        self._values.pop(id(key), None)

    def set(self, key: object, value: object) -> None:
        """Make *value* that of *key*."""
        place, values = id(key), self._values

        def forget(gone: weakref.ref[Any]) -> None:
            # The place may be another object's by now.
            if values.get(place, (None, None))[0] is gone:  # pragma: no branch  # CPython gives it away only later
                values.pop(place, None)

        values[place] = weakref.ref(key, forget), value

    def clear(self) -> None:
        """Forget all."""
        self._values = {}
