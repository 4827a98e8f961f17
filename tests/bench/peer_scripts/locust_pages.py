"""A poller as a user of Locust writes it, by the faster of its two HTTP clients. Needs Locust."""

import os
import random

import gevent
from locust import FastHttpUser, constant_pacing, task

EVERY_S = float(os.environ["PEER_EVERY"].rstrip("s"))


class Polling(FastHttpUser):
    wait_time = constant_pacing(EVERY_S)

    def on_start(self):
        gevent.sleep(random.random() * EVERY_S)

    @task
    def page(self):
        with self.client.get("/api/vn30-components", catch_response=True) as answer:
            if answer.status_code == 200 and "components" not in answer.json():
                answer.failure("no components")
