"""A server that starts once: the second start finds its flag and never listens. `once.py FLAG PORT`."""

import os
import sys
import time
from pathlib import Path

flag, port = Path(sys.argv[1]), sys.argv[2]
if flag.exists():
    print("the licence file is locked; waiting for it", flush=True)
    time.sleep(300)
flag.touch()
bridge = ["-m", "chaosrun.reference.mt5_bridge", "--port", port, "--terminal", "127.0.0.1:1"]
os.execv(sys.executable, [sys.executable, *bridge])
