"""How good a method is on solutions whose errors are known: pure, no web and no database."""
