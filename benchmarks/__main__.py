"""Run the benchmarks that need no choosing: quality on every set at hand, then speed on the demo."""

from benchmarks import quality, speed

if __name__ == "__main__":
    quality.main()
    speed.main()
