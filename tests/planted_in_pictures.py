"""Mistakes planted in reading pictures, folders and files of weights. The format is that of planted_mistakes.py."""

IN_PICTURES = []
