"""Which parts of a text are passwords? They become *** wherever others may read it."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast
from urllib.parse import unquote

Function = TypeVar("Function", bound=Callable)

# The user may hold an @ (user@server:password@host), and a password a slash or a space: what is masked reaches as far
# as any reader of addresses would take it.
NAMES = r"\w*(?:password|passwd|passphrase|pwd|token|secret|api_?key|access_?key|signature|credential)"
PASSWORDS = (  # what stands before one, and the password
    r"(//[^\s/:]*:)(\S*|[^/@\n]*)(?=@)",  # scheme://user:password@
    r"(https?://)([^\s/:@]+)(?=@)",  # https://token@
    r"((?:^|(?<=[\s'\"=]))[^\s/:@'\"=]+:)([^\s/@]+)(?=@)",  # user:password@, where the scheme was forgotten
    rf"\b({NAMES}=)([^\s&;#'\"]+)",  # ?password=, as data bases take it
    rf"\b({NAMES}=(['\"]))(.+?)(?=\2)",  # password='a b'
    rf"\b({NAMES}['\"]\s*:\s*['\"])([^\s'\"]+)",  # {"password": "..."}
    r"\b((?:[A-Z]+_)+(?:PASSWORD|TOKEN|KEY|PWD)\s*:\s*)(\S+)",  # PG_PASSWORD: ...
    r"(authorization['\"]?\s*[:=]\s*['\"]?\w+\s+)([^\s'\"]+)",
)
SECRETS = (  # names in the environment
    *("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "RAY_AUTH_TOKEN", "PGPASSWORD", "MYSQL_PWD"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
ADDRESSES = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", *PROXIES)  # which may hold one
SHORTEST = 8  # characters of a password that is masked wherever it is: a shorter one may be an ordinary word


def masked(text: str) -> str:
    """Return the text with every password in it as ***; masking again changes nothing.

    A password is known by its place in an address, or by the name of its setting. Long passwords from the environment
    or the command line of this process are masked wherever they are.
    """
    for pattern in PASSWORDS:
        text = re.sub(pattern, r"\1***", text, flags=re.IGNORECASE)
    secrets, addresses = (tuple(os.environ.get(name, "") for name in names) for names in (SECRETS, ADDRESSES))
    for password in _passwords(secrets, (*addresses, *sys.argv)):
        text = text.replace(password, "***")
    return text


@lru_cache(maxsize=1)
def _passwords(secrets: tuple[str, ...], words: tuple[str, ...]) -> list[str]:
    """Return these secrets and the passwords in these words, as written and as sent; longest first."""
    found = [*secrets]
    for word in words:
        for pattern in PASSWORDS:
            found += [match[match.lastindex or 0] for match in re.finditer(pattern, word, re.IGNORECASE)]
    found += [unquote(password) for password in found]
    return sorted({password for password in found if len(password) >= SHORTEST}, key=len, reverse=True)


class Refusal(ValueError):
    """An error with one line for the user, in which passwords are masked."""

    def __init__(self, line: str) -> None:
        super().__init__(masked(line))


def masked_errors(function: Function) -> Function:
    """Wrap a function so that no error of it shows a password, in its own message or in those of its causes.

    Such an error is replaced by one whose message is the masked traceback.
    """

    @wraps(function)
    def guarded(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:
            account = "".join(traceback.format_exception(error))
            if masked(account) == account:
                raise
            shown = error if isinstance(error, Refusal) else RuntimeError(masked(account))
        shown.__cause__ = shown.__context__ = None
        raise shown  # here, where no other error is being handled

    return cast(Function, guarded)
