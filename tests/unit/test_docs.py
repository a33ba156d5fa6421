"""The docs tell the truth: codes, settings, commands, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keywright.errors import REFUSAL_TITLES, KeywrightError, RefusalCode
from keywright.formats import CLIENT_SECRET_PATTERN
from keywright.problems import _TITLES
from keywright.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def first_cells(page: str) -> list[str]:
    return re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs" / page).read_text(), re.MULTILINE)


def test_every_code_is_documented_and_every_documented_code_exists():
    errors = {kind.code for kind in KeywrightError.__subclasses__()} | {"internal_error", "method_not_allowed"}
    assert sorted(first_cells("errors.md")) == sorted({*errors, *RefusalCode})
    assert "verifier_unavailable" in (ROOT / "docs/errors.md").read_text()


def test_every_code_has_a_title():
    assert set(REFUSAL_TITLES) == set(RefusalCode)
    assert {kind.code for kind in KeywrightError.__subclasses__()} <= set(_TITLES)


def test_the_error_tree_drawn_in_the_module_is_the_tree():
    import keywright.errors as module  # noqa: PLC0415

    drawn = re.findall(r"[├└]── (\w+)", module.__doc__ or "")
    assert drawn == [kind.__name__ for kind in KeywrightError.__subclasses__()]


def test_every_setting_is_documented_with_its_variable_and_default():
    text = (ROOT / "docs/settings.md").read_text()
    assert first_cells("settings.md") == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = {"data_dir": "the user's data folder"}.get(
            name, "" if field.default in {None, ()} else str(field.default)
        )
        assert f"| `{name}` | `KEYWRIGHT_{name.upper()}` | {default} | {field.description} |" in text


def test_the_published_pattern_is_the_one_we_use():
    assert f"`{CLIENT_SECRET_PATTERN}`" in (ROOT / "docs/keys.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    # What stands in a fenced block is code, where "](" has other meanings.
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path):
    for name in re.findall(r"`((?:src|tests|docs|scripts|benchmarks|requirements)/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_every_metric_that_is_named_exists():
    defined = {
        name
        for file in (ROOT / "src/keywright").rglob("*.py")
        for name in re.findall(r'"(keywright_[a-z_]+)"', file.read_text())
    }
    for page in ("operations.md", "scale.md"):
        for name in re.findall(r"`(keywright_[a-z_]+)", (ROOT / "docs" / page).read_text()):
            assert name.removesuffix("_total") in defined, f"{page} names {name}"
