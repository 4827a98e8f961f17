"""A ping-pong as a user of Locust writes it, begun at a random moment of the period. Needs Locust."""

import json
import os
import random
import time

import gevent
import websocket
from locust import User, constant_pacing, task

EVERY_S = float(os.environ["PEER_EVERY"].rstrip("s"))


class Pinging(User):
    wait_time = constant_pacing(EVERY_S)

    def on_start(self):
        self.socket = websocket.create_connection(self.host.replace("http", "ws", 1) + "/ws", timeout=30)
        gevent.sleep(random.random() * EVERY_S)

    @task
    def ping(self):
        began, error = time.perf_counter(), None
        try:
            self.socket.send(json.dumps({"type": "ping"}))
            answer = json.loads(self.socket.recv())
            if answer["type"] != "pong":
                error = ValueError(f"no pong: {answer}")
        except (OSError, ValueError, websocket.WebSocketException) as reason:
            error = reason
        took_ms = (time.perf_counter() - began) * 1000
        self.environment.events.request.fire(
            request_type="WS", name="ping", response_time=took_ms, response_length=0, exception=error, context={}
        )
