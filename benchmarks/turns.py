"""Over HTTP, everyone takes turns: round by round, each with requests that were signed a moment ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.contestants import Contestant
from benchmarks.deployment import Deployment
from benchmarks.effort import Effort, Progress, client_core
from benchmarks.figures import Result
from benchmarks.message import signed
from benchmarks.wrk import Prepared, prepare, rate


def take_turns(
    result: Result,
    effort: Effort,
    progress: Progress,
    everyone: list[Contestant],
    prepared_anew: Callable[[], Mapping[str, Prepared]],
    *,
    between: Iterable[Callable[[], None]] = (),
) -> None:
    """Measure all contestants in every round.

    Args:
        result: what is found goes into it.
        effort: how much.
        progress: says what happens.
        everyone: who takes part.
        prepared_anew: signs what a round needs; their age is bounded, so once for each round.
        between: what else is done in each round.
    """
    for number in range(effort.rounds):
        stage = f"round {number + 1} of {effort.rounds}"
        progress.say(f"{stage}: signing")
        prepared = prepared_anew()
        for each in everyone:
            progress.say(f"{stage}: {each.label}")
            found = rate(
                each.label,
                each.url,
                prepared[each.requests],
                once=each.remembers,
                seconds=effort.seconds,
                core=client_core(),
                server=each.process_id,
            )
            result.add(each.key, each.label, "requests/s", found.per_second, found.cpu_us)
        for other in between:
            other()


def sign_round(
    folder: Path, deployed: Deployment, shape: Callable[..., bytes], most_per_second: Mapping[str, int], seconds: int
) -> dict[str, Prepared]:
    """Sign what one round needs: a second to warm up, then the measured ones.

    Args:
        folder: for the files.
        deployed: whose keys sign.
        shape: `message.as_sent` or `message.as_asked`.
        most_per_second: more than the quickest that remembers will answer, by algorithm; `algorithm/name` makes several
            sets of one algorithm, for several that share a memory of nonces.
        seconds: to measure.

    Returns:
        A file for each of them.
    """
    found = {}
    for name, most in most_per_second.items():
        algorithm, _, _more = name.partition("/")
        made = signed(deployed.keys[algorithm], shape, most * (seconds + 1))
        found[name] = prepare(folder / f"{name.replace('/', '-')}.requests", made)
    return found
