"""A fake Dhan on the real wire: feed, REST and instrument files over a seeded market."""
