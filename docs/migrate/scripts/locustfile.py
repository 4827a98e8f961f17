"""The market opens: 500 users who ask for a page every two seconds, 300 who watch the prices. Three minutes.

locust -f locustfile.py --headless --host http://127.0.0.1:9200
"""

import json
import time

import gevent
import websocket
from locust import HttpUser, LoadTestShape, User, constant_pacing, task


class Poller(HttpUser):
    weight = 5
    wait_time = constant_pacing(2)

    def ask(self, path, *keys):
        with self.client.get(path, name=path.partition("?")[0], catch_response=True, timeout=5) as answer:
            if answer.ok and not all(key in answer.json() for key in keys):
                answer.failure(f"not all of {keys} are there")

    @task(5)
    def snapshot(self):
        self.ask("/api/market/snapshot", "quotes", "indices", "foreign")

    @task(3)
    def foreign(self):
        self.ask("/api/market/foreign-detail", "summary", "stocks")

    @task(2)
    def components(self):
        self.ask("/api/vn30-components", "components", "count")

    @task(1)
    def alerts(self):
        self.ask("/api/market/alerts?limit=50", "alerts")


class Watcher(User):
    weight = 3
    wait_time = constant_pacing(5)

    def on_start(self):
        self.asked = 0
        self.socket = websocket.create_connection(self.host.replace("http", "ws", 1) + "/ws/market", timeout=30)
        self.reader = gevent.spawn(self.read)

    def on_stop(self):
        self.reader.kill()
        self.socket.close()

    def read(self):
        while True:
            try:
                message = json.loads(self.socket.recv())
            except (OSError, websocket.WebSocketException) as error:
                self.tell("connection", 0, error)
                return
            if message["type"] == "market":
                self.tell("market", time.time() * 1000 - message["ts"])
            elif message["type"] == "pong":
                self.tell("ping", time.time() * 1000 - message["sent"])

    @task
    def ping(self):
        self.asked += 1
        self.socket.send(json.dumps({"type": "ping", "id": self.asked, "sent": time.time() * 1000}))

    def tell(self, name, milliseconds, error=None):
        self.environment.events.request.fire(
            request_type="WS", name=name, response_time=milliseconds, response_length=0, exception=error, context={}
        )


class MarketOpens(LoadTestShape):
    stages = ((150, 800), (180, 0))  # until that second, so many users

    def tick(self):
        now = self.get_run_time()
        return next(((users, 27) for until, users in self.stages if now < until), None)
