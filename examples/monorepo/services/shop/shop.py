"""The shop window of a bakery."""

from flask import Flask, render_template

from pricing import PRICES, in_euros

app = Flask(__name__)
app.jinja_env.filters["euros"] = in_euros


@app.get("/")
def index():
    return render_template("index.html", prices=PRICES)


@app.get("/healthz")
def health():
    return {"status": "ok", "goods": len(PRICES)}
