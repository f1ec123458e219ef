"""A stand-in for Azure Resource Manager on loopback: managed disks, snapshots, resource groups.

The official clients (azure-mgmt-compute, azure-mgmt-resource) speak to it unchanged. README.md says
which of Azure's limits it keeps, and what it leaves out.
"""

from local.arm.access import Principal
from local.arm.clock import RealTime, VirtualTime
from local.arm.limits import Delays, Limits, Region, Settings
from local.arm.server import Stand, serve
from local.arm.service import TOKEN, Arm

__all__ = [
    "TOKEN",
    "Arm",
    "Delays",
    "Limits",
    "Principal",
    "RealTime",
    "Region",
    "Settings",
    "Stand",
    "VirtualTime",
    "serve",
]
