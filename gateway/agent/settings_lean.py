"""pydantic-settings without its command line and ``.env`` files, which are 0.8 MB and never used.

Settings come from one TOML file and the environment (`gateway.agent.settings`).
"""

from __future__ import annotations

from gateway.aio.late import only_named

__all__ = ["BaseSettings", "PydanticBaseSettingsSource", "SettingsConfigDict", "SettingsError"]

with (
    only_named("dotenv"),
    only_named("argparse"),
    only_named("importlib.resources.abc"),
    only_named("pydantic_settings.sources.providers.cli"),
):
    from pydantic_settings import (
        BaseSettings,
        PydanticBaseSettingsSource,
        SettingsConfigDict,
        SettingsError,
    )
