"""Every figure in the README comes from a results file of the repository, and what is reckoned from them is right."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.figures import RESULTS, Figure, Result, load
from benchmarks.report import FIGURES, PLOT, README, reports
from benchmarks.report.aims import AIMS, ed25519_of_the_possible
from benchmarks.report.tables import aims, number, over_http
from benchmarks.report.write import END, PARTS, readme_section, section_of, with_section, write_reports


def result(part="over-http", *, quick=False, **rounds: list[float]) -> Result:
    made = Result(part, "A title", "benchmarks/run", quick, "2026-01-01", load("over-http").machine, "How.")
    made.figures = {key.replace("_", "-"): Figure(key, "requests/s", values) for key, values in rounds.items()}
    return made


def test_the_readme_shows_what_the_results_say():
    assert section_of(README.read_text()) == reports()["README"]


@pytest.mark.parametrize("name", [FIGURES, PLOT])
def test_tables_and_plot_show_what_the_results_say(name: str):
    assert (RESULTS / name).read_text() == reports()[name]


def test_every_results_file_can_be_repeated_and_says_on_what_it_was_measured():
    for part in PARTS:
        found = load(part)
        assert found.command.startswith(f"benchmarks/run --only {part}")
        assert found.machine["processor"]
        assert found.figures
        counts = {len(figure.rounds) for figure in found.figures.values()}
        assert len(counts) == 1, f"{part}: not all took part in every round"


def test_a_figure_that_was_changed_by_hand_is_found(tmp_path: Path):
    for part in PARTS:
        shutil.copy(RESULTS / f"{part}.json", tmp_path)
    changed = load("over-http", tmp_path)
    changed.figures["ours-hmac"].rounds[:] = [9_999_999] * len(changed.figures["ours-hmac"].rounds)
    changed.save(tmp_path)
    made = reports(tmp_path)
    assert "10,000,000" in made["README"]
    assert made["README"] != reports()["README"]
    assert made[PLOT] != reports()[PLOT]


def test_results_survive_being_written_and_read(tmp_path: Path):
    before = load("over-http")
    before.save(tmp_path)
    assert load("over-http", tmp_path) == before
    assert (tmp_path / "over-http.json").read_text() == (RESULTS / "over-http.json").read_text()


def test_ratios_are_those_of_the_rounds():
    # The medians' ratio would be 1; each round's own is 0.5, but for the one in which the machine was slow for one.
    found = result(noop=[100, 200, 10], ours_hmac=[50, 100, 100])
    assert found.ratio("ours-hmac", "noop") == 0.5


def test_ed25519_is_held_against_no_op_and_primitive_in_turn():
    found = result(ours_ed25519=[5_000], noop_ed25519=[10_000], libsodium=[100])
    assert ed25519_of_the_possible(found) == pytest.approx(5_000 * (1e-4 + 1e-4))


def test_an_aim_that_is_missed_is_said_to_be():
    results = {part: load(part) for part in PARTS}
    aim = AIMS[0]
    for ours, word in ((54, "**not yet**"), (56, "yes")):
        results[aim.part] = load(aim.part)
        figures = results[aim.part].figures
        count = len(figures["noop"].rounds)
        figures["noop"].rounds, figures["ours-hmac"].rounds = [100.0] * count, [float(ours)] * count
        line = aims(results).splitlines()[2]
        assert line == f"| {aim.text} | at least 0.55 | 0.{ours} | {word} |"


def test_figures_of_a_trial_run_are_said_to_be_worth_little():
    results = {part: load(part) for part in PARTS}
    for quick in (True, False):
        for each in results.values():
            each.quick = quick
        assert ("trial run" in readme_section(results)) is quick


def test_three_digits_count():
    shown = [number(value) for value in (0.1234, 1.234, 12.34, 123.4, 1234, 12345, 123456)]
    assert shown == ["0.12", "1.23", "12.3", "123", "1,230", "12,300", "123,000"]


def test_every_contestant_has_a_line_and_a_bar():
    found = load("over-http")
    lines, root = over_http(found), ET.fromstring(reports()[PLOT])
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    rates = [figure for figure in found.figures.values() if figure.unit == "requests/s"]
    assert len(bars) == len(rates)
    assert all(figure.label in lines for figure in rates)


def test_a_part_that_was_not_measured_leaves_the_reports_alone(tmp_path: Path, capsys):
    load("latency").save(tmp_path)
    assert write_reports(tmp_path, readme=True) == []
    assert "over-http" in capsys.readouterr().out


def test_a_readme_without_the_markers_is_left_alone():
    with pytest.raises(SystemExit, match="must hold the lines"):
        with_section("# Keywright", "figures")
    text = README.read_text()
    assert with_section(text, "x\n").count(END) == 1


def test_what_is_missed_says_why_and_what_is_reached_does_not():
    results = {part: load(part) for part in PARTS}
    results["over-http"].figures["ours-hmac"].rounds[:] = [1.0] * len(results["over-http"].figures["noop"].rounds)
    missed = aims(results)
    assert "times Node with `http-message-sig`: it takes" in missed
    for figures in (results["over-http"].figures, results["latency"].figures, results["middleware"].figures):
        for key, figure in figures.items():
            if key.startswith(("ours", "plain-with")) and "/p99" not in key:
                figure.rounds[:] = [1e9] * len(figure.rounds)
            elif key == "plain-without" or "/p99" in key:
                figure.rounds[:] = [1.0] * len(figure.rounds)
    assert "Why not" not in aims(results)
