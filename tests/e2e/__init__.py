"""The whole system, started as people start it, used through a real browser."""
