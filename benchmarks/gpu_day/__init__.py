"""What benchmarks/gpu_day.sh runs. plan.py says which steps there are, and what each may take; run.py runs them, each
in a process of its own; page.py writes down what came out.

The steps: environment.py, model.py, kernels.py (for compute-sanitizer and ncu), counters.py, times.py, large.py,
chapters.py. Each prints lines by findings.py, and ends with 1 where something was found.
"""
