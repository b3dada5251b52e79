"""`python -m domainvec`: the command line."""

from __future__ import annotations

from domainvec.cli.app import main

if __name__ == "__main__":
    main()
