"""Programs of the flashed box, on a temporary root with stand-ins for the system's programs."""
