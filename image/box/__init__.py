"""Programs of the flashed box: boot state, disk, network, updates. Most of them run as root."""
