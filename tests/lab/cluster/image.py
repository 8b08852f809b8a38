#!/usr/bin/env python3
"""image.py OUT.tar NAME:TAG BUSYBOX COMMAND...: an image of nothing but busybox, as a node imports it."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile


def add(archive, name, data=None, mode=0o644, link=None):
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if link is not None:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
        archive.addfile(entry)
    elif data is None:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    else:
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))


def layer(busybox):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("bin", "etc", "proc", "sys", "dev"):
            add(archive, folder, mode=0o755)
        add(archive, "tmp", mode=0o1777)
        add(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        with open(busybox, "rb") as program:
            add(archive, "bin/busybox", program.read(), mode=0o755)
        applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
        for applet in applets:
            if applet != "busybox":
                add(archive, f"bin/{applet}", link="busybox")
    return out.getvalue()


def image(out, name, busybox, command):
    content = layer(busybox)
    digest = lambda data: "sha256:" + hashlib.sha256(data).hexdigest()
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/bin/{command[0]}", *command[1:]], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
    }).encode()
    described = lambda kind, data: {
        "mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data), "size": len(data),
    }
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", config),
        "layers": [described("layer.v1.tar", content)],
    }).encode()
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]}
    entry = {**described("manifest.v1+json", manifest), "annotations": names}
    with tarfile.open(out, "w") as archive:
        add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        for blob in (config, manifest, content):
            add(archive, "blobs/sha256/" + digest(blob).removeprefix("sha256:"), blob)


image(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
