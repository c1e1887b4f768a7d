"""Every setting in one object: flags over environment over naru.toml over the defaults here.

NARU__SERVICE__PORT=9000 naru serve          # environment: two underscores between the parts

# naru.toml
[store]
location = "http://localhost:6333"
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from naru.errors import NaruError


def _origin(said: str) -> str:
    if said == "*" or _ORIGIN.fullmatch(said):
        return said
    raise ValueError(
        "expected scheme, host and port as a browser sends them, without a path: https://app.example"
    )


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+")
Origin = Annotated[str, AfterValidator(_origin)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where collections live: a folder, or the URL of a Qdrant server. Then its key, the timeout of a request and
    how long to wait for a server that is still starting, in seconds."""

    location: str = Field(default="naru-data", min_length=1)
    api_key: str | None = None
    timeout: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    wait: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class EncoderSettings(_Section):
    """The encoder bundle to index with (None: the bundled naru-mini) and its threads (None: all cores)."""

    path: str | None = None
    threads: int | None = Field(default=None, ge=1)


class ServiceSettings(_Section):
    """Where the service listens, how many searches run at once and how many may wait for their turn. `cors_origins` are
    the sites whose scripts may call the API from a browser, ["https://app.example"], or ["*"]; none are at first."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    concurrency: int = Field(default=4, ge=1)
    queue: int = Field(default=64, ge=0)
    cors_origins: tuple[Origin, ...] = ()


class Settings(BaseSettings):
    """All settings. Made once by the command line and handed down."""

    model_config = SettingsConfigDict(
        env_prefix="NARU__", env_nested_delimiter="__", extra="forbid", frozen=True
    )
    file: ClassVar[Path] = Path("naru.toml")

    store: StoreSettings = StoreSettings()
    encoder: EncoderSettings = EncoderSettings()
    service: ServiceSettings = ServiceSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.file)


def load() -> Settings:
    """Read environment and ./naru.toml. NaruError naming each unknown setting and each wrong value."""
    for name in os.environ:
        section = name.upper().split("__")[1:2]
        if name.upper().startswith("NARU__") and section[0].lower() not in Settings.model_fields:
            raise NaruError(
                f"Settings: the variable {name} names no section; there are "
                f"{', '.join(f'NARU__{one.upper()}__…' for one in Settings.model_fields)}."
            )
    try:
        return Settings()
    except ValidationError as error:
        wrong = [
            f"  {'.'.join(map(str, part['loc']))} = {part['input']!r}: {part['msg']}"
            for part in error.errors()
        ]
        raise NaruError("\n".join(["Settings (NARU__… variables, naru.toml):", *wrong])) from None
    except SettingsError as error:
        raise NaruError(
            f"Settings (NARU__… variables): {error}. A variable names its section and its key: "
            "NARU__STORE__LOCATION=http://localhost:6333; a list is JSON: "
            """NARU__SERVICE__CORS_ORIGINS='["https://app.example"]'."""
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NaruError(f"{Settings.file}: not valid TOML: {error}") from None
