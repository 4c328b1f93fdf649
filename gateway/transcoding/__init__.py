"""Turns what browsers cannot show into H.264, in one sandboxed child per camera and quality."""
