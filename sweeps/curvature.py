"""The former name of `python sweeps/synthetic.py curvature`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import CURVATURE

if __name__ == "__main__":
    main(CURVATURE)
