"""`python -m lifeboat` is the console script."""

from lifeboat.cli import main

main()
