"""Discriminative process reward models: one pass over a solution, one score for each step.

    layouts   how each family writes problem and steps down, and which tokens are scored
    heads     what a token's numbers mean
    rules     when a score makes a step wrong or redundant
    families  the models known, with the sources of what is said about each
    scoring   the three of them together: `score(problem, steps)`
    method    the job that does so for many solutions

docs/prms.md has the table for readers.
"""
