#!/usr/bin/env bash
# All that a GPU has to tell of minivit, in one command, on one page.
#
#     bash benchmarks/gpu_day.sh              everything, in nine minutes at most: first, then second
#     bash benchmarks/gpu_day.sh first        240 s at most: is it right? the tests, the model, the memory checker
#     bash benchmarks/gpu_day.sh second       300 s at most: how fast, and are the emulator's counts the hardware's?
#     bash benchmarks/gpu_day.sh --dry        without a GPU: the same steps on the tests' stand-in for CuPy, some minutes
#     bash benchmarks/gpu_day.sh --short --dry    the heart of it, in less than a minute
#
# More: --only STEP …, --out FOLDER, and what else --help says. The page is benchmarks/results/gpu_NAME.md; beside it, in
# FOLDER (runs/gpu_day, or $OUT), lie each step's whole output and the records that the page is made from.
# What is done stands in gpu_day/plan.py.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD:$PWD/benchmarks:$PWD/tests/devices${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONUNBUFFERED=1 MPLBACKEND=Agg
exec "${PYTHON:-python3}" -m gpu_day "$@"
