"""Formats of files: one module each, and the table of all of them (:mod:`equipoise.traces.formats.table`)."""
