"""Real HTTP clients, load tools and proxies against a running gateway: `make clients`."""
