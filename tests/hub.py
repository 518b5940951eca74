"""For test_huggingface_hub.py: the Hub's protocol for one small model, its CDN, and what hf_xet asks for."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse

from servers import KeepAliveHandler, Server

REPOSITORY = "corp/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = {
    "README.md": b"# tiny\n",
    "config.json": b'{"model_type": "tiny"}\n',
    "data/part-1.txt": b"one\n" * 100,
    "data/part-2.txt": b"two\n" * 100,
    "model.safetensors": bytes(range(256)) * 40,
}
WEIGHTS = "model.safetensors"  # in LFS: the Hub redirects to the CDN

_XET_HASH = "ab" * 32


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _xorb(data):
    """Xet's container with *data* as its only chunk: version 0, both lengths in three bytes, not compressed."""
    length = len(data).to_bytes(3, "little")
    return b"\0" + length + b"\0" + length + data


def _git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Storage(Server):
    """The CDN: every LFS object by its SHA-256; and for hf_xet the content-addressable store (CAS) of the weights.

    It notes why clients ended handshakes, by the alerts they sent (RFC 8446, 6.2).
    """

    def __init__(self, certificate):
        super().__init__(certificate, handler=_StorageHandler)
        # Of another host than the Hub: there, its redirects are followed with the user's token.
        self.url = self.url.replace("localhost", "127.0.0.1")
        self.refusals = []
        self.context = _Noting(self.context, self.refusals)


class Hub(Server):
    """The Hub with the one repository.

    Args:
        certificate: its certificate (trustme's), or ``None`` for a Hub in plain HTTP.
        storage: the URL of the CDN that LFS files are redirected to.
        xet: the URL of the CAS; with it the Hub says that the weights are stored in Xet as well.
    """

    def __init__(self, certificate, storage, *, xet=None):
        super().__init__(certificate, handler=_HubHandler)
        self.endpoint = self.url.rstrip("/")
        self.storage = storage
        self.xet = xet


class _Noting:
    """An SSLContext that notes why handshakes failed."""

    def __init__(self, context, refusals):
        self._context = context
        self._refusals = refusals

    def wrap_socket(self, *args, **kwargs):
        try:
            return self._context.wrap_socket(*args, **kwargs)
        except OSError as error:
            self._refusals.append(getattr(error, "reason", None) or type(error).__name__)
            raise


class _Answering(KeepAliveHandler):
    """Answers GET, HEAD and POST by ``answer(path)``."""

    def do_GET(self):
        self.server.requests.append(f"{self.command} {self.path}")
        self.answer(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path))

    do_HEAD = do_POST = do_GET

    def reply(self, body, *, status=200, **headers):
        """Send *body*, or the part of it that was asked for, with *headers* (``X_Y`` for ``X-Y``)."""
        size, asked = len(body), self.headers.get("Range")
        if asked and status == 200 and self.command == "GET":
            start, end = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
            body = body[int(start) : int(end) + 1 if end else None]
            status = 206 if body else 416
            part = f"{start}-{int(start) + len(body) - 1}" if body else "*"
            headers["Content_Range"] = f"bytes {part}/{size}"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, content, **headers):
        self.reply(json.dumps(content).encode(), Content_Type="application/json", **headers)

    def redirect(self, status, location, **headers):
        self.reply(b"", status=status, Location=location, **headers)


class _StorageHandler(_Answering):
    def answer(self, path):
        objects = {f"/{REPOSITORY}/{_sha256(data)}": data for data in CONTENT.values()}
        if path in objects:
            self.reply(objects[path], Accept_Ranges="bytes", ETag=f'"{_sha256(objects[path])}"')
        elif path == f"/v1/reconstructions/{_XET_HASH}":
            self._reconstruct()
        elif path == f"/xorbs/{_XET_HASH}":
            self.reply(_xorb(CONTENT[WEIGHTS]))
        else:
            self.reply(b"", status=404)

    def _reconstruct(self):
        """Say where the weights are: one range of one xorb, with one chunk in it."""
        size, chunks = len(_xorb(CONTENT[WEIGHTS])), {"start": 0, "end": 1}
        term = {"hash": _XET_HASH, "unpacked_length": len(CONTENT[WEIGHTS]), "range": chunks}
        place = {"url": f"{self.server.url}xorbs/{_XET_HASH}", "url_range": {"start": 0, "end": size - 1}}
        fetch = {_XET_HASH: [place | {"range": chunks}]}
        self.reply_json({"offset_into_first_range": 0, "terms": [term], "fetch_info": fetch})


