"""Data of earlier versions, and proof that this version can take it over."""
