"""Access tokens: JWTs with an expiry and a random part, signed with a key that is another at every start unless SHOP_KEY names it."""
import base64
import hashlib
import hmac
import json
import os
import secrets
import time

KEY = os.environ.get("SHOP_KEY", "").encode() or secrets.token_bytes(32)
LASTS = 900  # seconds


def _text(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def _bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(signed):
    return _text(hmac.digest(KEY, signed.encode(), hashlib.sha256))


def issue(user, generation):
    now = int(time.time())
    claims = {"sub": user, "generation": generation, "iat": now, "exp": now + LASTS, "jti": secrets.token_hex(16)}
    signed = ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return signed + "." + _signature(signed)


def read(token):
    """Its claims, None where it is not ours or has expired."""
    signed, _, signature = token.rpartition(".")
    if not signed or not hmac.compare_digest(_signature(signed), signature):
        return None
    claims = json.loads(_bytes(signed.split(".")[1]))
    return claims if claims["exp"] > time.time() else None


def cursor(after):
    return _text(json.dumps({"after": after}).encode())


def cursor_read(text):
    """None: it is none."""
    try:
        return json.loads(_bytes(text))["after"]
    except (ValueError, KeyError, TypeError):
        return None
