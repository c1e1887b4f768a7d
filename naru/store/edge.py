"""Collections in a folder, searched in this process by Qdrant Edge.

    STORE/naru-store.json               the format of the folder
    STORE/NAME/...                      as versions.py lays it out
    STORE/NAME/<version>/manifest.json  dimension, count and the manifest's facts
    STORE/NAME/<version>/statistics.npz
    STORE/NAME/<version>/shard/         Qdrant Edge

Edge's index building holds the interpreter's lock, so it runs in a process of its own (optimise.py), on a
version that nobody searches yet. A build writes no log: it is thrown away when its process dies.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import batched_points
