"""Fixtures that any test may use; each lives in the plugin of its name.

Hypothesis judges what is found, not how fast: a busy machine may take seconds for an example.
"""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fixtures.ports",  # before those that use it
    "tests.fixtures.garbage",
    "tests.fixtures.bugs",
    "tests.fixtures.coverage",
    "tests.fixtures.logs",
    "tests.fixtures.camera",
    "tests.fixtures.gst",
    "tests.fixtures.browser",
    "tests.fixtures.broker",
    "tests.fixtures.turn",
    "tests.fixtures.enrolment",
    "tests.fixtures.viewer",
    "tests.fixtures.console",  # after those it is made of
]

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
