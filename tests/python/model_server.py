"""A local server with the paths and answers of Zenodo and of Hugging Face's hub."""

import hashlib
import json
import zipfile
from urllib.parse import quote

from survey_server import Server

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def zip_folder(folder, path, under=""):
    """A zip of a model's folder, as a file manager makes one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, under + file.name)
    return path.read_bytes()


class ModelServer(Server):
    """Serves models at plain addresses, as records and as repositories."""

    def put(self, path, data):
        """Serve a file; give its address."""
        self.files[path] = data
        return self.base + path

    def put_record(self, number, files, **changes):
        """Serve a record as Zenodo does since it runs InvenioRDM."""
        entries = []
        for name, data in files.items():
            path = f"/api/records/{number}/files/{quote(name)}/content"
            entries.append(
                {
                    "id": "c9f8e2a4-0000-4000-8000-000000000000",
                    "key": name,
                    "size": len(data),
                    "checksum": f"md5:{hashlib.md5(data, usedforsecurity=False).hexdigest()}",
                    "links": {"self": self.put(path, data)},
                }
            )
        record = {
            "created": "2026-01-02T03:04:05.678901+00:00",
            "conceptdoi": f"10.5281/zenodo.{number - 1}",
            "conceptrecid": str(number - 1),
            "doi": f"10.5281/zenodo.{number}",
            "id": number,
            "recid": str(number),
            "metadata": {
                "title": "A model",
                "creators": [{"name": "Author, An", "affiliation": None}],
                "license": {"id": "cc-by-4.0"},
                "access_right": "open",
            },
            "files": entries,
            "links": {"self": f"{self.base}/api/records/{number}"},
            "state": "done",
            "submitted": True,
        } | changes
        self.files[f"/api/records/{number}"] = json.dumps(record).encode()
        return f"doi:10.5281/zenodo.{number}"

    def put_repository(self, name, files, commit=COMMIT, revision=None, elsewhere=None, **changes):
        """Serve a repository as the hub does: what is large lies on another server."""
        siblings = []
        for file, data in files.items():
            entry = {"rfilename": file, "size": len(data)}
            path = f"/{name}/resolve/{commit}/{quote(file)}"
            oid = b"blob %d\0" % len(data)
            entry["blobId"] = hashlib.sha1(oid + data, usedforsecurity=False).hexdigest()
            self.files[path] = data
            if file.endswith((".safetensors", ".npy", ".zip")):
                entry["blobId"] = "f" * 40  # of the pointer that git holds
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
                if elsewhere is not None:
                    signed = f"/repos/ab/cd/{digest}?X-Signature=secret"
                    there = elsewhere.put(signed, data)
                    self.faults[path] = [{"code": 302, "headers": {"Location": there}}]
            siblings.append(entry)
        answer = {
            "_id": "65f0c0ffee",
            "id": name,
            "modelId": name,
            "sha": commit,
            "private": False,
            "gated": False,
            "tags": ["lucas-habitat", "license:cc-by-4.0"],
            "cardData": {"license": "cc-by-4.0"},
            "siblings": siblings,
        } | changes
        asked = f"/revision/{quote(revision, safe='')}" if revision else ""
        self.files[f"/api/models/{name}{asked}?blobs=true"] = json.dumps(answer).encode()
        return f"hf://{name}" + (f"@{revision}" if revision else "")
