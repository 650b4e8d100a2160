"""The former name of `python sweeps/synthetic.py neighbours`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import NEIGHBOURS

if __name__ == "__main__":
    main(NEIGHBOURS)
