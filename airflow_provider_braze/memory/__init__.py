"""The memory of what Braze was told, so that only what changed is sent. No airflow imports.

On top is what others use: ``opening``, ``memory``, ``forgetting``, ``inspecting``. It decides in ``decisions/``, and
keeps what it knows in ``persistence/``; what may be left out at all is in ``rules``, below both.
"""
