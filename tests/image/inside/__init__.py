"""Programs of the tests that run on the box, with its own Python and the product's own packages."""
