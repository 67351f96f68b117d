"""What holds for all tests."""

import os

# One thread per process: the tick is one thread too, and the test machine has few cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

# Nothing passes or fails by the clock, and the same tests run everywhere: machines are shared and slow.
settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")
