"""Where a policy's copies may lie: regions, or geographies of Azure regions.

A place that does not say where it lies is refused: residency that is only assumed is none. Checked
when files are loaded, and for another restore target when the restore is planned.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Strict, refuse, unique

Geography = Literal["eu", "europe", "uk", "switzerland", "norway", "us", "canada"]

# Microsoft Learn, "List of Azure regions" (learn.microsoft.com/azure/reliability/regions-list),
# physical locations as known in August 2026. `eu` are member states of the European Union only.
AS_OF = "2026-08-01"
_EU = frozenset((
    "austriaeast", "belgiumcentral", "denmarkeast", "francecentral", "francesouth", "germanynorth",
    "germanywestcentral", "italynorth", "northeurope", "polandcentral", "spaincentral",
    "swedencentral", "swedensouth", "westeurope",
))  # fmt: skip
_US = frozenset((
    "centralus", "eastus", "eastus2", "northcentralus", "southcentralus", "westcentralus", "westus",
    "westus2", "westus3",
))  # fmt: skip
_UK = frozenset(("uksouth", "ukwest"))
_SWITZERLAND = frozenset(("switzerlandnorth", "switzerlandwest"))
_NORWAY = frozenset(("norwayeast", "norwaywest"))
REGIONS: dict[Geography, frozenset[str]] = {
    "eu": _EU,
    "europe": _EU | _UK | _SWITZERLAND | _NORWAY,
    "uk": _UK,
    "switzerland": _SWITZERLAND,
    "norway": _NORWAY,
    "us": _US,
    "canada": frozenset(("canadacentral", "canadaeast")),
}

Region = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Residency(Strict):
    """The places that copies may lie in: everything that either list allows."""

    regions: Annotated[tuple[Region, ...], AfterValidator(unique)] = Field(
        default=(),
        description="Regions by their short names, as `location` of a cluster or vault writes them:"
        " westeurope, eu-central-1, or a name of your own for a place of your own. Default none.",
        examples=[["westeurope", "northeurope"]],
    )
    geographies: Annotated[tuple[Geography, ...], AfterValidator(unique)] = Field(
        default=(),
        description="Geographies, each standing for its Azure regions as of " + AS_OF + ": eu"
        " (member states only), europe (with uk, switzerland and norway), uk, switzerland, norway,"
        " us (the public cloud), canada. A newer region is written into `regions`. Default none.",
        examples=[["eu"]],
    )

    @model_validator(mode="after")
    def _allows_something(self) -> Residency:
        if not self.regions and not self.geographies:
            raise refuse("a region or a geography; remove residency to allow every place")
        return self

    def why_not(self, region: str) -> str:
        """Why nothing may lie in a region ("" for one that nobody has written); "" when it may."""
        if not region:
            return "does not say where it lies"
        if region in self.regions or any(region in REGIONS[one] for one in self.geographies):
            return ""
        return f"lies in {region}"

    @property
    def allowed(self) -> str:
        """What is allowed, for a message: `westeurope, eu`."""
        return ", ".join((*self.regions, *self.geographies))
