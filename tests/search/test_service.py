"""The service over real HTTP: what it answers, and how it refuses."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from naru.settings import ServiceSettings
from search.catalog import Catalog
from search.searcher import MAX_QUERY, Answer, Searcher
from search.service import MAX_BODY, create_app
from tests_search import Serve, Served
