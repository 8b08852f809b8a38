#!/usr/bin/env python3
"""bundle.py OUT.tar < IMAGES: images as a node imports them. IMAGES is a JSON list of `name`, `root` (a folder, its one
layer) and `config` (Entrypoint, Cmd, Env ...). The same folder makes the same image."""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile


def layer(root):
    out = io.BytesIO()

    def plain(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files + [name for name in folders if os.path.islink(os.path.join(folder, name))]):
                path = os.path.join(folder, name)
                archive.add(path, os.path.relpath(path, root), recursive=False, filter=plain)
            for name in folders:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    archive.add(path, os.path.relpath(path, root), recursive=False, filter=plain)
    return out.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def described(kind, data):
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data), "size": len(data)}


def bundle(out, images):
    blobs, layers, manifests = {}, {}, []

    def keep(data):
        blobs[digest(data).removeprefix("sha256:")] = data
        return data

    for image in images:
        if image["root"] not in layers:
            content = layer(image["root"])
            layers[image["root"]] = digest(content), keep(gzip.compress(content, 6, mtime=0))
        diff, packed = layers[image["root"]]
        config = keep(json.dumps({
            "architecture": "amd64", "os": "linux", "config": image["config"], "rootfs": {"type": "layers", "diff_ids": [diff]},
        }).encode())
        manifest = keep(json.dumps({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("config.v1+json", config),
            "layers": [described("layer.v1.tar+gzip", packed)],
        }).encode())
        names = {"io.containerd.image.name": image["name"], "org.opencontainers.image.ref.name": image["name"].rsplit(":", 1)[1]}
        manifests.append({**described("manifest.v1+json", manifest), "annotations": names})
    entries = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": manifests}).encode(),
        **{f"blobs/sha256/{name}": data for name, data in blobs.items()},
    }
    with tarfile.open(out, "w") as archive:
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


bundle(sys.argv[1], json.load(sys.stdin))
