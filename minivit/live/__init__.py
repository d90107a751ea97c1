"""A page to draw a digit on, and watch a model of yours look at it, answer, and learn.

views.py is what the page shows, as plain functions of a model; walk.py the whole forward, array by array; practice.py a
step of training on what was drawn; session.py answers the page's questions with these. Three hosts ask them: server.py
on this machine, widget.py in a notebook, and assets/exported.js in a file without Python, which export.py writes. The
page itself, assets/live.js, is the same in all three.
"""
