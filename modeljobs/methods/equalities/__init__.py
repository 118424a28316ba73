"""Is an equality true? Read as people write it, computed exactly where that goes, and proved.

`trees`, `reading`, `values`, `algebra` and `deciding` are sent into the sandbox as they stand and
run there, because what they read may be hostile or without end: they import nothing but the
standard library, mpmath, sympy and each other. `asking` is the worker's side.
"""
