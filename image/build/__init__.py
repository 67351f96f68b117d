"""Programs that make the image, run on the build machine by `make image`."""
