"""Optimises one Qdrant Edge shard; run as a script, in a process of its own, by `edge_build.py`.

Building indexes holds the interpreter's lock for as long as it takes: in the process that serves, no query
would be answered meanwhile.
"""

from __future__ import annotations

import sys

from qdrant_edge import EdgeShard


def main(path: str) -> None:
    shard = EdgeShard.load(path)
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main(sys.argv[1])
