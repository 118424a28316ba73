"""How sure we are: agreement between people, pure numpy, no web and no database.

`ratings` packs judgements into arrays, `agreement` measures many raters, `pairs` two of them,
`first_error` and `step_sets` whole solutions, `intervals` says how far each figure can be trusted.
"""
