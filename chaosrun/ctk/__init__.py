"""chaosrun beside Chaos Toolkit: a control that holds the load around an experiment, and probes of what came of it.

Needs `pip install chaosrun[chaostoolkit]`; docs/chaos-toolkit.md.
"""
