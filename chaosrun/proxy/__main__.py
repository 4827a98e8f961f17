"""`python -m chaosrun.proxy`."""

from chaosrun.proxy.program import main

if __name__ == "__main__":
    main()
