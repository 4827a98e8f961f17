"""`stop_when`: what ends a run before it does more harm than it may.

`guard` is what one is, `burning` (pure) when what burns has burnt through, `sight` what is read of load and roles,
`endpoint` asks an outside address, `watch` holds a run to all of them, `made` makes them of an experiment.
"""
