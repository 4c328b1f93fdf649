"""Fixtures that any test may use; each lives in the plugin of its name."""

pytest_plugins = [
    "tests.fixtures.coverage",
    "tests.fixtures.logs",
    "tests.fixtures.camera",
    "tests.fixtures.gst",
    "tests.fixtures.browser",
    "tests.fixtures.broker",
    "tests.fixtures.turn",
    "tests.fixtures.viewer",
    "tests.fixtures.console",  # after those it is made of
]
