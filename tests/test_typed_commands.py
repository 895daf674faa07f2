"""Commands in the pages: run by a test, understood by our own parsers, or counted as unrun.

tests/test_quick_start.py runs two pages; tests/test_docs.py has our own parser read each line of
`hark` and looks up each target of `make`. What is left needs a cloud, a registry or a cluster of
the reader's, or has no test yet. Its number may only fall.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "infra").rglob("README.md")),
    ROOT / "charts" / "hark" / "README.md",
]
PROGRAMS = (
    "aws|az|bao|buildah|cosign|curl|docker|gcloud|gh|git|hark|helm|kubectl|make|openssl|pip|"
    r"python3?|terraform|tofu|vault|apply\.sh"
)
COMMAND = re.compile(rf"^(?:[A-Z_]+=\S+ )*(?:\S*/)?({PROGRAMS})(?= )")
BLOCK = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
RUN_WHOLE = {"from-a-checkout.md"}
MOST_UNRUN = 60


def _typed(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    fenced = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    indented = [
        line.strip() for line in FENCED.sub("", text).splitlines() if line.startswith("    ")
    ]
    return [line for line in [*fenced, *indented] if COMMAND.match(line)]


def _is_tested(page: Path, line: str) -> bool:
    program = COMMAND.match(line)
    assert program
    if program[1] in {"hark", "make"} or page.name in RUN_WHOLE:
        return True
    quick_start = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Quick start on")[2]
    return page.name == "README.md" and page.parent == ROOT and line in quick_start


def test_the_number_of_commands_that_no_test_runs_only_falls() -> None:
    typed = [(page, line) for page in PAGES for line in _typed(page)]
    unrun = [
        f"{page.relative_to(ROOT)}: {line}" for page, line in typed if not _is_tested(page, line)
    ]
    assert len(typed) > len(unrun)
    assert len(unrun) <= MOST_UNRUN, "\n".join(unrun)
