"""The former name of `python sweeps/synthetic.py manifold`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import MANIFOLD

if __name__ == "__main__":
    main(MANIFOLD)
