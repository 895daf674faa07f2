"""What `--help` tells of environment variables: to each command those that it heeds.

Fed by hark.variables and hark.reaching; feeds hark.commands with text.
"""

import textwrap
from collections.abc import Sequence

from hark.reaching import BACKEND_VARIABLES, LISTENER_REACHES
from hark.sourcevariables import SOURCE_VARIABLES
from hark.variable import Variable
from hark.variables import RECONCILER_VARIABLES, SHARED_VARIABLES, VARIABLES

_WIDTH = 100
_INDENT = 4

_REACHED = "how a backend is reached"
_LISTENS = (
    (*SOURCE_VARIABLES, *SHARED_VARIABLES),
    "how the listener logs in to Azure and Vault",
    LISTENER_REACHES,
)
_RECONCILES = ((*RECONCILER_VARIABLES, *SHARED_VARIABLES), _REACHED, BACKEND_VARIABLES)
_BOTH = (VARIABLES, _REACHED, BACKEND_VARIABLES)
_HEEDED = {"listen": _LISTENS, "reconcile": _RECONCILES, "diff": _RECONCILES}


def told_to(command: str) -> str:
    """The tables of one command, as text; of both halves where it is neither's."""
    general, how, reaching = _HEEDED.get(command, _BOTH)
    return (
        f"environment, with [defaults]:\n{_table(general)}\n\n"
        f"environment, {how} (beside what each SDK reads itself):\n{_table(reaching)}"
    )


def _table(variables: Sequence[Variable]) -> str:
    blocks = []
    for variable in variables:
        default = f" [{variable.default}]" if variable.default else ""
        indent = " " * (_INDENT + 2)
        meaning = textwrap.fill(
            variable.meaning, _WIDTH, initial_indent=indent, subsequent_indent=indent
        )
        blocks.append(f"  {variable.name}{default}\n{meaning}")
    return "\n".join(blocks)
