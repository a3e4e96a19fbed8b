"""`python -m ontogeny`: the command line, where its script is not on the path."""

from ontogeny.cli import main

if __name__ == "__main__":
    main()
