"""A line card in software, for tests and for makers to compare with: the card's side of the protocol."""
