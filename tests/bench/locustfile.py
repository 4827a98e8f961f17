"""The ping-pong of the bench as a user of Locust would write it: one a second and user, begun at a random moment.

Locust and websocket-client are no dependencies of chaosrun: this file runs only where they are installed.
"""

import itertools
import json
import os
import random
import time

import gevent
import websocket
from locust import User, constant_throughput, events, task

IDS = itertools.count(1)


class PingingUser(User):
    wait_time = constant_throughput(1)

    def on_start(self):
        gevent.sleep(random.random())
        self.connection = websocket.create_connection(f"ws://127.0.0.1:{os.environ['BENCH_PORT']}/ws")
        self._ask(type="auth", account="1", token="")
        self._ask(type="subscribe", channels=["EURUSD"])

    @task
    def ping(self):
        began = time.perf_counter()
        number = next(IDS)
        answer = self._ask(type="ping", id=number, sent=time.time() * 1e3)
        events.request.fire(
            request_type="WS",
            name="ping",
            response_time=(time.perf_counter() - began) * 1e3,
            response_length=len(answer),
            exception=None if json.loads(answer)["id"] == number else ValueError("another's answer"),
            context={},
        )

    def _ask(self, **message):
        self.connection.send(json.dumps(message))
        return self.connection.recv()


@events.spawning_complete.add_listener
def _started(user_count, **_):
    print("connected", user_count, flush=True)
