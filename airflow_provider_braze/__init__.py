"""Airflow provider that pushes Redpoint Interaction exports to Braze.

Nothing of airflow may be imported here: provider discovery imports this package while airflow is initialising.
"""

__version__ = "0.1.0"
