"""The demo project: problems, solutions and injected errors of our own writing, truth known."""
