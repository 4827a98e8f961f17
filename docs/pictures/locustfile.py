"""The same users in a closed loop, as a user of Locust would write them: ask, wait for the answer, ask again 0.5 s on.

`PORT` is the bridge's, `TIMES` the file for every time that Locust was told, in ms. Needs Locust and websocket-client.
"""

import itertools
import json
import os
import random
import time
from pathlib import Path

import gevent
import websocket
from locust import User, constant_pacing, events, task

IDS = itertools.count(1)
TIMES = []


class Account(User):
    wait_time = constant_pacing(0.5)
    connection = None

    def on_start(self):
        gevent.sleep(random.random() / 2)

    @task
    def ping(self):
        began = time.perf_counter()
        failure = None
        try:
            if self.connection is None:
                self.connection = self._connect()
                began = time.perf_counter()
            self._ask(type="ping", id=next(IDS), sent=time.time() * 1e3, wanted="pong")
        except (OSError, websocket.WebSocketException) as error:
            failure, self.connection = error, None
        took = (time.perf_counter() - began) * 1e3
        TIMES.append(took)
        events.request.fire(
            request_type="WS", name="ping", response_time=took, response_length=0, exception=failure, context={}
        )

    def _connect(self):
        self.connection = websocket.create_connection(f"ws://127.0.0.1:{os.environ['PORT']}/ws")
        self._ask(type="auth", account="locust", token="", wanted="auth_ok")
        return self.connection

    def _ask(self, *, wanted, **message):
        self.connection.send(json.dumps(message))
        while json.loads(self.connection.recv())["type"] != wanted:
            pass


@events.quitting.add_listener
def _keep(**_):
    Path(os.environ["TIMES"]).write_text(json.dumps(TIMES))
