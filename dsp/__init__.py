"""Signal processing on arrays `[ports, samples]`: no I/O, no clock, no thread."""
