"""The former name of `python sweeps/synthetic.py spike`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import SPIKE

if __name__ == "__main__":
    main(SPIKE)
