"""Every access to memory watched: check.py looks for mistakes, profile.py counts. launch.py runs each in a process of
its own (process.py, worker.py), so that a crash is a message; traced.py speaks to the library, words.py to the reader.
"""
