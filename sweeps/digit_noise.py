"""The former name of `python sweeps/synthetic.py digit_noise`, which still runs it."""

from sweeps.service.command_line import main
from sweeps.synthetic import DIGIT_NOISE

if __name__ == "__main__":
    main(DIGIT_NOISE)
