"""The second step of the demo: delays per carrier and destination, with the names of both.

A plain Pulsar function. Each flight updates its route and emits the route as it stands, so the last message
of a route is its result.
"""

import csv
import json

from pulsar import Function


def _names(path, code, name):
    with open(path, newline="") as file:
        return {row[code]: row[name] for row in csv.DictReader(file)}


class CarrierDelays(Function):
    def __init__(self):
        self.airlines = None
        self.airports = None
        self.routes = {}

    def process(self, input, context):
        flight = json.loads(input)
        key = (flight["carrier"], flight["dest"])
        route = self.routes.get(key)
        if route is None:
            route = self.routes[key] = self.new_route(flight, context)
        route["flights"] += 1
        route["dep_delay"] += flight["dep_delay"]
        if flight["arr_delay"] is not None:
            route["arrived"] += 1
            route["arr_delay"] += flight["arr_delay"]
            route["late"] += flight["arr_delay"] > 15
        return json.dumps(route)

    def new_route(self, flight, context):
        if self.airlines is None:
            self.airlines = _names(context.get_user_config_value("airlines"), "carrier", "name")
            self.airports = _names(context.get_user_config_value("airports"), "faa", "name")
            logger = context.get_logger()
            logger.info("joining with %d airlines and %d airports", len(self.airlines), len(self.airports))
        return {
            "carrier": flight["carrier"],
            "airline": self.airlines[flight["carrier"]],
            "dest": flight["dest"],
            "airport": self.airports.get(flight["dest"]),  # a few destinations are not in the table
            "flights": 0,
            "arrived": 0,
            "late": 0,
            "dep_delay": 0,
            "arr_delay": 0,
        }
