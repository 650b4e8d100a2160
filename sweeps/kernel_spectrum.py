"""The former name of `python sweeps/synthetic.py kernel_spectrum`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import KERNEL_SPECTRUM

if __name__ == "__main__":
    main(KERNEL_SPECTRUM)
