"""Images of events: fill, merge and write them."""
