"""What writes the machine side's tables, one module a noun."""
