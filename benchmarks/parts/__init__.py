"""What is measured, one module for each results file."""
