"""The former name of `python sweeps/synthetic.py classification`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import CLASSIFICATION

if __name__ == "__main__":
    main(CLASSIFICATION)
