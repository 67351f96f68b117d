"""The signal processing next to the best free implementations: `python -m tests.bench.dsp`."""
