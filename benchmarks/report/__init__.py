"""Tables, plot and the README's section, written from results files alone."""

from benchmarks.report.write import FIGURES, PLOT, README, reports, write_reports

__all__ = ["FIGURES", "PLOT", "README", "reports", "write_reports"]
