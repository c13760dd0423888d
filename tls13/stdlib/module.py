"""The functions of the `ssl` module that make a context by themselves: its own code, and our SSLContext.

So their parameters and defaults are those of the Python that runs.
"""

from __future__ import annotations

import ssl
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .context import SSLContext

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])

_NAMES: dict[str, Any] = {**vars(ssl), "SSLContext": SSLContext}
"""What that code finds where it looks for names."""


def _over_ours(function: Function) -> Function:
    theirs = cast("FunctionType", function)
    ours = FunctionType(theirs.__code__, _NAMES, theirs.__name__, theirs.__defaults__)
    ours.__kwdefaults__ = theirs.__kwdefaults__
    return cast("Function", ours)


_create_unverified_context = _NAMES["_create_stdlib_context"] = _over_ours(ssl._create_unverified_context)
get_server_certificate = _over_ours(ssl.get_server_certificate)
