"""The former name of `python sweeps/synthetic.py perturbation`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import PERTURBATION

if __name__ == "__main__":
    main(PERTURBATION)
