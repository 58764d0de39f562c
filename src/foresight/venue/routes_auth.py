"""Credentials for the sockets that want some: enough for the official client to log in to PolyBolt.

They follow from the address that asks. No signature is checked: the venue gives nothing away that is not public, and
what trades is not served here.
"""

import base64
import hashlib

from aiohttp import web

from foresight.venue.answers import answer
from foresight.venue.documents import Document

NO_ADDRESS: Document = {"error": "Invalid L1 Request headers"}
NO_KEY: Document = {"error": "Unauthorized/Invalid api key"}


class AuthRoutes:
    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/auth/api-key", self._make),
            web.get("/auth/derive-api-key", self._make),
            web.get("/auth/api-keys", self._list),
        ]

    async def _make(self, request: web.Request) -> web.Response:
        address = request.headers.get("POLY_ADDRESS")
        if not address or not request.headers.get("POLY_SIGNATURE"):
            return answer(NO_ADDRESS, status=401)
        return answer(credentials_of(address))

    async def _list(self, request: web.Request) -> web.Response:
        key = request.headers.get("POLY_API_KEY")
        return answer({"apiKeys": [key]}) if key else answer(NO_KEY, status=401)


def credentials_of(address: str) -> Document:
    """The same for the same address."""
    digest = hashlib.sha256(f"credentials:{address.lower()}".encode()).digest()
    name = digest[:16].hex()
    return {
        "apiKey": f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}",
        "secret": base64.urlsafe_b64encode(digest).decode(),
        "passphrase": hashlib.sha256(digest).hexdigest(),
    }
