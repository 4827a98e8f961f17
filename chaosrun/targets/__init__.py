"""Handles on what is under test: roles that chaosrun starts, roles that it finds, and the reference services."""
