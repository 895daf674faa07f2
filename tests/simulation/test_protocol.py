"""The promises of the two halves under every mishap that a seed can think of.

HARK_SIMULATION_SEEDS says how many seeds are run, HARK_SIMULATION_FIRST with which they begin.
"""

import logging
import os
import random
from collections.abc import Iterator

import pytest
import structlog

from simulation.world import World

SEEDS = int(os.environ.get("HARK_SIMULATION_SEEDS", "200"))
FIRST = int(os.environ.get("HARK_SIMULATION_FIRST", "0"))
_STEPS = 150
_CHUNKS = 4


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    )
    yield
    # The next test of this process looks at what is logged.
    structlog.reset_defaults()


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_whatever_happens_the_secrets_become_equal_to_the_backend(chunk: int) -> None:
    for seed in range(FIRST + chunk, FIRST + SEEDS, _CHUNKS):
        random.seed(seed)  # The jitter of the product.
        try:
            World(seed).run(_STEPS)
        except BaseException as failure:
            failure.add_note(f"This is seed {seed}: HARK_SIMULATION_FIRST={seed}")
            raise
