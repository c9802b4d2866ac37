"""`constitutional stages`: what there is, with every parameter."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
