"""What a policy says of the registries that its images come from."""

from __future__ import annotations

from pydantic import Field, model_validator

from lifeboat.policy.fields import ConnectionId, Strict, refuse


class RegistryEntry(Strict):
    """A registry that wants a login."""

    host: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$",
        description="The registry's host as images name it, with its port if they do; docker.io for"
        " Docker Hub.",
        examples=["ghcr.io"],
    )
    connection: ConnectionId = Field(
        description="The Airflow connection with the login: login and password, of any type. One"
        " that may only read; Secrets of the cluster are never used for it.",
        examples=["registry_ghcr"],
    )


class ImageCheck(Strict):
    """Asks registries after each backup and each test restore whether every image of the point can
    still be had. Asks for names alone; nothing is downloaded."""

    registries: tuple[RegistryEntry, ...] = Field(
        default=(),
        description="Registries that want a login. Default none: all are asked without one.",
    )

    @model_validator(mode="after")
    def _each_host_once(self) -> ImageCheck:
        seen: set[str] = set()
        for index, entry in enumerate(self.registries):
            if entry.host in seen:
                raise refuse(
                    "each registry once",
                    found=f"{entry.host} twice",
                    at=("registries", index, "host"),
                )
            seen.add(entry.host)
        return self
