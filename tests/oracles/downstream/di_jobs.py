"""What the jobs of di_app.py call: apscheduler-di finds a job's function by its reference, so not in the program."""

import threading

done = threading.Event()
said = []


class Tack:
    def tack(self):
        return "Tack!"


def tick(tack: Tack, some_argument: int):
    said.append((tack.tack(), some_argument))
    if len(said) >= 3:
        done.set()
