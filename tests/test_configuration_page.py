"""docs/configuration.md tells every variable as the code reads it, row by row."""

import re
from collections.abc import Sequence
from pathlib import Path

from hark.reaching import BACKEND_VARIABLES
from hark.sourcevariables import SOURCE_VARIABLES
from hark.variable import Variable
from hark.variables import RECONCILER_VARIABLES, SHARED_VARIABLES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
TABLES: tuple[Sequence[Variable], ...] = (
    SHARED_VARIABLES,
    SOURCE_VARIABLES,
    RECONCILER_VARIABLES,
    BACKEND_VARIABLES,
)


def _row(variable: Variable) -> str:
    default = f"`{variable.default}`" if variable.default else ""
    meaning = variable.meaning.replace("|", "\\|")
    return f"| `{variable.name}` | {default} | {meaning} |"


def test_the_page_holds_every_variable_of_the_code_and_no_other() -> None:
    found = re.findall(r"^\| `.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found == [_row(variable) for table in TABLES for variable in table]
