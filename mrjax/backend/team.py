"""The processes that train one network together, each with its share of every batch.

Process 0 leads: it alone writes the run folder, reads checkpoints and judges the network. The
others follow: they take the same steps and end with the training. All agree on what each of them
may know alone, such as the checkpoint to go on from or a signal that asks to stop.
"""

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping

import numpy as np

from mrjax.config import RunConfig
from mrjax.errors import RunFailed, UserError

GONE = "another process of this run has ended"
"""How the message of a process begins that cannot go on alone."""
_LOST = re.compile(
    r"gloo|NCCL|coordination|connection|UNAVAILABLE|heartbeat|socket closed", re.IGNORECASE
)
"""In an error of XLA where another process does not answer."""
_HEARTBEAT = 20
_PATIENCE = 300


@dataclasses.dataclass(frozen=True)
class Team:
    """The processes of a run, as one of them sees it.

    Attributes:
        index: number of this process.
        count: number of processes.
    """

    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0

    def leaders(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the arrays of process 0, bit for bit, in every process.

        Args:
            state: arrays by name; those of the others need the same names, shapes and types.
        """
        if self.count == 1:
            return dict(state)
        from jax.experimental import multihost_utils

        # As bytes: arrays travel as sums with zeros, in which -0.0 would become 0.0.
        own = {
            k: np.frombuffer(np.ascontiguousarray(v).tobytes(), np.uint8) for k, v in state.items()
        }
        sent = multihost_utils.broadcast_one_to_all(own)
        return {
            k: np.asarray(sent[k]).view(v.dtype).reshape(v.shape).copy() for k, v in state.items()
        }

    def every(self, number: int) -> list[int]:
        """Return a number that each process gives, in the order of the processes."""
        if self.count == 1:
            return [number]
        from jax.experimental import multihost_utils

        return [int(n) for n in multihost_utils.process_allgather(np.int64(number)).reshape(-1)]

    def check_same(self, what: str, text: str) -> None:
        """Refuse to train where the processes differ.

        Args:
            what: in words.
            text: what must be equal in all processes.

        Raises:
            UserError: it is not.
        """
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
        found = self.every(number)
        other = [i for i, n in enumerate(found) if n != found[0]]
        if other:
            raise UserError(
                f"process {other[0]} has {what} other than those of process 0; expected the same "
                "in all processes of a run; give all of them the same flags, files and code"
            )

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Tell in one line where work in this context fails because another process has ended.

        Raises:
            RunFailed: another process has ended.
        """
        try:
            yield
        except (RuntimeError, ValueError) as error:  # XLA raises both
            if self.count == 1 or not _LOST.search(str(error)):
                raise
            raise RunFailed(
                f"{GONE}, so process {self.index} cannot go on; what is saved is whole; start all "
                "processes again, and they go on from the last checkpoint"
            ) from error

    def leave(self) -> None:
        """Wait for all processes, after which each works for itself."""
        if self.count > 1:
            import jax

            jax.distributed.shutdown()


ALONE = Team()


def join(config: RunConfig) -> Team:
    """Meet the other processes of the run, before JAX has started its devices.

    Args:
        config: the checked configuration.

    Returns:
        The team; `ALONE` for a run of one process.

    Raises:
        UserError: the processes do not find each other.
    """
    if config.processes == 1:
        return ALONE
    import jax

    clustered = not config.coordinator
    try:
        jax.distributed.initialize(
            None if clustered else config.coordinator,
            None if clustered else config.processes,
            config.process_id,
            local_device_ids=list(range(config.devices)),
            initialization_timeout=_PATIENCE,
            heartbeat_timeout_seconds=_HEARTBEAT,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the processes of --processes={config.processes} do not meet ({reason}); expected as "
            "many as that, all with the same --coordinator and each with its --process_id; start "
            "all of them"
        ) from error
    found = jax.process_count()
    if found != config.processes:
        raise UserError(
            f"--processes={config.processes} but the cluster has started {found}; expected the "
            "same number; change one of them"
        )
    return Team(jax.process_index(), found)
