"""Resource ids, which ARM compares without regard to case and gives back as they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.arm.errors import ArmError, bad_request

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.Compute/(?P<kind>disks|snapshots)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
# Azure: 1-80 letters, digits, _, - and ., first a letter or digit, last one of these or _.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?")
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")


@dataclass(frozen=True)
class ResourceId:
    """One disk or snapshot. `kind` is `disks` or `snapshots`."""

    subscription: str
    group: str
    kind: str
    name: str

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.Compute/{self.kind}/{self.name}"
        )

    @property
    def key(self) -> str:
        """By which it is stored and compared."""
        return str(self).lower()

    @property
    def group_key(self) -> tuple[str, str]:
        return self.subscription.lower(), self.group.lower()


def parse_id(text: str) -> ResourceId:
    """Raises ArmError for anything but the id of a disk or a snapshot."""
    found = _ID.fullmatch(text or "")
    if found is None:
        raise bad_request("InvalidParameter", f"'{text}' is not the id of a disk or snapshot.")
    return ResourceId(found["subscription"], found["group"], found["kind"].lower(), found["name"])


def check_name(name: str) -> None:
    """Raises ArmError: Azure's naming rules of disks and snapshots."""
    if not _NAME.fullmatch(name):
        raise bad_request("InvalidParameter", f"The resource name '{name}' is invalid.")


def check_group_name(name: str) -> None:
    """Raises ArmError: 1-90 word characters, brackets, dots and hyphens, no dot at the end."""
    if not _GROUP.fullmatch(name):
        raise bad_request("InvalidResourceGroup", f"The resource group name '{name}' is invalid.")


def check_tags(tags: dict[str, str]) -> None:
    """Raises ArmError: 50 tags, names of 512 and values of 256 characters."""
    if len(tags) > 50:
        raise bad_request("InvalidTags", f"{len(tags)} tags: a resource has 50 at most.")
    for name, value in tags.items():
        if not name or len(name) > 512 or set(name) & set("<>%&\\?/"):
            raise ArmError(400, "InvalidTagNameCharacters", f"The tag name '{name}' is invalid.")
        if not isinstance(value, str) or len(value) > 256:
            raise ArmError(400, "TagValueTooLong", f"The value of tag '{name}' is too long.")
