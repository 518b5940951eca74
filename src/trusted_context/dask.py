"""Dask: a worker plugin in which the tasks of a cluster run inside a block."""

from __future__ import annotations

from distributed import WorkerPlugin

from ._block import TrustedContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from distributed import Worker


class TrustedContextPlugin(WorkerPlugin):  # type: ignore[misc, unused-ignore]  # a class that is not known without dask
    """Enters a block in each worker of a cluster, those that start or restart later included, and leaves it with them.

    ``client.register_plugin(TrustedContextPlugin(block))``. The block travels with its certificates. There is one at a
    time: a plugin that is registered later takes the place of the one before, and
    ``client.unregister_worker_plugin("trusted-context")`` ends it.

    Args:
        block: what the workers are to trust.

    Raises:
        TypeError: *block* is something else.
    """

    name = "trusted-context"

    def __init__(self, block: TrustedContext) -> None:
        if not isinstance(block, TrustedContext):
            raise TypeError(
                f"TrustedContextPlugin takes the block that trusted_context() makes, not {type(block).__name__}"
            )
        self._block = block

    def setup(self, worker: Worker) -> None:  # noqa: ARG002  # dask's
        """Enter the block in this worker's process."""
        self._block.start()

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002  # dask's
        """Leave it."""
        self._block.stop()
