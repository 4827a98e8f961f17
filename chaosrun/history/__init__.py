"""The runs that are kept in a folder: an index of them, their trends by experiment, and which got worse."""
