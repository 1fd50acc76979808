"""Workers of a Ray cluster that jobs are handed to: one at a time each, lost ones anew."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.ray_cluster import why
from embfeast.plugin.engine.ray_worker import Run, TextWorker

QUIET_SECONDS = 30  # without a result, before the cluster is looked at again
TRIES = 5  # of a job whose worker or machine was lost


@dataclass(eq=False)
class Job:
    """Arguments of one call, and how often they were handed out."""

    arguments: tuple[Any, ...]
    tries: int = 0


class RayPool:
    """As many workers as the cluster has room for, each started once.

    Parameters
    ----------
    ray : module
        Connected.
    run : Run
    cpus : int
        CPUs of a worker.
    most : int or None
        Most workers.
    """

    def __init__(self, ray: Any, run: Run, cpus: int, most: int | None) -> None:
        self._ray, self._cpus, self._most = ray, cpus, most
        self._run = ray.put(run)
        self._actor = ray.remote(num_cpus=cpus, max_restarts=0)(TextWorker)
        self._opening: dict[Any, Any] = {}  # by what its first call will return
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, Job]] = {}  # by what the call will return
        self._starts_lost = 0
        self.recruit()

    def recruit(self) -> None:
        """Start workers for which there is room now: machines come and go."""
        room = self.room()
        wanted = min(room, self._most or room)
        for _ in range(len(self), wanted):
            actor = self._actor.remote(self._cpus)
            self._opening[actor.open.remote(self._run)] = actor

    def __len__(self) -> int:
        """Return the number of workers, those that have not begun yet among them."""
        return len(self._opening) + len(self._free) + len(self._busy)

    def room(self) -> int:
        """Return how many workers the machines of the cluster are large enough for."""
        nodes = [node for node in self._ray.nodes() if node.get("Alive", False)]
        cpus = [node["Resources"].get("CPU", 0) for node in nodes]
        room = int(sum(own // self._cpus for own in cpus))
        if not room:
            raise EmbfeastError(
                f"the Ray cluster has {len(cpus)} machines with {sum(cpus):g} CPUs, and none has "
                f"the {self._cpus} that a worker needs (ray_cpus); add machines with "
                "`ray start --address ... --num-cpus N`, then run again"
            )
        return room

    def each(self, method: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Call a worker's method with each of the arguments; yield results as they come.

        Arguments are taken when a worker is free for them; a worker is handed its next ones before
        the result of the last is yielded.

        Raises
        ------
        EmbfeastError
            A call has failed, was lost too often, or the cluster has no room left.
        """
        jobs = map(Job, calls)
        lost: list[Job] = []
        results: list[Any] = []
        following = next(jobs, None)
        while True:
            while self._free and (job := lost.pop() if lost else following):
                self._hand(method, job)
                if job is following:
                    following = next(jobs, None)
            yield from results
            if not (self._busy or lost or following):
                return
            results = self._wait(lost)

    def close(self) -> None:
        """End the workers: their CPUs are free again."""
        busy = (actor for actor, _ in self._busy.values())
        for actor in [*self._opening.values(), *self._free, *busy]:
            self._ray.kill(actor)

    def _hand(self, method: str, job: Job) -> None:
        actor = self._free.pop()
        job.tries += 1
        self._busy[getattr(actor, method).remote(*job.arguments)] = actor, job

    def _wait(self, lost: list[Job]) -> list[Any]:
        """Wait for something to end; return results, and put jobs whose worker was lost aside."""
        self.recruit()
        waiting = [*self._busy, *self._opening]
        ready, _ = self._ray.wait(waiting, timeout=QUIET_SECONDS)
        if ready:  # and whatever else is
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        results = []
        for call in ready:
            if call in self._opening:
                actor, job = self._opening.pop(call), None
            else:
                actor, job = self._busy.pop(call)
            try:
                result = self._ray.get(call)
            except self._ray.exceptions.RayError as error:
                self._ray.kill(actor)
                lost += [job] if job else []
                self._may_go_on(error, job)
                continue
            self._free.append(actor)
            results += [result] if job else []
        return results

    def _may_go_on(self, error: Exception, job: Job | None) -> None:
        """Raise what another try would not mend."""
        self._starts_lost += job is None
        failed = isinstance(error, self._ray.exceptions.RayTaskError)
        tries = job.tries if job else self._starts_lost
        if failed or tries >= TRIES or getattr(error, "actor_init_failed", False):
            raise why(error) from error
