"""What an operator can say, and how it is read.

    sections.py   the settings: name, type, default, bounds and meaning, one line each
    values.py     one value: taken strictly, read from text, shown in a message
    loading.py    environment, file, defaults -> `Loaded`, or every problem at once

Other modules import from here.
"""

from trioproxy.settings.loading import Loaded, SettingsError, is_setting, load_settings
from trioproxy.settings.sections import (
    FIELDS,
    SECTIONS,
    AuthSettings,
    ClaudeSettings,
    CountTokensSettings,
    HttpPoolSettings,
    LoggingSettings,
    OpenAISettings,
    PoolSettings,
    ServerSettings,
    Settings,
)

__all__ = [
    "FIELDS",
    "SECTIONS",
    "AuthSettings",
    "ClaudeSettings",
    "CountTokensSettings",
    "HttpPoolSettings",
    "Loaded",
    "LoggingSettings",
    "OpenAISettings",
    "PoolSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "is_setting",
    "load_settings",
]
