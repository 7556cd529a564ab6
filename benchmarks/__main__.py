"""`python -m benchmarks`, from the root of the checkout."""

from benchmarks.command import main

if __name__ == "__main__":
    main()
