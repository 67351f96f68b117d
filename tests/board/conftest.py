"""Fixtures of the simulated office."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sim_bench import Bench

from board.sim import LineConfig, OfficeConfig, PhoneConfig, SimBoard


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """bench(lines=2, phones=2, country="CN", seed=1, **settings of every line) → Bench."""

    def make(lines: int = 2, phones: int = 2, country: str = "CN", seed: int = 1, **line) -> Bench:
        config = OfficeConfig(
            country=country,
            seed=seed,
            lines=(LineConfig(**line),) * lines,
            phones=(PhoneConfig(),) * phones,
        )
        return Bench(SimBoard(config))

    return make


def sine(hz: float, level_dbm0: float, seconds: float) -> np.ndarray:
    n = np.arange(round(seconds * 8000))
    return (22827 * 10 ** (level_dbm0 / 20) * np.sin(2 * np.pi * hz * n / 8000)).astype(np.int16)


def noise(level_dbm0: float, seconds: float, seed: int = 7) -> np.ndarray:
    rms = 22827 / np.sqrt(2) * 10 ** (level_dbm0 / 20)
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(round(seconds * 8000)) * rms).clip(-32768, 32767).astype(np.int16)


@pytest.fixture(name="sine")
def sine_fixture() -> Callable[[float, float, float], np.ndarray]:
    return sine


@pytest.fixture(name="noise")
def noise_fixture() -> Callable[..., np.ndarray]:
    return noise
