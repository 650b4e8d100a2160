"""What of a text may others read? Everything but the passwords in it."""

import re

# The user may hold an @ (user@server:password@host), and a password a slash or a space: what is masked reaches as far
# as any reader of addresses would take it.
PASSWORDS = (
    (r"(//[^\s/:]*:)(?:\S*|[^/@\n]*)@", r"\1***@"),  # scheme://user:password@
    (r"(https?://)[^\s/:@]+@", r"\1***@"),  # https://token@
    (r"((?:^|(?<=[\s'\"=]))[^\s/:@'\"=]+:)[^\s/@]+@", r"\1***@"),  # user:password@, where the scheme was forgotten
    (r"\b(\w*(?:password|passwd|pwd|token|secret)=)[^\s&;#'\"]+", r"\1***"),  # ?password=, as data bases take it
    (r"(authorization:\s*\w+\s+)[^\s'\"]+", r"\1***"),
)


def masked(text: str) -> str:
    """Return the text with every password in it as ***; masking again changes nothing."""
    for pattern, instead in PASSWORDS:
        text = re.sub(pattern, instead, text, flags=re.IGNORECASE)
    return text


class Refusal(ValueError):
    """Something that cannot be, in one line for a person, which holds no password."""

    def __init__(self, line: str) -> None:
        super().__init__(masked(line))
