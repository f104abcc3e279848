"""`python -m trioproxy`, which is `trioproxy`."""

from trioproxy.cli import main

if __name__ == "__main__":
    main()