class _HubHandler(_Answering):
    def answer(self, path):
        length = int(self.headers.get("Content-Length", 0))
        asked = urllib.parse.parse_qs(self.rfile.read(length).decode())
        for pattern, answer in (
            (rf"/{REPOSITORY}/resolve/([^/]+)/(.+)", self._resolve),
            (rf"/api/resolve-cache/models/{REPOSITORY}/([^/]+)/(.+)", self._send_cached),
            (rf"/api/models/{REPOSITORY}(?:/revision/([^/]+))?", self._describe),
            (rf"/api/models/{REPOSITORY}/tree/([^/]+)(?:/(.+))?", self._list),
            (rf"/api/models/{REPOSITORY}/paths-info/([^/]+)", lambda rev: self._look_up(rev, asked["paths"])),
            (rf"/api/models/{REPOSITORY}/xet-read-token/([^/]+)", self._give_token),
        ):
            found = re.fullmatch(pattern, path)
            if found:
                answer(*found.groups())
                return
        self.reply(b"", status=404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")

    def _resolve(self, revision, name):
        if not self._knows(revision):
            return
        data = CONTENT.get(name)
        if data is None:
            self.reply(b"", status=404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            return
        headers = {"X_Repo_Commit": COMMIT, "X_Linked_Size": str(len(data)), "Accept_Ranges": "bytes"}
        if name != WEIGHTS:
            headers["X_Linked_Etag"] = f'"{_git_sha1(data)}"'
            self.redirect(307, f"/api/resolve-cache/models/{REPOSITORY}/{COMMIT}/{name}", **headers)
            return
        headers["X_Linked_Etag"] = f'"{_sha256(data)}"'
        if self.server.xet:
            token = f"{self.server.endpoint}/api/models/{REPOSITORY}/xet-read-token/{COMMIT}"
            headers |= {"X_Xet_Hash": _XET_HASH, "Link": f'<{token}>; rel="xet-auth"'}
        self.redirect(302, f"{self.server.storage}{REPOSITORY}/{_sha256(data)}", **headers)

    def _send_cached(self, _commit, name):
        data = CONTENT[name]
        self.reply(data, ETag=f'"{_git_sha1(data)}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes")

    def _describe(self, revision):
        if self._knows(revision or "main"):
            siblings = [{"rfilename": name} for name in CONTENT]
            self.reply_json({"_id": "1", "id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": siblings})

    def _list(self, revision, folder):
        if not self._knows(revision):
            return
        under = f"{folder}/" if folder else ""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        inside = {name for name in CONTENT if name.startswith(under)}
        if query.get("recursive") not in (["True"], ["true"]):
            inside = {under + name.removeprefix(under).partition("/")[0] for name in inside}
        self.reply_json([_entry(name) for name in sorted(inside)])

    def _look_up(self, revision, paths):
        if self._knows(revision):
            folders = {name.rpartition("/")[0] for name in CONTENT} - {""}
            self.reply_json([_entry(path) for path in paths if path in CONTENT or path in folders])

    def _give_token(self, _revision):
        answer = {"casUrl": self.server.xet, "accessToken": "a-token", "exp": 4102444800}
        headers = {"X_Xet_Cas_Url": self.server.xet, "X_Xet_Access_Token": "a-token"}
        self.reply_json(answer, X_Xet_Token_Expiration="4102444800", **headers)

    def _knows(self, revision):
        known = revision in ("main", COMMIT)
        if not known:
            self.reply(b"", status=404, X_Error_Code="RevisionNotFound")
        return known


def _entry(name):
    data = CONTENT.get(name)
    if data is None:
        return {"type": "directory", "path": name, "oid": _git_sha1(name.encode())}
    entry = {"type": "file", "path": name, "size": len(data), "oid": _git_sha1(data)}
    if name == WEIGHTS:
        entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 134}
    return entry
