"""The ``deconvviz`` command. Installed as ``deconvviz_cli``.

One file a command: parse, one library call, write, print the paths. Nothing here imports torch before it
is known what to do, so that help and wrong options answer at once.
"""
