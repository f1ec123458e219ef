"""A second cluster at the newest point, which takes over and hands back (docs/standby.md)."""
