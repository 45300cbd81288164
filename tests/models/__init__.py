"""Real models out of packages, served as their authors would: `make models`."""
