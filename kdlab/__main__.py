"""`python -m kdlab`: the kdlab command."""

from .cli.app import main

if __name__ == "__main__":
    main()
