"""The same as JSON: `/` for this year, `/2027` for another."""

import json
from datetime import date
from importlib.metadata import version

from . import feasts


def app(environ, start_response):
    path = environ["PATH_INFO"].strip("/")
    if path == "healthz":
        status, answer = "200 OK", {"status": "ok", "version": version("feastdays")}
    elif path == "" or (path.isdecimal() and 1583 <= int(path) <= 9999):
        year = int(path or date.today().year)
        status, answer = "200 OK", {name: str(day) for name, day in feasts(year).items()}
    else:
        status, answer = "404 Not Found", {"error": "Ask for a year from 1583 to 9999."}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
