"""The built image in an emulated machine (QEMU, no KVM): `make test-image`."""
