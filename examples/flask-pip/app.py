"""A unit converter: a page for people, an endpoint for programs."""

import math
import os
import sys

from flask import Flask, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from units import UNITS, ConversionError, convert

app = Flask(__name__)


def asked() -> dict:
    """The conversion named by the query string, with its result."""
    try:
        value = float(request.args.get("value", ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConversionError("`value` must be a number.")
    source, target = request.args.get("from", ""), request.args.get("to", "")
    return {"value": value, "from": source, "to": target, "result": round(convert(value, source, target), 6)}


@app.get("/")
def index():
    answer = error = None
    if request.args:
        try:
            answer = asked()
        except ConversionError as problem:
            error = str(problem)
    status = 200 if error is None else 400
    return render_template("index.html", units=UNITS.values(), answer=answer, error=error, args=request.args), status


@app.get("/api/convert")
def api_convert():
    return jsonify(asked())


@app.get("/api/units")
def api_units():
    return jsonify({unit.name: unit.dimension for unit in UNITS.values()})


@app.get("/healthz")
def healthz():
    return jsonify(
        status="ok",
        python=".".join(map(str, sys.version_info[:3])),
        workers=os.environ.get("WEB_CONCURRENCY"),
    )


@app.errorhandler(ConversionError)
def refuse(problem: ConversionError):
    return jsonify(error=str(problem)), 400


@app.errorhandler(HTTPException)
def explain(problem: HTTPException):
    if request.path.startswith("/api/"):
        return jsonify(error=problem.description), problem.code
    return render_template("error.html", problem=problem), problem.code
