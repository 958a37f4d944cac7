"""What must never be said: Connect repeats in its answers, in clear text, what was put into a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(r"(?i)secret|password|passwd|token|sasl\.jaas\.config|credential|user\.info|private\.?key")
_REFERENCE = re.compile(r"\$\{[^}]+\}")
_IN_TEXT = re.compile(r"(?i)(password|passwd|pwd|secret|token)(\s*[=:]\s*)[^\s&;,)'\"]+")
_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^@\s]*@")
HIDDEN = "***"


def is_secret(setting: str) -> bool:
    """Whether a setting of this name holds something that is not to be shown."""
    return _SECRET.search(setting) is not None


def is_reference(value: str) -> bool:
    """Whether a value only says where the worker finds it, as `${env:LEGACY_PASSWORD}` does."""
    return _REFERENCE.fullmatch(value) is not None


def shown(config: Mapping[str, str]) -> dict[str, str]:
    """A configuration as it may be shown: secrets hidden, references to them left."""
    return {k: HIDDEN if is_secret(k) and not is_reference(v) else v for k, v in config.items()}


def redacted(text: str, config: Mapping[str, str]) -> str:
    """A text without the secrets of a configuration and without what looks like one."""
    secrets = [v for k, v in config.items() if v and is_secret(k) and not is_reference(v)]
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return _IN_URL.sub(rf"\1:{HIDDEN}@", _IN_TEXT.sub(rf"\1\2{HIDDEN}", text))
