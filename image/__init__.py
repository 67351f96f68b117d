"""The flashable image: how it is built (`image.build`), and what runs on the flashed box (`image.box`)."""
