"""Labels at the beginning of a Dockerfile's stages."""

from __future__ import annotations

import pytest

from engine.providers.docker.build_context import labelled

LABELS = {"vmlab.stack": "p/s", "vmlab.urn-hash": "0123"}
LINE = 'LABEL "vmlab.stack"="p/s" "vmlab.urn-hash"="0123"\n'


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("FROM scratch\nCOPY a /\n", f"FROM scratch\n{LINE}COPY a /\n"),
        ("FROM scratch", f"FROM scratch\n{LINE}"),
        ("ARG V=1\nfrom a:$V AS b\nFROM b\n", f"ARG V=1\nfrom a:$V AS b\n{LINE}FROM b\n{LINE}"),
        ("FROM a \\\n # why\n AS b\nRUN x\n", f"FROM a \\\n # why\n AS b\n{LINE}RUN x\n"),
        ("FROM a\nRUN echo \\\nFROM b\n", f"FROM a\n{LINE}RUN echo \\\nFROM b\n"),
        (
            "# escape=`\nFROM a\nRUN dir c:\\\nFROM b `\n AS d\n",
            f"# escape=`\nFROM a\n{LINE}RUN dir c:\\\nFROM b `\n AS d\n{LINE}",
        ),
        ("# FROM x\nFROM a\n", f"# FROM x\nFROM a\n{LINE}"),
    ],
)
def test_each_stage_begins_with_the_labels(recipe: str, expected: str) -> None:
    """They follow each FROM, and nothing that only looks like one."""
    assert labelled(recipe.encode(), LABELS).decode() == expected


def test_no_labels_change_nothing() -> None:
    """Without labels the Dockerfile is as it was."""
    assert labelled(b"FROM a\nRUN b\n", {}) == b"FROM a\nRUN b\n"
