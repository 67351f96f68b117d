"""The real-time process: ticks of samples through detectors, core, players and recordings."""
