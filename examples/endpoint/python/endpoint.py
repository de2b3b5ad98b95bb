"""A WhatsApp Flow endpoint that tries every private key in a folder."""

import hashlib
import hmac
import json
import os
import signal
import sys
import traceback
from base64 import b64decode, b64encode
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KEY_FOLDER = Path(os.environ.get("KEY_FOLDER", "keys"))
APP_SECRET_FILE = os.environ.get("APP_SECRET_FILE")
PORT = int(os.environ.get("PORT", "8080"))

PADDING = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)


def answer(request):
    """Your Flow goes here."""
    if request.get("action") == "ping":
        return {"data": {"status": "active"}}
    if (request.get("data") or {}).get("error"):
        return {"data": {"acknowledged": True}}
    return {"screen": "SUCCESS", "data": {}}


def is_signed(body, signature):
    """Accepts every request if there is no file with the app secret."""
    if not APP_SECRET_FILE:
        return True
    secret = Path(APP_SECRET_FILE).read_bytes().strip()
    if not secret:
        raise ValueError(f"{APP_SECRET_FILE} is empty")
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.encode(), expected.encode())


@lru_cache
def load_key(pem):
    """Remembers each key, because loading takes tens of milliseconds."""
    return load_pem_private_key(pem, password=None)


def read_keys():
    """Reads the folder for each request, so that a new key works without a restart."""
    for path in sorted(KEY_FOLDER.iterdir()):
        # In a mounted Secret, names with a leading dot belong to Kubernetes.
        if path.name.startswith("."):
            continue
        try:
            yield path.name, load_key(path.read_bytes())
        except Exception as error:
            log(f"{path.name} is not a private key: {error}")


def open_request(body):
    fields = json.loads(body)
    data = b64decode(fields["encrypted_flow_data"])
    encrypted_key = b64decode(fields["encrypted_aes_key"])
    iv = b64decode(fields["initial_vector"])
    for name, key in read_keys():
        try:
            aes = AESGCM(key.decrypt(encrypted_key, PADDING))
            request = json.loads(aes.decrypt(iv, data, None))
        except Exception:
            continue  # Perhaps the next key opens the request.
        log(f"{name} opened the request")
        return request, aes, iv
    raise ValueError("no key opens the request")


def seal(text, aes, iv):
    """Encrypts with the key of the request, and with every bit of the IV flipped."""
    flipped = bytes(byte ^ 0xFF for byte in iv)
    return b64encode(aes.encrypt(flipped, text.encode(), None))


def respond(body, signature):
    if not is_signed(body, signature):
        return 432, b""
    try:
        request, aes, iv = open_request(body)
    except Exception as error:
        log(error)
        return 421, b""
    return 200, seal(json.dumps(answer(request)), aes, iv)


def log(message):
    print(message, file=sys.stderr, flush=True)


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, text = respond(body, self.headers.get("X-Hub-Signature-256", ""))
        except Exception:
            traceback.print_exc()
            status, text = 500, b""
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = ThreadingHTTPServer(("", PORT), Endpoint)
    log(f"listening on port {PORT}")
    server.serve_forever()
