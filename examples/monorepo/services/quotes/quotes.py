"""Quotes for large orders: `/quote?croissant=24&baguette=3`."""

from pricing import PRICES, in_euros, total
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def quote(request):
    unknown = sorted(set(request.query_params) - set(PRICES))
    if unknown:
        return JSONResponse({"error": f"We do not bake {', '.join(unknown)}."}, 400)
    if not all(count.isdecimal() for count in request.query_params.values()):
        return JSONResponse({"error": "Numbers only, please."}, 400)
    order = {name: int(count) for name, count in request.query_params.items()}
    return JSONResponse({"order": order, "total": in_euros(total(order))})


async def health(request):
    return JSONResponse({"status": "ok"})


app = Starlette(routes=[Route("/quote", quote), Route("/healthz", health)])
