"""Two tiny models of our own that solve, verify and refine generated arithmetic problems. PURE."""
