"""Measures the product on real parts against its goals; `python -m bench`, see README.md."""
