"""What `tools/compare_simulated.py` measures, on the recordings and on the simulated market with the same code."""
