"""Computations on tables that several scripts share."""
