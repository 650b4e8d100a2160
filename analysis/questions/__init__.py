"""Which computations on tables do several scripts share?"""
