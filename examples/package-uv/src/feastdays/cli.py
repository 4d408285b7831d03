import argparse
import logging
from datetime import date

import waitress

from . import feasts
from .web import app


def main() -> None:
    parser = argparse.ArgumentParser(prog="feastdays", description="The moveable feasts of a year.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="print those of a year")
    show.add_argument("year", type=int, nargs="?", default=date.today().year)
    serve = commands.add_parser("serve", help="answer over HTTP")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()

    if args.command == "serve":
        logging.basicConfig(level=logging.INFO)
        waitress.serve(app, host=args.host, port=args.port)
    else:
        for name, day in feasts(args.year).items():
            print(f"{day}  {name}")
