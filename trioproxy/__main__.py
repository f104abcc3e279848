"""`python -m trioproxy`: the same as `trioproxy`."""

from trioproxy.cli import main

if __name__ == "__main__":
    main()
